#include "actors/worker/pmix_server.hpp"

#include "actors/worker/pmix_fence.hpp"
#include "actors/worker/pmix_library.hpp"
#include "actors/worker/store_patience.hpp"
#include "runtime/core/digest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::actors {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds fence_again{5};

bool answer(int fd, const std::string& text) {
  auto until = Clock::now() + std::chrono::seconds{5};
  auto bytes = static_cast<uint32_t>(text.size());
  return comm::send_fully(fd, &bytes, sizeof bytes, until).has_value() &&
         comm::send_fully(fd, text.data(), text.size(), until).has_value();
}

}  // namespace

#if TROUPE_HAS_PMIX

namespace {

/// Values as PMIx wants them, which it keeps no copy of in all places: they live as long as this.
class PmixValues {
 public:
  void text(const char* key, const std::string& value) {
    texts_.push_back(value);
    add(key, PMIX_STRING).string = texts_.back().data();
  }
  void number(const char* key, uint32_t value) { add(key, PMIX_UINT32).uint32 = value; }
  void small(const char* key, uint32_t value) {
    add(key, PMIX_UINT16).uint16 = static_cast<uint16_t>(value);
  }
  void rank(const char* key, uint32_t value) { add(key, PMIX_PROC_RANK).rank = value; }
  /// `values` outlives this.
  void array(const char* key, PmixValues& values) {
    arrays_.push_back({PMIX_INFO, values.infos_.size(), values.infos_.data()});
    add(key, PMIX_DATA_ARRAY).darray = &arrays_.back();
  }
  pmix_info_t* data() { return infos_.data(); }
  size_t size() const { return infos_.size(); }

 private:
  auto add(const char* key, pmix_data_type_t type) -> decltype(pmix_value_t::data)& {
    pmix_info_t info{};
    std::strncpy(info.key, key, sizeof info.key - 1);
    info.value.type = type;
    infos_.push_back(info);
    return infos_.back().value.data;
  }

  std::vector<pmix_info_t> infos_;
  std::deque<std::string> texts_;
  std::deque<pmix_data_array_t> arrays_;
};

/// A fence that all ranks of this node have come to.
struct Waiting {
  PmixFence fence;
  pmix_modex_cbfunc_t over;
  void* of;
  StorePatience patience{};
};

/// What PMIx calls from a thread of its own. It takes plain functions: there is one of these in a
/// process.
class PmixHouse {
 public:
  explicit PmixHouse(const PmixWorld& world) : world_{world} { house = this; }

  Result<void> open();
  /// What that rank of this node needs, each ended by a zero; or "!" and why not.
  std::string variables_of(uint32_t local);
  int wake_fd() const { return wake_.get(); }
  /// Goes on with what waits; whether anything does.
  bool step();

 private:
  static pmix_status_t connected(const pmix_proc_t*, void*, pmix_op_cbfunc_t, void*);
  static pmix_status_t finalized(const pmix_proc_t*, void*, pmix_op_cbfunc_t, void*);
  static pmix_status_t aborted(const pmix_proc_t*, void*, int, const char*, pmix_proc_t*, size_t,
                               pmix_op_cbfunc_t, void*);
  static pmix_status_t fence(const pmix_proc_t* procs, size_t count, const pmix_info_t*, size_t,
                             char* data, size_t bytes, pmix_modex_cbfunc_t over, void* of);
  static pmix_status_t joined(const pmix_proc_t*, size_t, const pmix_info_t*, size_t,
                              pmix_op_cbfunc_t, void*);
  void count_begun();
  std::string why(pmix_status_t status) const { return library_.error_string(status); }

