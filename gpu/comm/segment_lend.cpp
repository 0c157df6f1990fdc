// A rank in the middle of a call whose processor another program has taken stands in the queue
// there for one or several ticks of the kernel, 4 to 12 ms, while those that wait for it have
// processors without use for them. One of them gives it its own and sleeps.
#include "gpu/comm/segment.hpp"
#include "gpu/comm/segment_layout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace troupe::comm {

namespace {

// For so long no rank steps onto a processor that was found taken.
constexpr std::chrono::milliseconds remembered{1000};

int64_t milliseconds_now() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

/// The processor in whose queue a thread is; nothing where it sleeps, or cannot be looked at.
std::optional<int> queue_of(int32_t pid, int32_t thread) {
  char text[1024];
  UniqueFd fd{
      ::open(fmt::format("/proc/{}/task/{}/stat", pid, thread).c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd) return std::nullopt;
  auto bytes = ::read(fd.get(), text, sizeof text);
  std::string_view stat{text, static_cast<size_t>(std::max<ssize_t>(bytes, 0))};
  // The name may have any characters, and ends with the last bracket; the third field follows.
  auto name_end = stat.rfind(')');
  if (name_end == stat.npos || !stat.substr(name_end).starts_with(") R ")) return std::nullopt;
  auto field = name_end + 2;
  for (int i = 3; i < 39 && field != stat.npos; ++i) field = stat.find(' ', field + 1);
  int processor = 0;
  if (field == stat.npos ||
      std::from_chars(stat.data() + field + 1, stat.data() + stat.size(), processor).ec !=
          std::errc{})
    return std::nullopt;
  return processor;
}

}  // namespace

Segment::Working Segment::begin_call() {
  static thread_local const pid_t thread = ::gettid();
  mine().thread.store(thread, std::memory_order_release);
  tell_processor();
  return Working{mine().thread};
}

bool Segment::is_at_work(uint32_t local) const {
  const auto& peer = state(local);
  // What it does between calls, and for how long, is its own affair.
  return peer.thread.load(std::memory_order_relaxed) != 0 &&
         peer.parked.load(std::memory_order_relaxed) == 0;
}

bool Segment::lend_processor(uint32_t local) {
  tell_processor();
  auto& peer = state(local);
  // Once it is in a call it has joined: before that its process is not known.
  auto thread = peer.thread.load(std::memory_order_acquire);
  if (thread == 0) return false;
  auto beats = peer.beats.load(std::memory_order_relaxed);
  auto processor = queue_of(peer.pid, thread);
  if (!processor || *processor == processor_ - 1) return false;
  if (peer.beats.load(std::memory_order_relaxed) != beats || peer.being_moved.exchange(1) != 0)
    return false;
  cpu_set_t allowed, here;
  CPU_ZERO(&here);
  CPU_SET(static_cast<size_t>(::sched_getcpu()), &here);
  bool lent = false;
  if (::sched_getaffinity(thread, sizeof allowed, &allowed) == 0) {
    CPU_AND(&here, &here, &allowed);
    // The first moves it; the second lets it go wherever it might before.
    lent = CPU_COUNT(&here) != 0 && ::sched_setaffinity(thread, sizeof here, &here) == 0 &&
           ::sched_setaffinity(thread, sizeof allowed, &allowed) == 0;
  }
  peer.being_moved.store(0);
  if (lent) {
    header().taken_at.store(milliseconds_now(), std::memory_order_relaxed);
    header().taken_processor.store(*processor + 1, std::memory_order_relaxed);
  }
  return lent;
}

int Segment::taken_processor() const {
  auto taken = header().taken_processor.load(std::memory_order_relaxed);
  if (taken == 0) return -1;
  auto since = milliseconds_now() - header().taken_at.load(std::memory_order_relaxed);
  return since < remembered.count() ? taken - 1 : -1;
}

}  // namespace troupe::comm
