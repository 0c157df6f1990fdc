#include "gpu/comm/device_communicator.hpp"

#include "gpu/comm/communicator_state.hpp"
#include "gpu/comm/device_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <poll.h>
#include <sched.h>
#include <thread>

namespace troupe::comm {

namespace {

using Clock = std::chrono::steady_clock;

// How long a loss elsewhere can go unnoticed by a rank that waits or makes calls.
constexpr std::chrono::milliseconds look_again{5};
// A wait looks this often at the device alone: about as long as a small call takes there.
constexpr uint32_t eager_looks = 500, yielding_looks = 2000;
constexpr timespec rest{0, 50'000};
// NCCL's abort waits for neighbours, and for ever where one has crashed.
constexpr std::chrono::seconds abort_limit{5};
// Until the others have noticed a failure and written down where they are.
constexpr std::chrono::milliseconds others_write{500};

/// Elements as NCCL counts them: what it only moves may be bytes.
struct Moved {
  int type;
  size_t count;
};
Moved moved(DataType type, size_t count) {
  if (auto number = nccl_type(type)) return {*number, count};
  return {*nccl_type(DataType::uint8), count * size_of(type)};
}

Error wrong_device_call(std::string detail) {
  return {Errc::invalid, "the call cannot be made", std::move(detail), ""};
}

}  // namespace

void run_within(std::chrono::milliseconds limit, const std::function<void()>& call) {
  auto done = std::make_shared<std::promise<void>>();
  auto over = done->get_future();
  std::thread{[done, call] {
    call();
    done->set_value();
  }}.detach();
  (void)over.wait_for(limit);
}

DeviceCommunicator::DeviceCommunicator(std::unique_ptr<State> state) : state_{std::move(state)} {}
DeviceCommunicator::~DeviceCommunicator() = default;

uint32_t DeviceCommunicator::rank() const {
  return state_->rank();
}
uint32_t DeviceCommunicator::size() const {
  return state_->size();
}
int DeviceCommunicator::device() const {
  return state_->device;
}
int DeviceCommunicator::nccl_version() const {
  return state_->nccl->version;
}
CudaStream DeviceCommunicator::stream() const {
  return state_->own_stream;
}

DeviceCommunicator::State::~State() {
  if (comm != nullptr && !failure && look(true)) {
    // All ranks come here, or one fails and all abort.
    auto over = nccl->finalize(comm);
    auto until = Clock::now() + abort_limit;
    while (over == nccl_in_progress && Clock::now() < until && look(false)) {
      (void)nccl->async_error(comm, &over);
      if (over == nccl_in_progress) ::ppoll(nullptr, 0, &rest, nullptr);
    }
    if (over == nccl_success) {
      run_within(abort_limit, [library = nccl, old = comm] { (void)library->destroy(old); });
      comm = nullptr;
    }
  }
  end_nccl();
  if (own_stream != nullptr) (void)cuda->stream_destroy(own_stream);
}

void DeviceCommunicator::State::end_nccl() {
  if (comm == nullptr) return;
  run_within(abort_limit, [library = nccl, old = comm] { (void)library->abort(old); });
  comm = nullptr;
}

void DeviceCommunicator::State::write(const std::string& about, const std::string& text) {
  // Who cannot write is named as one that says nothing.
  (void)options.ranks.store->set(fmt::format("{}/device/{}/{}", options.ranks.name, about, rank()),
                                 text);
}

std::vector<uint32_t> DeviceCommunicator::State::ranks_without(const std::string& about) {
  std::vector<uint32_t> without;
  for (uint32_t other = 0; other < size(); ++other) {
    auto found =
        options.ranks.store->get(fmt::format("{}/device/{}/{}", options.ranks.name, about, other));
    if (!found) return {};
    if (!*found) without.push_back(other);
  }
  return without;
}

/// Which ranks are elsewhere than this one, as they write down themselves.
std::string DeviceCommunicator::State::positions() {
  auto until = Clock::now() + others_write;
  std::vector<uint32_t> silent;
  std::string elsewhere;
  for (uint32_t other = 0; other < size(); ++other) {
    auto key = fmt::format("{}/device/at/{}", options.ranks.name, other);
    auto found = options.ranks.store->get(key);
    while (found && !*found && Clock::now() < until) {
      ::poll(nullptr, 0, 5);
      found = options.ranks.store->get(key);
    }
    if (!found) return elsewhere;
    if (!*found)
      silent.push_back(other);
    else if (auto at = std::strtoull((*found)->c_str(), nullptr, 10); at != calls)
      elsewhere += fmt::format("; rank {} is at call {}", other, **found);
  }
  if (!silent.empty())
    elsewhere +=
        fmt::format("; {} {} nothing", name_ranks(silent), silent.size() == 1 ? "says" : "say");
  return elsewhere;
}

Error DeviceCommunicator::State::fail(const Error& error) {
  if (failure) return *failure;
  failure = error;
  write("at", fmt::format("{}, {}", calls, to_string(last_call)));
  ranks->abort(error);
  // Another rank may have told a cause before.
  if (auto told = ranks->check(); !told) failure = told.error();
  end_nccl();
  if (failure->code == Errc::timed_out && calls != 0) failure->detail += positions();
  return *failure;
}

void DeviceCommunicator::abort(const Error& cause) {
  (void)state_->fail(cause);
}

Result<void> DeviceCommunicator::State::look(bool now) {
  if (failure) return *failure;
  auto moment = Clock::now();
  if (!now && moment - looked < look_again) return ok();
  looked = moment;
  TROUPE_TRY(ranks->check());
  if (comm == nullptr) return ok();
  int code = nccl_success;
  auto asked = nccl->async_error(comm, &code);
  if (asked != nccl_success) code = asked;
  if (code == nccl_success || code == nccl_in_progress) return ok();
  return nccl->error(code, fmt::format("NCCL failed at rank {}", rank()), comm);
}

Result<void> DeviceCommunicator::State::settle(int code) {
  auto until = Clock::now() + options.ranks.patience.deadline;
  while (code == nccl_in_progress) {
    TROUPE_TRY(look(false));
    if (Clock::now() >= until)
      return Error{Errc::timed_out, fmt::format("NCCL does not take the call at rank {}", rank()),
                   fmt::format("waited {} ms", options.ranks.patience.deadline.count()),
                   "see whether another rank makes other calls"};
    auto asked = nccl->async_error(comm, &code);
    if (asked != nccl_success) code = asked;
    if (code == nccl_in_progress) ::ppoll(nullptr, 0, &rest, nullptr);
  }
  if (code == nccl_success) return ok();
  return nccl->error(code, fmt::format("NCCL refused at rank {}", rank()), comm);
}

Result<void> DeviceCommunicator::State::begin(const Signature& call, uint64_t blocks, bool has_data,
                                              uint32_t peer) {
  TROUPE_TRY(look(false));
  if (auto wrong = wrong_arguments(call, blocks, has_data, peer, size())) return *wrong;
  bool reduces = call.call == Call::all_reduce || call.call == Call::reduce_scatter;
  if (reduces && !nccl_type(call.type))
    return wrong_device_call(fmt::format("NCCL cannot reduce {}", to_string(call.type)));
  ++calls;
  last_call = call;
  if (!options.check_calls || call.call == Call::send) return ok();
  std::vector<Signature> all(size());
  TROUPE_TRY(ranks->all_gather(&call, all.data(), sizeof call, DataType::uint8));
  for (uint32_t other = 0; other < size(); ++other)
    if (!(all[other] == all[0]))
      return Error{
          Errc::conflict, "the ranks make different calls",
          fmt::format("rank 0: {}; rank {}: {}", to_string(all[0]), other, to_string(all[other])),
          "all ranks must make the same calls in the same order"};
  return ok();
}

Result<void> DeviceCommunicator::State::finish(Result<void> result, const Signature& call) {
  if (result) return result;
  auto cause = fail(result.error());
  cause.what = fmt::format("{}: {}", to_string(call), cause.what);
  return cause;
}

// Every call: what is wrong with it; then NCCL's answer, where there is anything to do.
#define TROUPE_DEVICE_CALL(call, blocks, has_data, peer, nccl_call)                        \
  do {                                                                                     \
    auto& state = *state_;                                                                 \
    if (auto good = state.begin(call, blocks, has_data, peer); !good || (call).count == 0) \
      return state.finish(std::move(good), call);                                          \
    return state.finish(state.settle(nccl_call), call);                                    \
  } while (false)

Result<void> DeviceCommunicator::all_reduce(const void* in, void* out, size_t count, DataType type,
                                            ReduceOp op, CudaStream on) {
  Signature call{Call::all_reduce, type, op, 0, 0, count};
  TROUPE_DEVICE_CALL(call, 1, in != nullptr && out != nullptr, 0,
                     state.nccl->all_reduce(in, out, count, *nccl_type(type), nccl_op(op),
                                            state.comm, state.stream_or_own(on)));
}

Result<void> DeviceCommunicator::broadcast(void* data, size_t count, DataType type, uint32_t root,
                                           CudaStream on) {
  Signature call{Call::broadcast, type, ReduceOp::sum, 0, root, count};
  TROUPE_DEVICE_CALL(
      call, 1, data != nullptr, root,
      state.nccl->broadcast(data, data, moved(type, count).count, moved(type, count).type,
                            static_cast<int>(root), state.comm, state.stream_or_own(on)));
}

Result<void> DeviceCommunicator::reduce_scatter(const void* in, void* out, size_t count,
                                                DataType type, ReduceOp op, CudaStream on) {
  Signature call{Call::reduce_scatter, type, op, 0, 0, count};
  TROUPE_DEVICE_CALL(call, size(), in != nullptr && out != nullptr, 0,
                     state.nccl->reduce_scatter(in, out, count, *nccl_type(type), nccl_op(op),
                                                state.comm, state.stream_or_own(on)));
}

Result<void> DeviceCommunicator::all_gather(const void* in, void* out, size_t count, DataType type,
                                            CudaStream on) {
  Signature call{Call::all_gather, type, ReduceOp::sum, 0, 0, count};
  TROUPE_DEVICE_CALL(
      call, size(), in != nullptr && out != nullptr, 0,
      state.nccl->all_gather(in, out, moved(type, count).count, moved(type, count).type, state.comm,
                             state.stream_or_own(on)));
}

Result<void> DeviceCommunicator::all_to_all(const void* in, void* out, size_t count, DataType type,
                                            CudaStream on) {
  Signature call{Call::all_to_all, type, ReduceOp::sum, 0, 0, count};
  auto exchange = [&]() -> int {
    const auto& nccl = *state_->nccl;
    auto block = moved(type, count);
    auto bytes = count * size_of(type);
    auto code = nccl.group_start();
    for (uint32_t other = 0; other < size(); ++other) {
      auto peer = static_cast<int>(other);
      const auto* from = static_cast<const char*>(in) + other * bytes;
      auto* to = static_cast<char*>(out) + other * bytes;
      auto stream = state_->stream_or_own(on);
      if (code == nccl_success || code == nccl_in_progress)
        code = nccl.send(from, block.count, block.type, peer, state_->comm, stream);
      if (code == nccl_success || code == nccl_in_progress)
        code = nccl.receive(to, block.count, block.type, peer, state_->comm, stream);
    }
    auto ended = nccl.group_end();
    return code == nccl_success || code == nccl_in_progress ? ended : code;
  };
  if (in == out && count != 0 && size() > 1)
    return state_->finish(wrong_device_call("input and output are one array"), call);
  TROUPE_DEVICE_CALL(call, size(), in != nullptr && out != nullptr, 0, exchange());
}

Result<void> DeviceCommunicator::send(const void* data, size_t count, DataType type, uint32_t to,
                                      CudaStream on) {
  Signature call{Call::send, type, ReduceOp::sum, 0, 0, count};
  if (to == rank()) return state_->finish(wrong_device_call("a rank cannot send to itself"), call);
  TROUPE_DEVICE_CALL(call, 1, data != nullptr, to,
                     state.nccl->send(data, moved(type, count).count, moved(type, count).type,
                                      static_cast<int>(to), state.comm, state.stream_or_own(on)));
}

Result<void> DeviceCommunicator::receive(void* data, size_t count, DataType type, uint32_t from,
                                         CudaStream on) {
  Signature call{Call::send, type, ReduceOp::sum, 0, 0, count};
  if (from == rank())
    return state_->finish(wrong_device_call("a rank cannot receive from itself"), call);
  TROUPE_DEVICE_CALL(
      call, 1, data != nullptr, from,
      state.nccl->receive(data, moved(type, count).count, moved(type, count).type,
                          static_cast<int>(from), state.comm, state.stream_or_own(on)));
}

Result<void> DeviceCommunicator::State::await_stream(CudaStream on) {
  auto until = Clock::now() + options.ranks.patience.deadline;
  for (uint64_t looks = 0;; ++looks) {
    auto code = cuda->stream_query(on);
    if (code == cuda_success) {
      // CUDA notes "not ready" as it notes errors.
      if (looks != 0) (void)cuda->last_error();
      return ok();
    }
    if (code != cuda_not_ready)
      return cuda->error(code, fmt::format("the device of rank {} failed", rank()));
    if (looks < eager_looks) continue;
    TROUPE_TRY(look(false));
    if (Clock::now() >= until)
      return Error{
          Errc::timed_out, fmt::format("the device of rank {} does not finish", rank()),
          fmt::format("waited {} ms, last for call {}: {}", options.ranks.patience.deadline.count(),
                      calls, to_string(last_call)),
          "see whether another rank is stopped, or makes other calls than the rest"};
    if (looks < yielding_looks)
      ::sched_yield();
    else
      ::ppoll(nullptr, 0, &rest, nullptr);
  }
}

Result<void> DeviceCommunicator::wait(CudaStream on) {
  auto result = state_->look(false);
  if (result) result = state_->await_stream(state_->stream_or_own(on));
  // What NCCL gave up has left the stream too.
  if (result) result = state_->look(true);
  if (result) return result;
  return state_->fail(result.error());
}

Result<void> DeviceCommunicator::barrier(CudaStream on) {
  TROUPE_TRY(wait(on));
  if (auto met = state_->ranks->barrier(); !met) return state_->fail(met.error());
  return ok();
}

}  // namespace troupe::comm
