// NCCL, invented: ranks are threads of one process and find each other by their id. Calls are put
// on the streams of fake_cuda.cpp and wait there for the other ranks, as NCCL's kernels do; what
// they reduce is really reduced. An abort ends those waits.
#include "tests/gpu/comm/fake_nccl/script.hpp"
#include "tests/gpu/comm/values.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

namespace {

using troupe::comm::DataType;
using troupe::comm::ReduceOp;

enum class Kind { all_reduce, broadcast, reduce_scatter, all_gather };

struct Arguments {
  Kind kind;
  const char* in;
  char* out;
  size_t count;
  int type, op, root;
};

/// One collective call, as its ranks come to it.
struct Meeting {
  std::map<int, Arguments> came;
  int done = 0;
  bool broken = false;  // who has left it has maybe freed its memory
};

/// What the ranks of one communicator have in common.
struct World {
  std::mutex mutex;
  std::condition_variable changed;
  int size = 0;
  int joined = 0;
  std::map<uint64_t, Meeting> meetings;
  std::map<std::pair<int, int>, std::deque<std::vector<char>>> letters;  // by sender and receiver
};

struct Comm {
  std::shared_ptr<World> world;
  int rank = 0;
  uint64_t calls = 0;
  std::atomic<bool> aborted{false};
  std::atomic<int> failed{0};
};

struct Work {
  std::shared_ptr<Comm> comm;
  std::function<void(Comm&)> run;
};

std::mutex all_mutex;
// Never destroyed: a call that hangs outlives the program's end.
auto& worlds = *new std::map<std::string, std::shared_ptr<World>>;  // by what ranks know of it
auto& comms = *new std::map<void*, std::shared_ptr<Comm>>;
std::atomic<int> ids{0}, shrunk{0};
thread_local std::vector<std::pair<void*, Work*>>* group = nullptr;

DataType type_of(int number) {
  constexpr DataType types[] = {DataType::int8,    DataType::uint8,   DataType::int32,
                                DataType::uint32,  DataType::int64,   DataType::uint64,
                                DataType::float16, DataType::float32, DataType::float64,
                                DataType::bfloat16};
  return types[number];
}
ReduceOp op_of(int number) {
  constexpr ReduceOp ops[] = {ReduceOp::sum, ReduceOp::prod, ReduceOp::max, ReduceOp::min,
                              ReduceOp::avg};
  return ops[number];
}

std::shared_ptr<Comm> find(void* handle) {
  std::lock_guard lock{all_mutex};
  auto at = comms.find(handle);
  return at == comms.end() ? nullptr : at->second;
}

void* join(const std::string& name, int size, int rank) {
  std::lock_guard lock{all_mutex};
  auto& world = worlds[name];
  if (!world) world = std::make_shared<World>();
  auto comm = std::make_shared<Comm>();
  comm->world = world;
  comm->rank = rank;
  std::lock_guard inner{world->mutex};
  world->size = size;
  ++world->joined;
  auto* handle = comm.get();
  comms[handle] = std::move(comm);
  return handle;
}

std::vector<char> combined(const std::map<int, Arguments>& came, const Arguments& own, int rank) {
  auto type = type_of(own.type);
  auto bytes = troupe::comm::size_of(type);
  std::vector<char> made(own.count * bytes);
  if (own.kind == Kind::broadcast)
    return {came.at(own.root).in, came.at(own.root).in + made.size()};
  if (own.kind == Kind::all_gather) {
    made.clear();
    for (const auto& [number, other] : came)
      made.insert(made.end(), other.in, other.in + own.count * bytes);
    return made;
  }
  auto skip = own.kind == Kind::reduce_scatter ? static_cast<size_t>(rank) * own.count : 0;
  for (size_t i = 0; i < own.count; ++i) {
    std::vector<double> inputs;
    for (const auto& [number, other] : came)
      inputs.push_back(troupe::comm::read_element(type, other.in, skip + i));
    troupe::comm::write_element(type, made.data(), i,
                                troupe::comm::reference(op_of(own.op), inputs));
  }
  return made;
}

void meet(Comm& comm, uint64_t call, const Arguments& own) {
  auto& world = *comm.world;
  std::unique_lock lock{world.mutex};
  if (comm.aborted) return;
  if (comm.rank == fake::told("stuck", -1))
    return world.changed.wait(lock, [&] { return comm.aborted.load(); });
  auto& meeting = world.meetings[call];
  meeting.came[comm.rank] = own;
  world.changed.notify_all();
  auto over = [&](auto&& ready) {
    world.changed.wait(lock, [&] { return comm.aborted || (!meeting.broken && ready()); });
    meeting.broken = meeting.broken || comm.aborted;
    return !comm.aborted;
  };
  if (!over([&] { return static_cast<int>(meeting.came.size()) == world.size; })) return;
  // What does not fit together is never done, as in NCCL.
  for (const auto& [number, other] : meeting.came)
    if (other.kind != own.kind || other.count != own.count || other.type != own.type)
      if (!over([] { return false; })) return;
  auto made = combined(meeting.came, own, comm.rank);
  ++meeting.done;
  world.changed.notify_all();
  if (over([&] { return meeting.done == world.size; }))
    std::memcpy(own.out, made.data(), made.size());
}

int put(void* stream, Work* work) {
  if (group != nullptr) {
    group->push_back({stream, work});
    return 0;
  }
  fake::enqueue(
      stream,
      [](void* argument) {
        std::unique_ptr<Work> mine{static_cast<Work*>(argument)};
        mine->run(*mine->comm);
      },
      work);
  return 0;
}

int collective(void* handle, void* stream, const Arguments& own) {
  auto comm = find(handle);
  auto call = comm->calls++;
  if (comm->rank == fake::told("fails", -1)) comm->failed = 6;
  if (comm->rank == fake::told("refuses", -1)) return 4;
  return put(stream, new Work{comm, [call, own](Comm& one) { meet(one, call, own); }});
}

size_t bytes_of(size_t count, int type) {
  return count * troupe::comm::size_of(type_of(type));
}

}  // namespace

