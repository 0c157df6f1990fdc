#include "gpu/comm/link.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace troupe::comm {

namespace {

/// A failure as it is told: the code, then what, detail and hint in fixed places.
struct ControlFrame {
  uint8_t code = 0;  // 0: done; or one of these, with the number of the question in `what`
  char what[200] = {};
  char detail[300] = {};
  char hint[200] = {};
};

constexpr uint8_t who_waits = 254, i_wait = 255;

template <size_t N>
void put(char (&to)[N], const std::string& text) {
  std::memcpy(to, text.data(), std::min(text.size(), N - 1));
}

Error gone(uint32_t rank, std::string detail) {
  return {Errc::unavailable, fmt::format("rank {} is gone", rank), std::move(detail),
          "look at the log of that rank"};
}

}  // namespace

MemoryLink::MemoryLink(Segment& segment, uint32_t local)
    : Link{segment.state(local).rank},
      segment_{segment},
      local_{local},
      sent_{segment.channel(segment.local(), local).written.load()},
      received_{segment.channel(local, segment.local()).taken.load()} {}

Result<size_t> MemoryLink::send_some(const std::byte* data, size_t bytes) {
  auto& channel = segment_.channel(segment_.local(), local_);
  auto capacity = segment_.shape().channel_bytes;
  auto taken = channel.taken.load(std::memory_order_acquire);
  auto count = std::min<uint64_t>(bytes, capacity - (sent_ - taken));
  if (count == 0) return size_t{0};
  auto* ring = segment_.channel_data(segment_.local(), local_);
  auto at = sent_ % capacity;
  auto first = std::min(count, capacity - at);
  std::memcpy(ring + at, data, first);
  std::memcpy(ring, data + first, count - first);
  sent_ += count;
  segment_.post_to(channel.written, sent_, local_);
  return static_cast<size_t>(count);
}

Result<size_t> MemoryLink::receive_some(std::byte* data, size_t bytes) {
  auto& channel = segment_.channel(local_, segment_.local());
  auto capacity = segment_.shape().channel_bytes;
  auto written = channel.written.load(std::memory_order_acquire);
  auto count = std::min<uint64_t>(bytes, written - received_);
  if (count == 0) return size_t{0};
  const auto* ring = segment_.channel_data(local_, segment_.local());
  auto at = received_ % capacity;
  auto first = std::min(count, capacity - at);
  std::memcpy(data, ring + at, first);
  std::memcpy(data + first, ring, count - first);
  received_ += count;
  segment_.post_to(channel.taken, received_, local_);
  return static_cast<size_t>(count);
}

Error TcpLink::broken(int number) const {
  return gone(rank(), number == 0 ? "it has closed the connection"
                                  : std::generic_category().message(number));
}

Result<size_t> TcpLink::send_some(const std::byte* data, size_t bytes) {
  auto sent = ::send(fd_.get(), data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return static_cast<size_t>(sent);
  if (errno == EAGAIN || errno == EINTR) return size_t{0};
  return broken(errno);
}

Result<size_t> TcpLink::receive_some(std::byte* data, size_t bytes) {
  if (bytes == 0) return size_t{0};
  auto came = ::recv(fd_.get(), data, bytes, MSG_DONTWAIT);
  if (came > 0) return static_cast<size_t>(came);
  if (came < 0 && (errno == EAGAIN || errno == EINTR)) return size_t{0};
  return broken(came == 0 ? 0 : errno);
}

Controls::Controls() : epoll_{::epoll_create1(EPOLL_CLOEXEC)} {}

Result<void> Controls::add(UniqueFd fd, uint32_t rank) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = peers_.size();
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0)
    return errno_error(errno, "cannot watch the other ranks");
  peers_.push_back({std::move(fd), rank, {}, false});
  return ok();
}

std::optional<Error> Controls::read(Peer& peer) {
  while (true) {
    char buffer[sizeof(ControlFrame)];
    auto came = ::recv(peer.fd.get(), buffer, sizeof buffer - peer.came.size(), MSG_DONTWAIT);
    if (came < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (came <= 0) {
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, peer.fd.get(), nullptr);
      if (peer.done) return std::nullopt;
      peer.done = true;
      return gone(peer.rank,
                  came == 0 ? "its process has ended" : std::generic_category().message(errno));
    }
    peer.came.append(buffer, static_cast<size_t>(came));
    if (peer.came.size() < sizeof(ControlFrame)) continue;
    ControlFrame frame;
    std::memcpy(&frame, peer.came.data(), sizeof frame);
    frame.what[sizeof frame.what - 1] = '\0';
    frame.detail[sizeof frame.detail - 1] = '\0';
    frame.hint[sizeof frame.hint - 1] = '\0';
    if (frame.code == who_waits || frame.code == i_wait) {
      uint64_t question = 0;
      std::memcpy(&question, frame.what, sizeof question);
      peer.came.clear();
      if (frame.code == who_waits)
        answer(peer, question);
      else
        peer.answered = question;
      continue;
    }
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, peer.fd.get(), nullptr);
    peer.done = true;
    if (frame.code == 0) return std::nullopt;
    return Error{static_cast<Errc>(frame.code), frame.what, frame.detail, frame.hint};
  }
}

std::optional<Error> Controls::check() {
  if (failure_ || peers_.empty()) return failure_;
  std::array<epoll_event, 16> events;
  auto count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    auto cause = read(peers_[events[static_cast<size_t>(i)].data.u64]);
    if (cause && !failure_) failure_ = cause;
  }
  return failure_;
}

std::optional<Error> Controls::loss_of(uint32_t rank) const {
  for (const auto& peer : peers_)
    if (peer.rank == rank && peer.done)
      return failure_
                 ? failure_
                 : Error{Errc::unavailable, fmt::format("rank {} is gone", rank),
                         "it has closed its communicator", "all ranks must make the same calls"};
  return std::nullopt;
}

void Controls::ask_who_waits() {
  ControlFrame frame;
  frame.code = who_waits;
  ++asked_;
  std::memcpy(frame.what, &asked_, sizeof asked_);
  tell({reinterpret_cast<const char*>(&frame), sizeof frame});
}

void Controls::answer(const Peer& peer, uint64_t question) const {
  ControlFrame frame;
  frame.code = i_wait;
  std::memcpy(frame.what, &question, sizeof question);
  (void)!::send(peer.fd.get(), &frame, sizeof frame, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool Controls::is_silent(uint32_t rank) const {
  return std::any_of(peers_.begin(), peers_.end(), [&](const Peer& peer) {
    return peer.rank == rank && !peer.done && peer.answered != asked_;
  });
}

void Controls::tell(const std::string& frame) {
  // Little is ever sent there: the connection has room for it.
  for (const auto& peer : peers_)
    (void)!::send(peer.fd.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Controls::tell_failure(const Error& cause) {
  ControlFrame frame;
  frame.code = static_cast<uint8_t>(cause.code);
  put(frame.what, cause.what);
  put(frame.detail, cause.detail);
  put(frame.hint, cause.hint);
  failure_ = failure_.value_or(cause);
  tell({reinterpret_cast<const char*>(&frame), sizeof frame});
}

void Controls::tell_done() {
  if (failure_) return;
  ControlFrame frame;
  tell({reinterpret_cast<const char*>(&frame), sizeof frame});
}

}  // namespace troupe::comm
