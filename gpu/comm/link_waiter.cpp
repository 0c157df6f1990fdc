#include "gpu/comm/roster.hpp"
#include "gpu/comm/wire_group.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <poll.h>
#include <sched.h>

namespace troupe::comm {

namespace {

using Clock = std::chrono::steady_clock;

// How long a lost rank of this host can go unnoticed.
constexpr std::chrono::milliseconds tick{10};
// With links of both kinds nothing wakes for all of them.
constexpr std::chrono::milliseconds mixed_tick{1};
// Some looks of a rank that waits, on a machine that has more to do.
constexpr std::chrono::milliseconds answer_time{500};

}  // namespace

void LinkWaiter::moved() {
  if (segment_ != nullptr) segment_->unpark();
  auto looks = budget_.looks();
  if (idle_ != 0 && since_ != Clock::time_point{}) waited_ += Clock::now() - since_;
  if (idle_ > looks + patience_.yields)
    budget_.came_by_waiting();
  else if (idle_ > looks)
    budget_.came_by_yielding(idle_ - looks);
  else if (idle_ != 0)
    budget_.came_by_looking();
  idle_ = 0;
}

Result<void> LinkWaiter::nothing_moved(std::span<const Interest> interests) {
  ++idle_;
  if (idle_ == 1) since_ = {};
  auto looks = budget_.looks();
  if (idle_ <= looks) {
    relax();
    return ok();
  }
  if (idle_ <= looks + patience_.yields) {
    ::sched_yield();
    return ok();
  }
  if (since_ == Clock::time_point{}) since_ = Clock::now();
  std::vector<pollfd> entries;
  bool shares = false;
  for (const auto& interest : interests) {
    auto fd = interest.link->fd();
    if (fd < 0) {
      shares = true;
      continue;
    }
    auto events =
        static_cast<short>((interest.send ? POLLOUT : 0) | (interest.receive ? POLLIN : 0));
    entries.push_back({fd, events, 0});
  }
  if (entries.empty() && segment_ != nullptr) {
    // What is posted from here on ends the sleep; what was posted before is found by one more look.
    if (!segment_->is_prepared()) {
      segment_->prepare_park();
      return ok();
    }
    segment_->park(tick);
    segment_->prepare_park();
    return look_around(interests);
  }
  if (controls_ != nullptr && !controls_->empty()) entries.push_back({controls_->fd(), POLLIN, 0});
  auto wait = shares ? mixed_tick : tick;
  ::poll(entries.data(), entries.size(), static_cast<int>(wait.count()));
  return look_around(interests);
}

Result<void> LinkWaiter::look_around(std::span<const Interest> interests) {
  if (segment_ != nullptr)
    if (auto cause = segment_->failure()) return *cause;
  if (controls_ != nullptr)
    if (auto cause = controls_->check()) return *cause;
  // A rank may have sent what is waited for and then left: it is lost only if nothing more comes.
  bool settled = Clock::now() - since_ > 3 * tick;
  for (const auto& interest : interests) {
    if (!settled) break;
    if (controls_ != nullptr && interest.link->fd() >= 0)
      if (auto lost = controls_->loss_of(interest.link->rank())) return *lost;
    if (segment_ == nullptr || interest.link->fd() >= 0) continue;
    for (uint32_t local = 0; local < segment_->size(); ++local)
      if (segment_->state(local).rank == interest.link->rank())
        if (auto lost = segment_->loss_of(local)) return *lost;
  }
  if (Clock::now() - since_ < patience_.deadline || interests.empty()) return ok();
  if (auto error = late(interests.front().link->rank())) return std::move(*error);
  return ok();
}

/// In a ring each waits for its neighbour alone, which mostly waits for the next one.
std::optional<Error> LinkWaiter::late(uint32_t waited_for) {
  std::vector<uint32_t> silent;
  if (controls_ != nullptr && !controls_->empty()) {
    auto now = Clock::now();
    if (asked_ < since_) {
      asked_ = now;
      controls_->ask_who_waits();
    }
    for (auto rank : ranks_)
      if (controls_->is_silent(rank)) silent.push_back(rank);
    if (!silent.empty() && now - asked_ < answer_time) return std::nullopt;
  }
  std::sort(silent.begin(), silent.end());
  if (silent.empty()) silent.push_back(waited_for);
  return Error{
      Errc::timed_out, fmt::format("{} did not come", name_ranks(silent)),
      fmt::format("waited {} ms", patience_.deadline.count()),
      fmt::format("see whether {} stopped, or make{} other calls than the rest",
                  silent.size() == 1 ? "it is" : "they are", silent.size() == 1 ? "s" : "")};
}

}  // namespace troupe::comm
