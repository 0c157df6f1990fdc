// How a communicator of devices comes to be: from the environment, anew, or from a larger one.
#include "gpu/comm/device_state.hpp"
#include "gpu/comm/roster.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <poll.h>

namespace troupe::comm {

namespace {

using Clock = std::chrono::steady_clock;

/// What the ranks must know of each other before NCCL starts.
struct DeviceRecord {
  int32_t nccl = 0;
  int32_t cuda = 0;
  char bus_id[24] = {};
  char host[160] = {};
};

std::string environment_or(const char* name, std::string otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::move(otherwise) : std::string{value};
}

/// What keeps these ranks from being one communicator.
std::optional<Error> disagreement(const std::vector<DeviceRecord>& all) {
  for (uint32_t one = 0; one < all.size(); ++one) {
    if (all[one].nccl != all[0].nccl)
      return Error{Errc::invalid, "the ranks have different versions of NCCL",
                   fmt::format("rank 0 has {}, rank {} has {}", nccl_version_text(all[0].nccl), one,
                               nccl_version_text(all[one].nccl)),
                   "install one version on all nodes"};
    for (uint32_t other = 0; other < one; ++other)
      if (std::strcmp(all[one].bus_id, all[other].bus_id) == 0 &&
          std::strcmp(all[one].host, all[other].host) == 0)
        return Error{Errc::invalid, "two ranks have the same GPU",
                     fmt::format("ranks {} and {} have {}", other, one, all[one].bus_id),
                     "ask for as many --gpus as there are processes on a node, and leave "
                     "CUDA_VISIBLE_DEVICES to Troupe"};
  }
  return std::nullopt;
}

}  // namespace

Result<DeviceOptions> device_options_from_environment(const std::string& name) {
  auto ranks = options_from_environment("device." + name);
  if (!ranks) return std::move(ranks).error();
  DeviceOptions options;
  options.ranks = std::move(*ranks);
  options.device =
      static_cast<uint32_t>(std::strtoul(environment_or("LOCAL_RANK", "0").c_str(), nullptr, 10));
  options.check_calls = environment_or("TROUPE_COMM_CHECK", "0") == "1";
  if (auto path = environment_or("TROUPE_COMM_CUDART", ""); !path.empty()) options.cuda = {path};
  if (auto path = environment_or("TROUPE_COMM_NCCL", ""); !path.empty()) options.nccl = {path};
  return options;
}

Result<std::unique_ptr<DeviceCommunicator>> DeviceCommunicator::open(const DeviceOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  auto& store = state->options.ranks.store;
  if (!store && options.ranks.size == 1) store = std::make_shared<MemoryStore>();
  auto ranks = Communicator::open(state->options.ranks);
  if (!ranks) return std::move(ranks).error();
  state->ranks = std::move(*ranks);
  auto made = state->prepare();
  if (made) made = state->agree();
  if (made) made = state->connect(Clock::now() + options.ranks.join_deadline);
  if (!made) return state->fail(made.error());
  return std::unique_ptr<DeviceCommunicator>{new DeviceCommunicator{std::move(state)}};
}

Result<void> DeviceCommunicator::State::prepare() {
  auto named = [this](Error error) {
    if (size() > 1) error.what = fmt::format("rank {}: {}", rank(), error.what);
    return error;
  };
  auto runtime = CudaLibrary::load(options.cuda);
  if (!runtime) return named(std::move(runtime).error());
  cuda = std::move(*runtime);
  auto devices = cuda->devices();
  if (!devices) return named(std::move(devices).error());
  auto library = NcclLibrary::load(options.nccl);
  if (!library) return named(std::move(library).error());
  nccl = std::move(*library);
  device = static_cast<int>(options.device % static_cast<uint32_t>(*devices));
  auto code = cuda->set_device(device);
  if (code == cuda_success) code = cuda->stream_create(&own_stream, cuda_stream_apart);
  if (code != cuda_success)
    return named(cuda->error(code, fmt::format("device {} cannot be used", device)));
  return ok();
}

Result<void> DeviceCommunicator::State::agree() {
  DeviceRecord own;
  own.nccl = nccl->version;
  own.cuda = cuda->runtime;
  if (auto code = cuda->bus_id(own.bus_id, sizeof own.bus_id, device); code != cuda_success)
    return cuda->error(code, fmt::format("device {} does not say where it is", device));
  auto host = this_host();
  std::memcpy(own.host, host.data(), std::min(host.size(), sizeof own.host - 1));
  std::vector<DeviceRecord> all(size());
  TROUPE_TRY(ranks->all_gather(&own, all.data(), sizeof own, DataType::uint8));
  if (auto wrong = disagreement(all)) return *wrong;
  return ok();
}

Result<void> DeviceCommunicator::State::connect(Moment until) {
  // Whoever makes the id serves it until all have come; it needs no device for that.
  NcclId id{};
  if (rank() == 0)
    if (auto code = nccl->get_id(&id); code != nccl_success)
      return nccl->error(code, "NCCL cannot be reached by the other ranks", nullptr);
  TROUPE_TRY(ranks->broadcast(&id, sizeof id, DataType::uint8, 0));
  NcclConfig config;
  write("begun", "yes");
  auto code = nccl->init(&comm, static_cast<int>(size()), id, static_cast<int>(rank()), &config);
  if (code != nccl_success && code != nccl_in_progress)
    return nccl->error(code, fmt::format("NCCL does not start at rank {}", rank()), nullptr);
  return await_start(until);
}

Result<void> DeviceCommunicator::State::await_start(Moment until) {
  while (true) {
    int code = nccl_success;
    auto asked = nccl->async_error(comm, &code);
    if (asked != nccl_success) code = asked;
    if (code == nccl_success) break;
    if (code != nccl_in_progress)
      return nccl->error(code, fmt::format("NCCL does not start at rank {}", rank()), comm);
    TROUPE_TRY(ranks->check());
    if (Clock::now() >= until) {
      auto absent = ranks_without("begun");
      auto waiting = ranks_without("ready");
      return Error{Errc::timed_out, "NCCL did not connect the ranks",
                   !absent.empty()
                       ? fmt::format("{} did not begin to", name_ranks(absent))
                       : fmt::format("{} of {} did not get through", name_ranks(waiting), size()),
                   "see NCCL_DEBUG=INFO in their logs; NCCL_SOCKET_IFNAME names the network that "
                   "all of them must reach"};
    }
    ::poll(nullptr, 0, 1);
  }
  write("ready", "yes");
  return ok();
}

Result<std::unique_ptr<DeviceCommunicator>> DeviceCommunicator::shrink(
    std::span<const uint32_t> without) {
  auto& old = *state_;
  std::vector<int> gone;
  for (auto one : without) gone.push_back(static_cast<int>(one));
  std::sort(gone.begin(), gone.end());
  gone.erase(std::unique(gone.begin(), gone.end()), gone.end());
  auto before = std::lower_bound(gone.begin(), gone.end(), static_cast<int>(rank()));
  if (gone.empty() || static_cast<uint32_t>(gone.back()) >= size())
    return Error{Errc::invalid, "the communicator cannot become smaller",
                 fmt::format("there are ranks 0 to {}, and others or none are to go", size() - 1),
                 ""};
  if (before != gone.end() && *before == static_cast<int>(rank()))
    return Error{Errc::invalid, "the communicator cannot become smaller",
                 fmt::format("rank {} is one of those that are to go", rank()),
                 "only those that stay make this call"};
  auto next = std::make_unique<State>();
  next->options = old.options;
  auto& ranks = next->options.ranks;
  ranks.rank = rank() - static_cast<uint32_t>(before - gone.begin());
  ranks.size = size() - static_cast<uint32_t>(gone.size());
  ranks.name = fmt::format("{}-{}", old.options.ranks.name, fmt::join(gone, "-"));
  auto met = Communicator::open(ranks);
  if (!met) return std::move(met).error();
  next->ranks = std::move(*met);
  auto until = Clock::now() + ranks.join_deadline;
  auto made = next->prepare();
  // Of one that has failed nothing is left to make a smaller one from. All must do the same.
  int32_t sound = old.nccl->shrink != nullptr && !old.failure ? 1 : 0;
  if (made) made = next->ranks->all_reduce(&sound, &sound, 1, DataType::int32, ReduceOp::min);
  if (made && sound == 0) made = next->connect(until);
  if (made && sound != 0) {
    NcclConfig config;
    next->write("begun", "yes");
    auto code = old.nccl->shrink(old.comm, gone.data(), static_cast<int>(gone.size()), &next->comm,
                                 &config, nccl_shrink_default);
    made = code == nccl_success || code == nccl_in_progress
               ? next->await_start(until)
               : Result<void>{old.nccl->error(code, "NCCL cannot leave those ranks out", old.comm)};
  }
  if (!made) return next->fail(made.error());
  (void)old.fail(
      {Errc::conflict,
       fmt::format("the others go on without {}", name_ranks({without.begin(), without.end()})),
       "the communicator was made smaller", "use the new one"});
  return std::unique_ptr<DeviceCommunicator>{new DeviceCommunicator{std::move(next)}};
}

}  // namespace troupe::comm
