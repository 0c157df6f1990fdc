#include "gpu/comm/wire_group.hpp"

#include "gpu/comm/reduce.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace troupe::comm {

namespace {

constexpr uint64_t head_magic = 0x64616568706f7274;  // "tropehead", nearly
// Above, a ring is quicker than sending everything log2(n) times.
constexpr size_t doubling_bytes_max = 32u << 10;

std::byte* bytes_of(void* data) {
  return static_cast<std::byte*>(data);
}
/// For transfers that only send: they never write.
std::byte* bytes_to_send(const void* data) {
  return static_cast<std::byte*>(const_cast<void*>(data));
}

}  // namespace

WireGroup::Head WireGroup::head(const Signature& call) const {
  return {head_magic, call_, call};
}

Result<void> WireGroup::compare(const Head& came, const Signature& call, uint32_t from) const {
  if (came.magic == head_magic && came.number == call_ && came.call == call) return ok();
  if (came.magic != head_magic)
    return Error{Errc::corrupt, fmt::format("rank {} sent what is no call", from),
                 "the connection is out of step", "please report this"};
  auto detail =
      came.number == call_ || came.call != call
          ? fmt::format("rank {}: {}; this rank: {}", from, to_string(came.call), to_string(call))
          : fmt::format("rank {} is at call {}, this rank at {}", from, came.number, call_);
  return Error{Errc::invalid, "the ranks make different calls", std::move(detail),
               "all ranks must make the same calls with the same sizes and types"};
}

Result<void> WireGroup::run(std::span<Transfer> transfers) {
  std::vector<LinkWaiter::Interest> interests;
  waiter_.moved();
  while (true) {
    bool progress = false, left = false;
    for (auto& transfer : transfers) {
      if (transfer.is_done()) continue;
      auto* at = transfer.data + transfer.done;
      auto bytes = transfer.bytes - transfer.done;
      auto moved = transfer.sends ? transfer.link->send_some(at, bytes)
                                  : transfer.link->receive_some(at, bytes);
      if (!moved) return std::move(moved).error();
      transfer.done += *moved;
      progress = progress || *moved != 0;
      left = left || !transfer.is_done();
    }
    if (!left) break;
    if (progress) {
      waiter_.moved();
      continue;
    }
    interests.clear();
    for (const auto& transfer : transfers)
      if (!transfer.is_done())
        interests.push_back({transfer.link, transfer.sends, !transfer.sends});
    TROUPE_TRY(waiter_.nothing_moved(interests));
  }
  waiter_.moved();
  return ok();
}

Result<void> WireGroup::swap_heads(const Signature& call, uint32_t to, uint32_t from) {
  auto mine = head(call);
  Head came;
  Transfer both[] = {
      {links_[to], true, reinterpret_cast<std::byte*>(&mine), sizeof mine},
      {links_[from], false, reinterpret_cast<std::byte*>(&came), sizeof came},
  };
  TROUPE_TRY(run(both));
  return compare(came, call, links_[from]->rank());
}

Result<void> WireGroup::barrier(const Signature& call) {
  ++call_;
  // After round k each has heard, directly or not, of the 2^(k+1) ranks before it.
  for (uint32_t distance = 1; distance < size(); distance *= 2)
    TROUPE_TRY(swap_heads(call, (me_ + distance) % size(), (me_ + size() - distance) % size()));
  return ok();
}

Result<void> WireGroup::all_reduce(const Signature& call, void* data, size_t count,
                                   uint64_t divisor) {
  if (size() == 1) return ok();
  if (count * size_of(call.type) <= doubling_bytes_max) return doubling(call, data, count, divisor);
  std::vector<Step> steps;
  add_reduce_steps(steps, call, count, me_, divisor);
  add_gather_steps(steps, call, count, int64_t{me_} + 1);
  return ring(call, bytes_of(data), steps);
}

/// Ranks beyond a power of two give theirs to a partner and get the result from it.
Result<void> WireGroup::doubling(const Signature& call, void* data, size_t count,
                                 uint64_t divisor) {
  ++call_;
  auto bytes = count * size_of(call.type);
  auto whole = sizeof(Head) + bytes;
  scratch_.resize(std::max(scratch_.size(), 2 * whole));
  auto* out = scratch_.data();
  auto* in = scratch_.data() + whole;
  auto pack = [&] {
    auto mine = head(call);
    std::memcpy(out, &mine, sizeof mine);
    if (bytes != 0) std::memcpy(out + sizeof mine, data, bytes);
  };
  auto check = [&](uint32_t from) {
    Head came;
    std::memcpy(&came, in, sizeof came);
    return compare(came, call, links_[from]->rank());
  };
  auto sum = [&](uint64_t by) {
    const void* inputs[] = {data, in + sizeof(Head)};
    reduce(call.type, call.op, inputs, data, count, by);
  };
  // The head is looked at when it is there: of another call, the rest would be waited for in vain.
  auto receive = [&](uint32_t from, Transfer* sending) -> Result<void> {
    Transfer both[] = {{links_[from], false, in, whole, 0, sizeof(Head)},
                       sending != nullptr ? *sending : Transfer{links_[from], true, out, 0}};
    TROUPE_TRY(run(both));
    TROUPE_TRY(check(from));
    both[0].enough = whole;
    return run(both);
  };
  auto power = std::bit_floor(size());
  auto extra = size() - power;
  if (me_ >= power) {
    pack();
    Transfer sending{links_[me_ - power], true, out, whole};
    TROUPE_TRY(receive(me_ - power, &sending));
    if (bytes != 0) std::memcpy(data, in + sizeof(Head), bytes);
    return ok();
  }
  if (me_ < extra) {
    TROUPE_TRY(receive(me_ + power, nullptr));
    sum(1);
  }
  for (uint32_t distance = 1; distance < power; distance *= 2) {
    auto partner = me_ ^ distance;
    pack();
    Transfer sending{links_[partner], true, out, whole};
    TROUPE_TRY(receive(partner, &sending));
    // a + b and b + a have the same bits; so all ranks get the same.
    sum(distance * 2 == power ? divisor : 1);
  }
  if (power == 1 && divisor != 1) return Error{Errc::bug, "a group of one was reduced", "", ""};
  if (me_ >= extra) return ok();
  pack();
  Transfer sending[] = {{links_[me_ + power], true, out, whole}};
  return run(sending);
}

