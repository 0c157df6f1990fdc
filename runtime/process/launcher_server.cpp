#include "runtime/process/launcher_server.hpp"

#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace troupe::process {
namespace {

constexpr uint64_t listener_id = 1, signals_id = 2, client_id = 3;
/// A client that reads so little has stopped; it gets a fresh snapshot when it comes back.
constexpr size_t out_bytes_max = 64u << 20;
constexpr size_t read_turn_bytes = 1u << 20;
constexpr size_t snapshot_runs = 256;  // in one frame: below a megabyte with any error texts
/// A run is in the snapshot as running once its command runs, which takes microseconds. A file
/// system that answers no more must not keep the client from all other runs.
constexpr auto snapshot_patience = std::chrono::seconds{1};

Result<sockaddr_un> address_in(int dir) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto path = fmt::format("/proc/self/fd/{}/launcher.sock", dir);
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

Result<UniqueFd> unix_socket() {
  UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd) return errno_error(errno, "no socket for the launcher");
  return fd;
}

}  // namespace

Result<UniqueFd> listen_in(int dir) {
  auto fd = unix_socket();
  if (!fd) return fd;
  auto address = address_in(dir);
  ::unlinkat(dir, "launcher.sock", 0);
  auto mask = ::umask(0177);
  auto bound = ::bind(fd->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(sockaddr_un));
  auto number = errno;
  ::umask(mask);
  if (bound != 0) return errno_error(number, "the launcher's socket could not be made");
  if (::listen(fd->get(), 16) != 0) return errno_error(errno, "the launcher cannot listen");
  return fd;
}

Result<UniqueFd> connect_in(int dir) {
  auto fd = unix_socket();
  if (!fd) return fd;
  auto address = address_in(dir);
  if (::connect(fd->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(sockaddr_un)) != 0)
    return errno_error(errno, "the launcher cannot be reached");
  return fd;
}

LauncherServer::LauncherServer(LauncherConfig config, UniqueFd lock, UniqueFd listener,
                               Journal journal, const std::string& name, uint64_t open_files_max)
    : config_{std::move(config)},
      lock_{std::move(lock)},
      listener_{std::move(listener)},
      epoll_{::epoll_create1(EPOLL_CLOEXEC)},
      idle_since_{std::chrono::steady_clock::now()} {
  RunEvents events;
  events.started = [this](auto& status) { send(frame_of(FrameType::started, status)); };
  events.ended = [this](auto& status) { send(frame_of(FrameType::ended, status)); };
  events.stuck = [this](auto& status) { send(frame_of(FrameType::stuck, status)); };
  events.logged = [this](auto& key, uint64_t bytes) {
    Encoder body;
    body.text(key);
    body.number(bytes);
    send(frame(FrameType::logged, body.bytes()));
  };
  runs_ = std::make_unique<RunManager>(std::move(journal), name, epoll_.get(), open_files_max,
                                       std::move(events));
  sigset_t wanted;
  sigemptyset(&wanted);
  for (auto number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&wanted, number);
  signals_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  watch(listener_.get(), listener_id, EPOLLIN, EPOLL_CTL_ADD);
  watch(signals_.get(), signals_id, EPOLLIN, EPOLL_CTL_ADD);
}

void LauncherServer::watch(int fd, uint64_t id, uint32_t events, int operation) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  TROUPE_ASSERT(::epoll_ctl(epoll_.get(), operation, fd, &event) == 0, "epoll_ctl");
}

int LauncherServer::run() {
  epoll_event events[256];
  while (true) {
    auto wait = timeout();
    send_snapshot();
    flush();
    if (may_end()) return 0;
    auto count = ::epoll_wait(epoll_.get(), events, std::size(events), wait);
    for (int i = 0; i < count; ++i) {
      switch (auto id = events[i].data.u64) {
        case listener_id:
          accept_client();
          break;
        case signals_id:
          read_signals();
          break;
        case client_id:
          if (client_) read_client();
          break;
        default:
          runs_->ready(id);
      }
    }
  }
}

/// Does what is due, too.
int LauncherServer::timeout() {
  auto wait = runs_->tick();
  // Twice a second is enough to notice that there is nothing left to be here for.
  if (!client_ || snapshot_by_) wait = wait < 0 ? 500 : std::min(wait, 500);
  return wait;
}

bool LauncherServer::may_end() {
  if (ending_ && runs_->live() == 0) return true;
  auto now = std::chrono::steady_clock::now();
  if (client_) {
    idle_since_ = now;
    return false;
  }
  struct stat info {};
  if (!ending_ && ::fstat(lock_.get(), &info) == 0 && info.st_nlink == 0) {
    log::warning("launcher", "the folder {} is gone: ending all runs", config_.dir);
    ending_ = true;
    runs_->kill_everything();
  }
  if (runs_->live() > 0) idle_since_ = now;
  return runs_->live() == 0 && now - idle_since_ >= config_.idle_exit;
}

