#include "gpu/comm/communicator.hpp"

#include "gpu/comm/communicator_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace troupe::comm {

namespace {

// How much a rank reduces, sends and gathers at a time where both memory and network are used:
// enough that the network's ring runs long, little enough to stay in the cache.
constexpr size_t round_bytes = 1u << 20;

Error wrong_argument(std::string detail) {
  return {Errc::invalid, "the call cannot be made", std::move(detail), ""};
}

}  // namespace

std::optional<Error> wrong_arguments(const Signature& call, uint64_t blocks, bool has_data,
                                     uint32_t peer, uint32_t size) {
  if (static_cast<size_t>(call.type) >= data_types)
    return wrong_argument(fmt::format("there is no type {}", static_cast<int>(call.type)));
  if (static_cast<size_t>(call.op) >= reduce_ops)
    return wrong_argument(fmt::format("there is no reduction {}", static_cast<int>(call.op)));
  if (call.op == ReduceOp::avg && !is_float(call.type))
    return wrong_argument(fmt::format("there is no average of {}", to_string(call.type)));
  if (peer >= size)
    return wrong_argument(fmt::format("there is no rank {}: {} are numbered from 0", peer, size));
  constexpr uint64_t bytes_max = uint64_t{1} << 46;
  if (call.count > bytes_max / size_of(call.type) / blocks)
    return wrong_argument(fmt::format("{} elements are too many", call.count));
  if (!has_data && call.count != 0) return wrong_argument("a pointer is null");
  return std::nullopt;
}

Communicator::Communicator(std::unique_ptr<State> state) : state_{std::move(state)} {}

Communicator::~Communicator() {
  state_->controls.tell_done();
}

uint32_t Communicator::rank() const {
  return state_->rank();
}
uint32_t Communicator::size() const {
  return state_->size();
}
uint32_t Communicator::hosts() const {
  return state_->hosts;
}
uint32_t Communicator::host_of(uint32_t rank) const {
  std::vector<std::string_view> hosts;
  for (const auto& member : state_->members) {
    auto known = std::find(hosts.begin(), hosts.end(), member.host);
    auto number = known - hosts.begin();
    if (known == hosts.end()) hosts.emplace_back(member.host);
    if (&member == &state_->members[rank]) return static_cast<uint32_t>(number);
  }
  return 0;
}

std::optional<Error> Communicator::State::standing_failure() {
  if (failure) return failure;
  if (segment)
    if (auto cause = segment->failure()) return fail(*cause);
  // Asked here too: a rank that computes for long learns of a failure at its next call.
  if (!controls.empty())
    if (auto cause = controls.check()) return fail(*cause);
  return std::nullopt;
}

Error Communicator::State::fail(const Error& error) {
  if (failure) return *failure;
  auto cause = error;
  // A broken connection has a reason that another rank may have told.
  if (auto told = controls.check()) cause = *told;
  if (segment) cause = segment->fail(cause);
  controls.tell_failure(cause);
  failure = cause;
  return cause;
}

std::chrono::nanoseconds Communicator::State::waited() const {
  std::chrono::nanoseconds sum{0};
  if (segment) sum += segment->waited();
  for (const auto* group : {&world, &across})
    if (*group) sum += (*group)->waited();
  return sum;
}

Result<void> Communicator::State::finish(Result<void> result, const Signature& call) {
  if (pace) {
    if (call.call == Call::send)
      apart = waited() - counted;
    else
      pace->note(counted = waited() - apart);
  }
  if (result) return result;
  auto cause = fail(result.error());
  cause.what = fmt::format("{}: {}", to_string(call), cause.what);
  return cause;
}

void Communicator::abort(const Error& cause) {
  (void)state_->fail(cause);
}

Result<void> Communicator::check() {
  if (auto cause = state_->standing_failure()) return *cause;
  auto& segment = state_->segment;
  for (uint32_t local = 0; segment && local < segment->size(); ++local) {
    auto lost = segment->loss_of(local);
    // Who has left has done all it had to do.
    if (lost && !segment->has_left(local)) return state_->fail(*lost);
  }
  return ok();
}

// Every call: first what failed before and what is wrong with it, then whichever group does it.
#define TROUPE_COMM_BEGIN(call, blocks, has_data, peer)                         \
  auto& state = *state_;                                                        \
  if (auto cause = state.standing_failure()) return state.finish(*cause, call); \
  if (auto wrong = wrong_arguments(call, blocks, has_data, peer, size()))       \
  return state.finish(*wrong, call)

Result<void> Communicator::barrier() {
  Signature call;
  TROUPE_COMM_BEGIN(call, 1, true, 0);
  return state.finish(state.is_one_host() ? state.local->barrier(call) : state.world->barrier(call),
                      call);
}