Result<void> WireGroup::broadcast(const Signature& call, void* data, size_t count, uint32_t root) {
  // Only the barrier lets the root see what others have called.
  TROUPE_TRY(barrier(call));
  auto bytes = count * size_of(call.type);
  auto position = (me_ + size() - root) % size();
  auto at = [&](uint32_t place) { return links_[(place + root) % size()]; };
  if (bytes <= doubling_bytes_max) {
    std::vector<Transfer> sends;
    for (uint32_t distance = std::bit_ceil(size()) / 2; distance != 0; distance /= 2) {
      if (position % (2 * distance) == distance) {
        Transfer receiving[] = {{at(position - distance), false, bytes_of(data), bytes}};
        TROUPE_TRY(run(receiving));
      } else if (position % (2 * distance) == 0 && position + distance < size()) {
        sends.push_back({at(position + distance), true, bytes_of(data), bytes});
      }
    }
    return run(sends);
  }
  // A chain: what has come is sent on at once.
  std::vector<Step> steps{{0, 0, 0, bytes, false, 1}, {0, bytes, 0, 0, false, 1}};
  if (position == 0) steps = {{0, bytes, 0, 0, false, 1}};
  if (position == size() - 1) steps = {{0, 0, 0, bytes, false, 1}};
  return ring(call, bytes_of(data), steps);
}

Result<void> WireGroup::reduce_scatter(const Signature& call, const void* in, void* out,
                                       size_t count, uint64_t divisor) {
  auto bytes = count * size_of(call.type);
  std::vector<std::byte> work(bytes * size());
  if (!work.empty()) std::memcpy(work.data(), in, work.size());
  if (size() > 1) {
    std::vector<Step> steps;
    add_reduce_steps(steps, call, count * size(), int64_t{me_} - 1, divisor);
    TROUPE_TRY(ring(call, work.data(), steps));
  }
  if (bytes != 0) std::memcpy(out, work.data() + me_ * bytes, bytes);
  return ok();
}

Result<void> WireGroup::all_gather(const Signature& call, const void* in, void* out, size_t count) {
  auto bytes = count * size_of(call.type);
  if (bytes != 0) std::memmove(bytes_of(out) + me_ * bytes, in, bytes);
  if (size() == 1) return ok();
  std::vector<Step> steps;
  add_gather_steps(steps, call, count * size(), me_);
  return ring(call, bytes_of(out), steps);
}

Result<void> WireGroup::all_to_all(const Signature& call, const void* in, void* out, size_t count) {
  ++call_;
  auto bytes = count * size_of(call.type);
  auto mine = head(call);
  std::vector<Head> heads(size());
  std::vector<Transfer> transfers;
  for (uint32_t step = 1; step < size(); ++step) {
    auto to = (me_ + step) % size(), from = (me_ + size() - step) % size();
    transfers.push_back({links_[to], true, reinterpret_cast<std::byte*>(&mine), sizeof mine});
    transfers.push_back(
        {links_[from], false, reinterpret_cast<std::byte*>(&heads[from]), sizeof mine});
  }
  TROUPE_TRY(run(transfers));
  for (uint32_t from = 0; from < size(); ++from)
    if (from != me_) TROUPE_TRY(compare(heads[from], call, links_[from]->rank()));
  // In place, a block is overwritten before it was sent: so it goes from a copy.
  std::vector<std::byte> work;
  if (in == out && bytes != 0) work.assign(bytes_to_send(in), bytes_to_send(in) + bytes * size());
  auto* source = work.empty() ? bytes_to_send(in) : work.data();
  transfers.clear();
  for (uint32_t step = 1; step < size(); ++step) {
    auto to = (me_ + step) % size(), from = (me_ + size() - step) % size();
    transfers.push_back({links_[to], true, source + to * bytes, bytes});
    transfers.push_back({links_[from], false, bytes_of(out) + from * bytes, bytes});
  }
  if (bytes != 0 && in != out)
    std::memcpy(bytes_of(out) + me_ * bytes, bytes_to_send(in) + me_ * bytes, bytes);
  return run(transfers);
}

Result<void> WireGroup::send(const Signature& call, const void* data, size_t count, uint32_t to) {
  Head mine{head_magic, 0, call};
  Transfer first[] = {{links_[to], true, reinterpret_cast<std::byte*>(&mine), sizeof mine}};
  TROUPE_TRY(run(first));
  Transfer then[] = {{links_[to], true, bytes_to_send(data), count * size_of(call.type)}};
  return run(then);
}

Result<void> WireGroup::receive(const Signature& call, void* data, size_t count, uint32_t from) {
  Head came;
  Transfer first[] = {{links_[from], false, reinterpret_cast<std::byte*>(&came), sizeof came}};
  TROUPE_TRY(run(first));
  came.number = call_;
  TROUPE_TRY(compare(came, call, links_[from]->rank()));
  Transfer then[] = {{links_[from], false, bytes_of(data), count * size_of(call.type)}};
  return run(then);
}

}  // namespace troupe::comm
