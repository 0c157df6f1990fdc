#include "gpu/comm/reduce.hpp"
#include "gpu/comm/wire_group.hpp"

#include <algorithm>
#include <cstring>

namespace troupe::comm {

namespace {

// What one system call moves: enough that its cost does not count, little enough that both
// directions go on in turn, and that what has come is still in the cache when it is added.
constexpr size_t send_bytes_max = 512u << 10;
constexpr size_t receive_bytes_max = 256u << 10;

}  // namespace

/// One ring while it runs.
class WireGroup::Ring {
 public:
  Ring(WireGroup& group, const Signature& call, std::byte* data, const std::vector<Step>& steps)
      : group_{group},
        call_{call},
        data_{data},
        steps_{steps},
        next_{group.links_[(group.me_ + 1) % group.size()]},
        before_{group.links_[(group.me_ + group.size() - 1) % group.size()]},
        element_{size_of(call.type)},
        complete_(steps.size(), 0) {
    group_.scratch_.resize(std::max(group_.scratch_.size(), receive_bytes_max));
  }

  Result<void> run() {
    group_.waiter_.moved();
    while (true) {
      skip_empty();
      bool sends = sending_ < steps_.size(), receives = receiving_ < steps_.size();
      if (!sends && !receives) break;
      size_t moved = 0;
      auto room = sends ? sendable() : 0;
      if (room != 0) {
        auto sent = next_->send_some(data_ + steps_[sending_].send_at + sent_,
                                     std::min(room, send_bytes_max));
        if (!sent) return std::move(sent).error();
        sent_ += *sent;
        moved += *sent;
      }
      if (receives) {
        auto came = receive();
        if (!came) return std::move(came).error();
        moved += *came;
      }
      if (moved != 0) {
        group_.waiter_.moved();
        continue;
      }
      LinkWaiter::Interest interests[2];
      size_t count = 0;
      if (receives) interests[count++] = {before_, false, true};
      if (room != 0) interests[count++] = {next_, true, false};
      TROUPE_TRY(group_.waiter_.nothing_moved({interests, count}));
    }
    group_.waiter_.moved();
    return ok();
  }

 private:
  void skip_empty() {
    while (sending_ < steps_.size() && sent_ == steps_[sending_].send_bytes) {
      ++sending_;
      sent_ = 0;
    }
    while (receiving_ < steps_.size() && complete_[receiving_] == steps_[receiving_].receive_bytes)
      ++receiving_;
  }

  /// A step sends what the one before has received, as far as that has come.
  size_t sendable() const {
    if (sending_ == 0) return steps_[0].send_bytes - sent_;
    return std::min(steps_[sending_].send_bytes, complete_[sending_ - 1]) - sent_;
  }

  Result<size_t> receive() {
    const auto& step = steps_[receiving_];
    auto left = step.receive_bytes - complete_[receiving_];
    auto* to = data_ + step.receive_at + complete_[receiving_];
    if (!step.adds) {
      auto came = before_->receive_some(to, std::min(left, receive_bytes_max));
      if (came) complete_[receiving_] += *came;
      return came;
    }
    auto* scratch = group_.scratch_.data();
    auto came =
        before_->receive_some(scratch + carried_, std::min(left, receive_bytes_max) - carried_);
    if (!came) return came;
    auto have = carried_ + *came;
    auto whole = have / element_ * element_;
    const void* inputs[] = {to, scratch};
    reduce(call_.type, call_.op, inputs, to, whole / element_, step.divisor);
    carried_ = have - whole;
    std::memmove(scratch, scratch + whole, carried_);  // a part of an element waits for its rest
    complete_[receiving_] += whole;
    return came;
  }

  WireGroup& group_;
  const Signature& call_;
  std::byte* data_;
  const std::vector<Step>& steps_;
  Link* next_;
  Link* before_;
  size_t element_;
  std::vector<size_t> complete_;  // bytes of each step that came and were added
  size_t sending_ = 0, sent_ = 0;
  size_t receiving_ = 0, carried_ = 0;
};

Result<void> WireGroup::ring(const Signature& call, std::byte* data,
                             const std::vector<Step>& steps) {
  ++call_;
  TROUPE_TRY(swap_heads(call, (me_ + 1) % size(), (me_ + size() - 1) % size()));
  return Ring{*this, call, data, steps}.run();
}

std::pair<size_t, size_t> WireGroup::chunk(size_t count, int64_t index) const {
  auto n = int64_t{size()};
  auto at = static_cast<size_t>((index % n + n) % n);
  // Without count * at, which could overflow.
  auto begin = [&](size_t k) { return count / size() * k + count % size() * k / size(); };
  return {begin(at), begin(at + 1)};
}

void WireGroup::add_reduce_steps(std::vector<Step>& steps, const Signature& call, size_t count,
                                 int64_t first, uint64_t divisor) const {
  auto bytes = size_of(call.type);
  for (int64_t step = 0; step + 1 < size(); ++step) {
    auto [send, send_end] = chunk(count, first - step);
    auto [receive, receive_end] = chunk(count, first - step - 1);
    bool is_last = step + 2 == size();
    steps.push_back({send * bytes, (send_end - send) * bytes, receive * bytes,
                     (receive_end - receive) * bytes, true, is_last ? divisor : 1});
  }
}

void WireGroup::add_gather_steps(std::vector<Step>& steps, const Signature& call, size_t count,
                                 int64_t first) const {
  auto bytes = size_of(call.type);
  for (int64_t step = 0; step + 1 < size(); ++step) {
    auto [send, send_end] = chunk(count, first - step);
    auto [receive, receive_end] = chunk(count, first - step - 1);
    steps.push_back({send * bytes, (send_end - send) * bytes, receive * bytes,
                     (receive_end - receive) * bytes, false, 1});
  }
}

}  // namespace troupe::comm