struct FakeId {
  char bytes[128];
};

extern "C" {

int ncclGetVersion(int* version) {
  *version = fake::told("nccl", FAKE_NCCL_VERSION);
  return 0;
}
int ncclGetUniqueId(FakeId* id) {
  if (fake::told("no_id", 0) != 0) return 5;
  std::snprintf(id->bytes, sizeof id->bytes, "fake %d", ++ids);
  return 0;
}
int ncclCommInitRankConfig(void** comm, int size, FakeId id, int rank, void*) {
  *comm = nullptr;
  if (rank == fake::told("start_fails", -1)) return 1;
  *comm = join(id.bytes, size, rank);
  return 7;
}
int ncclCommFinalize(void*) {
  return 0;
}
int ncclCommAbort(void* handle) {
  auto comm = find(handle);
  {
    std::lock_guard lock{comm->world->mutex};
    comm->aborted = true;
  }
  comm->world->changed.notify_all();
  if (fake::told("abort_hangs", 0) != 0)
    std::this_thread::sleep_for(std::chrono::seconds{60});  // tidy: allow sleep: it hangs
  return 0;
}
int ncclCommDestroy(void* handle) {
  std::lock_guard lock{all_mutex};
  comms.erase(handle);
  return 0;
}
#ifndef FAKE_NCCL_BROKEN
int ncclCommGetAsyncError(void* handle, int* code) {
  auto comm = find(handle);
  std::lock_guard lock{comm->world->mutex};
  bool waits =
      comm->world->joined < comm->world->size || fake::told("start_hangs", -1) == comm->rank;
  *code = waits ? 7 : comm->failed.load();
  return 0;
}
#endif
const char* ncclGetErrorString(int code) {
  return code == 6   ? "remote process exited or there was a network error"
         : code == 1 ? "unhandled cuda error"
                     : "invalid argument";
}
const char* ncclGetLastError(void*) {
  return "net.cc:42 connection closed by peer";
}
int ncclAllReduce(const void* in, void* out, size_t count, int type, int op, void* comm,
                  void* stream) {
  return collective(comm, stream,
                    {Kind::all_reduce, static_cast<const char*>(in), static_cast<char*>(out), count,
                     type, op, 0});
}
int ncclBroadcast(const void* in, void* out, size_t count, int type, int root, void* comm,
                  void* stream) {
  return collective(comm, stream,
                    {Kind::broadcast, static_cast<const char*>(in), static_cast<char*>(out), count,
                     type, 0, root});
}
int ncclReduceScatter(const void* in, void* out, size_t count, int type, int op, void* comm,
                      void* stream) {
  return collective(comm, stream,
                    {Kind::reduce_scatter, static_cast<const char*>(in), static_cast<char*>(out),
                     count, type, op, 0});
}
int ncclAllGather(const void* in, void* out, size_t count, int type, void* comm, void* stream) {
  return collective(
      comm, stream,
      {Kind::all_gather, static_cast<const char*>(in), static_cast<char*>(out), count, type, 0, 0});
}
int ncclSend(const void* data, size_t count, int type, int to, void* handle, void* stream) {
  const auto* from = static_cast<const char*>(data);
  auto bytes = bytes_of(count, type);
  return put(stream,
             new Work{find(handle), [=](Comm& comm) {
                        std::lock_guard lock{comm.world->mutex};
                        if (comm.aborted) return;
                        comm.world->letters[{comm.rank, to}].emplace_back(from, from + bytes);
                        comm.world->changed.notify_all();
                      }});
}
int ncclRecv(void* data, size_t count, int type, int from, void* handle, void* stream) {
  auto bytes = bytes_of(count, type);
  return put(stream, new Work{find(handle), [=](Comm& comm) {
                                std::unique_lock lock{comm.world->mutex};
                                auto& box = comm.world->letters[{from, comm.rank}];
                                comm.world->changed.wait(
                                    lock, [&] { return comm.aborted || !box.empty(); });
                                if (comm.aborted || box.empty()) return;
                                std::memcpy(data, box.front().data(),
                                            std::min(bytes, box.front().size()));
                                box.pop_front();
                              }});
}
int ncclGroupStart() {
  group = new std::vector<std::pair<void*, Work*>>;
  return 0;
}
/// All that is sent goes before all that is waited for.
int ncclGroupEnd() {
  auto* ended = group;
  group = nullptr;
  for (size_t turn : {0, 1})
    for (size_t i = turn; i < ended->size(); i += 2) put((*ended)[i].first, (*ended)[i].second);
  delete ended;
  return 0;
}
#if FAKE_NCCL_VERSION >= 22700
int ncclCommShrink(void* handle, int* without, int count, void** made, void*, int) {
  auto comm = find(handle);
  std::set<int> gone{without, without + count};
  auto name = std::to_string(reinterpret_cast<uintptr_t>(comm->world.get())) + " shrunk";
  int rank = comm->rank;
  for (auto one : gone) rank -= one < comm->rank ? 1 : 0;
  *made = join(name, comm->world->size - static_cast<int>(gone.size()), rank);
  ++shrunk;
  return 7;
}
int fake_nccl_shrunk() {
  return shrunk;
}
#endif

}  // extern "C"