void LauncherServer::accept_client() {
  UniqueFd fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (!fd) return;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      (peer.uid != ::geteuid() && peer.uid != 0)) {
    log::warning("launcher", "a connection of user {} was refused", peer.uid);
    return;
  }
  if (client_) drop_client("a newer one came");
  client_ = std::move(fd);
  frames_ = {};
  out_.clear();
  writable_watched_ = false;
  watch(client_.get(), client_id, EPOLLIN, EPOLL_CTL_ADD);
  snapshot_by_ = std::chrono::steady_clock::now() + snapshot_patience;
}

/// Nothing is sent to a client before: what happens meanwhile is in it.
void LauncherServer::send_snapshot() {
  if (!snapshot_by_ || !client_) return;
  if (runs_->starting() && std::chrono::steady_clock::now() < *snapshot_by_) return;
  snapshot_by_.reset();
  auto all = runs_->snapshot();
  size_t at = 0;
  do {
    auto count = std::min(snapshot_runs, all.size() - at);
    Encoder body;
    body.number(static_cast<uint8_t>(at + count == all.size()));
    body.number(static_cast<uint32_t>(count));
    for (auto end = at + count; at < end; ++at) encode(body, all[at]);
    send(frame(FrameType::snapshot, body.bytes()));
  } while (at < all.size());
}

void LauncherServer::drop_client(const std::string& why) {
  log::info("launcher", "the client is gone: {}", why);
  // Said aloud: a child that has not called exec yet holds a copy of it.
  ::shutdown(client_.get(), SHUT_RDWR);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, client_.get(), nullptr);
  client_.reset();
  out_.clear();
}

void LauncherServer::read_client() {
  static char buffer[64u << 10];
  bool gone = false;
  for (size_t total = 0; total < read_turn_bytes;) {
    auto n = ::read(client_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    gone = n == 0 || (n < 0 && errno != EAGAIN);
    if (n <= 0) break;
    total += static_cast<size_t>(n);
    frames_.add({buffer, static_cast<size_t>(n)});
    if (static_cast<size_t>(n) < sizeof buffer) break;
  }
  while (client_) {
    Frame frame;
    auto more = frames_.next(frame);
    if (!more) return drop_client(to_string(more.error()));
    if (!*more) break;
    handle(frame);
  }
  if (gone && client_) drop_client("closed");
}

void LauncherServer::handle(const Frame& frame) {
  Decoder in{frame.body};
  switch (frame.type) {
    case FrameType::start: {
      RunRequest request;
      decode(in, request);
      if (in.complete()) return runs_->start(std::move(request));
      break;
    }
    case FrameType::stop: {
      auto key = in.text();
      auto grace = in.number<int64_t>();
      if (in.complete()) return runs_->stop(key, Duration{grace});
      break;
    }
    case FrameType::renew: {
      auto until = in.number<int64_t>();
      if (in.complete()) return runs_->renew(std::chrono::nanoseconds{until});
      break;
    }
    case FrameType::forget: {
      auto key = in.text();
      if (in.complete()) return runs_->forget(key);
      break;
    }
    case FrameType::shutdown: {
      auto force = in.number<uint8_t>() != 0;
      if (in.complete()) return shut_down(force);
      break;
    }
    default:
      break;
  }
  drop_client("it sent something that is no request");
}

void LauncherServer::shut_down(bool force) {
  Encoder answer;
  bool accepted = force || runs_->live() == 0;
  answer.number(static_cast<uint8_t>(accepted));
  encode(answer, Error{Errc::conflict, "the launcher goes on",
                       fmt::format("{} runs are live", runs_->live()), "stop them first"});
  send(frame(FrameType::closing, answer.bytes()));
  if (!accepted) return;
  ending_ = true;
  runs_->kill_everything();
}

void LauncherServer::flush() {
  if (!client_) return out_.clear();
  while (!out_.empty()) {
    auto n = ::send(client_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return drop_client("writing failed");
    if (n < 0) break;
    out_.erase(0, static_cast<size_t>(n));
  }
  if (out_.size() > out_bytes_max) return drop_client("it does not read");
  if (bool wanted = !out_.empty(); wanted != writable_watched_) {
    writable_watched_ = wanted;
    watch(client_.get(), client_id, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
  }
}

void LauncherServer::read_signals() {
  signalfd_siginfo info[16];
  bool children = false;
  while (true) {
    auto n = ::read(signals_.get(), info, sizeof info);
    if (n <= 0) break;
    for (size_t i = 0; i < static_cast<size_t>(n) / sizeof info[0]; ++i) {
      if (info[i].ssi_signo == SIGCHLD) {
        children = true;
      } else if (!ending_) {
        log::warning("launcher", "told to end by signal {}: ending all runs", info[i].ssi_signo);
        ending_ = true;
        runs_->kill_everything();
      }
    }
    if (static_cast<size_t>(n) < sizeof info) break;
  }
  if (children) runs_->reap();
}

}  // namespace troupe::process