  static inline PmixHouse* house = nullptr;
  const PmixWorld& world_;
  PmixLibrary library_;
  pmix_server_module_t module_{};
  std::string name_;
  UniqueFd wake_;
  UniqueFd begun_;  // to the worker's PMI: a rank has asked for its world
  std::mutex mutex_;
  std::vector<Waiting> coming_;             // guarded by mutex_
  std::map<std::string, uint64_t> rounds_;  // of fences among the same ranks; guarded likewise
  std::vector<Waiting> waiting_;
};

pmix_status_t PmixHouse::connected(const pmix_proc_t*, void*, pmix_op_cbfunc_t, void*) {
  std::lock_guard lock{house->mutex_};
  house->count_begun();
  return PMIX_OPERATION_SUCCEEDED;
}

pmix_status_t PmixHouse::finalized(const pmix_proc_t*, void*, pmix_op_cbfunc_t, void*) {
  return PMIX_OPERATION_SUCCEEDED;
}

/// The rank ends with its code, and the runtime ends the others.
pmix_status_t PmixHouse::aborted(const pmix_proc_t*, void*, int, const char*, pmix_proc_t*, size_t,
                                 pmix_op_cbfunc_t, void*) {
  return PMIX_OPERATION_SUCCEEDED;
}

pmix_status_t PmixHouse::joined(const pmix_proc_t*, size_t, const pmix_info_t*, size_t,
                                pmix_op_cbfunc_t, void*) {
  return PMIX_OPERATION_SUCCEEDED;
}

pmix_status_t PmixHouse::fence(const pmix_proc_t* procs, size_t count, const pmix_info_t*, size_t,
                               char* data, size_t bytes, pmix_modex_cbfunc_t over, void* of) {
  const auto& world = house->world_;
  std::vector<uint32_t> nodes;
  std::string ranks;
  for (size_t i = 0; i < count; ++i) {
    if (procs[i].rank == PMIX_RANK_WILDCARD) {
      nodes.clear();
      for (uint32_t node = 0; node < world.hosts.size(); ++node) nodes.push_back(node);
      ranks = "*";
      break;
    }
    nodes.push_back(procs[i].rank / world.processes);
    ranks += fmt::format("{},", procs[i].rank);
  }
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  std::lock_guard lock{house->mutex_};
  auto key = fmt::format("pmix/{}/{}/{}", sha256_hex(house->name_).substr(0, 12),
                         sha256_hex(ranks).substr(0, 16), house->rounds_[ranks]++);
  house->coming_.push_back(
      {PmixFence{std::move(key), std::move(nodes), bytes == 0 ? "" : std::string{data, bytes}},
       over, of});
  ::eventfd_write(house->wake_.get(), 1);
  return PMIX_SUCCESS;
}

/// By the line of PMI-1 that says the same.
void PmixHouse::count_begun() {
  if (begun_) return;
  auto fd = comm::connect_local(world_.pmi);
  if (!fd) return;
  std::string line = "cmd=init pmi_version=1 pmi_subversion=1\n";
  (void)comm::send_fully(fd->get(), line.data(), line.size(),
                         Clock::now() + std::chrono::seconds{1});
  begun_ = std::move(*fd);
}

Result<void> PmixHouse::open() {
  auto library = load_pmix();
  if (!library) return std::move(library).error();
  library_ = *library;
  wake_ = UniqueFd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!wake_) return errno_error(errno, "PMIx cannot be served");
  auto check = [&](pmix_status_t status, const char* what) -> Result<void> {
    if (status == PMIX_SUCCESS || status == PMIX_OPERATION_SUCCEEDED) return ok();
    return Error{Errc::unavailable, "PMIx cannot be served here",
                 fmt::format("{}: {}", what, why(status)), ""};
  };
  module_.client_connected = connected;
  module_.client_finalized = finalized;
  module_.abort = aborted;
  module_.fence_nb = fence;
  module_.connect = joined;
  module_.disconnect = joined;
  PmixValues init;
  init.text(PMIX_SERVER_TMPDIR, world_.folder);
  TROUPE_TRY(check(library_.server_init(&module_, init.data(), init.size()), "its server"));

  name_ = "troupe." + world_.name;
  auto hosts = fmt::format("{}", fmt::join(world_.hosts, ","));
  std::string ranks;
  for (uint32_t node = 0; node < world_.hosts.size(); ++node) {
    if (node > 0) ranks += ';';
    for (uint32_t i = 0; i < world_.processes; ++i)
      ranks += fmt::format("{}{}", i > 0 ? "," : "", node * world_.processes + i);
  }
  char *host_map = nullptr, *rank_map = nullptr;
  TROUPE_TRY(check(library_.generate_regex(hosts.c_str(), &host_map), "its nodes"));
  TROUPE_TRY(check(library_.generate_ppn(ranks.c_str(), &rank_map), "its ranks"));

  PmixValues job;
  job.text(PMIX_JOBID, name_);
  job.number(PMIX_UNIV_SIZE, world_.size());
  job.number(PMIX_JOB_SIZE, world_.size());
  job.number(PMIX_MAX_PROCS, world_.size());
  job.number(PMIX_JOB_NUM_APPS, 1);
  job.number(PMIX_NUM_NODES, static_cast<uint32_t>(world_.hosts.size()));
  job.number(PMIX_LOCAL_SIZE, world_.processes);
  job.number(PMIX_NODE_SIZE, world_.processes);
  job.number(PMIX_NODEID, world_.node);
  job.rank(PMIX_LOCALLDR, world_.first_rank());
  std::vector<uint32_t> peers;
  for (uint32_t i = 0; i < world_.processes; ++i) peers.push_back(world_.first_rank() + i);
  job.text(PMIX_LOCAL_PEERS, fmt::format("{}", fmt::join(peers, ",")));
  job.text(PMIX_NODE_MAP, host_map);
  job.text(PMIX_PROC_MAP, rank_map);
  std::deque<PmixValues> all;
  for (uint32_t rank = 0; rank < world_.size(); ++rank) {
    auto& one = all.emplace_back();
    one.rank(PMIX_RANK, rank);
    one.number(PMIX_APPNUM, 0);
    one.rank(PMIX_GLOBAL_RANK, rank);
    one.small(PMIX_LOCAL_RANK, rank % world_.processes);
    one.small(PMIX_NODE_RANK, rank % world_.processes);
    one.number(PMIX_NODEID, rank / world_.processes);
    one.text(PMIX_HOSTNAME, world_.hosts[rank / world_.processes]);
    job.array(PMIX_PROC_INFO_ARRAY, one);
  }
  // Without a callback these wait until it is done.
  TROUPE_TRY(
      check(library_.server_register_nspace(name_.c_str(), static_cast<int>(world_.processes),
                                            job.data(), job.size(), nullptr, nullptr),
            "its world"));
  for (auto rank : peers) {
    pmix_proc_t proc{};
    std::strncpy(proc.nspace, name_.c_str(), sizeof proc.nspace - 1);
    proc.rank = rank;
    TROUPE_TRY(check(
        library_.server_register_client(&proc, ::geteuid(), ::getegid(), nullptr, nullptr, nullptr),
        "a rank"));
  }
  return ok();
}