Result<void> Communicator::all_reduce(const void* in, void* out, size_t count, DataType type,
                                      ReduceOp op) {
  Signature call{Call::all_reduce, type, op, 0, 0, count};
  TROUPE_COMM_BEGIN(call, 1, in != nullptr && out != nullptr, 0);
  uint64_t divisor = op == ReduceOp::avg ? size() : 1;
  if (state.is_one_host())
    return state.finish(state.local->all_reduce(call, in, out, count, divisor), call);
  if (state.segment)
    return state.finish(state.all_reduce_over_hosts(call, in, out, count, divisor), call);
  if (in != out && count != 0) std::memcpy(out, in, count * size_of(type));
  return state.finish(state.world->all_reduce(call, out, count, divisor), call);
}

Result<void> Communicator::State::all_reduce_over_hosts(const Signature& call, const void* in,
                                                        void* out, size_t count, uint64_t divisor) {
  auto bytes = size_of(call.type);
  auto ranks = neighbours.size();
  if (!alike || count < ranks) {
    // The first rank of each host carries all of it.
    TROUPE_TRY(local->all_reduce(call, in, out, count, 1));
    if (across) TROUPE_TRY(across->all_reduce(call, out, count, divisor));
    return local->broadcast(call, out, count, 0);
  }
  std::vector<std::byte> share(round_bytes);
  auto per_round = round_bytes / bytes;
  const auto* from = static_cast<const std::byte*>(in);
  auto* to = static_cast<std::byte*>(out);
  for (size_t at = 0; at + ranks <= count;) {
    auto elements = std::min(per_round, (count - at) / ranks);
    TROUPE_TRY(local->reduce_scatter(call, from + at * bytes, share.data(), elements, 1));
    TROUPE_TRY(across->all_reduce(call, share.data(), elements, divisor));
    TROUPE_TRY(local->all_gather(call, share.data(), to + at * bytes, elements));
    at += elements * ranks;
    if (count - at >= ranks || at == count) continue;
    // Fewer elements than ranks are left: all of them go with everybody's share.
    auto rest = count - at;
    TROUPE_TRY(local->all_reduce(call, from + at * bytes, to + at * bytes, rest, 1));
    return across->all_reduce(call, to + at * bytes, rest, divisor);
  }
  return ok();
}

Result<void> Communicator::broadcast(void* data, size_t count, DataType type, uint32_t root) {
  Signature call{Call::broadcast, type, ReduceOp::sum, 0, root, count};
  TROUPE_COMM_BEGIN(call, 1, data != nullptr, root);
  return state.finish(state.is_one_host() ? state.local->broadcast(call, data, count, root)
                                          : state.world->broadcast(call, data, count, root),
                      call);
}

Result<void> Communicator::reduce_scatter(const void* in, void* out, size_t count, DataType type,
                                          ReduceOp op) {
  Signature call{Call::reduce_scatter, type, op, 0, 0, count};
  TROUPE_COMM_BEGIN(call, size(), in != nullptr && out != nullptr, 0);
  uint64_t divisor = op == ReduceOp::avg ? size() : 1;
  return state.finish(state.is_one_host()
                          ? state.local->reduce_scatter(call, in, out, count, divisor)
                          : state.world->reduce_scatter(call, in, out, count, divisor),
                      call);
}

Result<void> Communicator::all_gather(const void* in, void* out, size_t count, DataType type) {
  Signature call{Call::all_gather, type, ReduceOp::sum, 0, 0, count};
  TROUPE_COMM_BEGIN(call, size(), in != nullptr && out != nullptr, 0);
  return state.finish(state.is_one_host() ? state.local->all_gather(call, in, out, count)
                                          : state.world->all_gather(call, in, out, count),
                      call);
}

Result<void> Communicator::all_to_all(const void* in, void* out, size_t count, DataType type) {
  Signature call{Call::all_to_all, type, ReduceOp::sum, 0, 0, count};
  TROUPE_COMM_BEGIN(call, size(), in != nullptr && out != nullptr, 0);
  return state.finish(state.is_one_host() ? state.local->all_to_all(call, in, out, count)
                                          : state.world->all_to_all(call, in, out, count),
                      call);
}

Result<void> Communicator::send(const void* data, size_t count, DataType type, uint32_t to) {
  Signature call{Call::send, type, ReduceOp::sum, 0, 0, count};
  TROUPE_COMM_BEGIN(call, 1, data != nullptr, to);
  if (to == rank()) return state.finish(wrong_argument("a rank cannot send to itself"), call);
  return state.finish(state.world->send(call, data, count, to), call);
}

Result<void> Communicator::receive(void* data, size_t count, DataType type, uint32_t from) {
  Signature call{Call::send, type, ReduceOp::sum, 0, 0, count};
  TROUPE_COMM_BEGIN(call, 1, data != nullptr, from);
  if (from == rank())
    return state.finish(wrong_argument("a rank cannot receive from itself"), call);
  return state.finish(state.world->receive(call, data, count, from), call);
}

}  // namespace troupe::comm