std::string PmixHouse::variables_of(uint32_t local) {
  if (local >= world_.processes) return fmt::format("!there is no local rank {}", local);
  pmix_proc_t proc{};
  std::strncpy(proc.nspace, name_.c_str(), sizeof proc.nspace - 1);
  proc.rank = world_.first_rank() + local;
  char** variables = nullptr;
  if (auto status = library_.server_setup_fork(&proc, &variables); status != PMIX_SUCCESS)
    return "!" + why(status);
  std::string text;
  for (char** one = variables; one != nullptr && *one != nullptr; ++one) {
    text += *one;
    text.push_back('\0');
  }
  return text;
}

bool PmixHouse::step() {
  eventfd_t count = 0;
  (void)::eventfd_read(wake_.get(), &count);
  {
    std::lock_guard lock{mutex_};
    std::move(coming_.begin(), coming_.end(), std::back_inserter(waiting_));
    coming_.clear();
  }
  std::erase_if(waiting_, [&](Waiting& one) {
    auto over = one.fence.step(world_);
    auto status = PMIX_SUCCESS;
    if (over) {
      one.patience.answered();
      if (!*over) return false;
    } else {
      if (one.patience.lasts()) return false;
      status = PMIX_ERR_TIMEOUT;
    }
    const auto& all = one.fence.all();
    auto* copy = new std::string{status == PMIX_SUCCESS ? all : ""};
    one.over(
        status, copy->data(), copy->size(), one.of,
        [](void* text) { delete static_cast<std::string*>(text); }, copy);
    return true;
  });
  return !waiting_.empty();
}

}  // namespace

#else

namespace {

class PmixHouse {
 public:
  explicit PmixHouse(const PmixWorld&) {}
  static Result<void> open() {
    return Error{Errc::unavailable, "PMIx cannot be served here",
                 "this program was built without libpmix-dev", ""};
  }
  static std::string variables_of(uint32_t) { return {}; }
  static int wake_fd() { return -1; }
  static bool step() { return false; }
};

}  // namespace

#endif

void serve_pmix(const PmixWorld& world, UniqueFd listener) {
  PmixHouse house{world};
  auto opened = house.open();
  struct Rank {
    UniqueFd fd;
    bool asked = false;
  };
  std::vector<Rank> ranks;
  size_t came = 0;
  bool waits = false;
  while (came < world.processes || !ranks.empty()) {
    std::vector<pollfd> fds{{listener.get(), POLLIN, 0}, {house.wake_fd(), POLLIN, 0}};
    for (const auto& rank : ranks) fds.push_back({rank.fd.get(), POLLIN, 0});
    ::poll(fds.data(), fds.size(), waits ? static_cast<int>(fence_again.count()) : -1);
    for (size_t i = ranks.size(); i-- > 0;) {
      if (fds[i + 2].revents == 0) continue;
      uint32_t local = 0;
      auto got = ::recv(ranks[i].fd.get(), &local, sizeof local, MSG_DONTWAIT);
      bool asks = got == sizeof local && !ranks[i].asked;
      ranks[i].asked = true;
      bool served = asks && answer(ranks[i].fd.get(), opened ? house.variables_of(local)
                                                             : "!" + opened.error().detail);
      if (!served) ranks.erase(ranks.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if ((fds[0].revents & POLLIN) != 0) {
      UniqueFd fd{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
      if (auto user = fd ? comm::peer_user(fd.get()) : Result<unsigned>{0u};
          fd && user && *user == ::geteuid()) {
        ranks.push_back({std::move(fd)});
        ++came;
      }
    }
    if (opened) waits = house.step();
  }
}

}  // namespace troupe::actors
