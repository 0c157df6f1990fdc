#include "runtime/process/launcher_client.hpp"

#include "runtime/core/log.hpp"
#include "runtime/process/launcher_server.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace troupe::process {
namespace {

using namespace std::chrono_literals;

/// A launcher that has just died leaves processes to be ended before it serves again.
constexpr auto connect_patience = 10s;
constexpr size_t out_bytes_least = 256u << 10;  // frames are gathered up to this for one write
constexpr size_t forgotten_bytes_most = 4u << 10;

std::string stop_frame(const std::string& key, Duration grace) {
  Encoder body;
  body.text(key);
  body.number(static_cast<int64_t>(grace.count()));
  return frame(FrameType::stop, body.bytes());
}

}  // namespace

LauncherClient::LauncherClient(LauncherClientOptions options)
    : options_{std::move(options)}, wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
  thread_ = std::thread{[this] { loop(); }};
}

LauncherClient::~LauncherClient() {
  {
    std::lock_guard lock{mutex_};
    (void)send_pending();
  }
  leaving_ = true;
  wake();
  thread_.join();
}

void LauncherClient::wake() {
  uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

void LauncherClient::queue(std::string frame) {
  {
    std::lock_guard lock{mutex_};
    if (took(std::move(frame))) return;
  }
  wake();
}

/// With the lock. By the caller's own thread where the socket takes it: waking another one would
/// cost a short run as much as all the rest of its start. False: the thread has to see to it.
bool LauncherClient::took(std::string frame) {
  queue_.push_back(std::move(frame));
  return send_pending() && queue_.empty() && out_.empty();
}

/// With the lock. False: the connection does not work; the thread finds out why.
bool LauncherClient::send_pending() {
  // Nothing new before the snapshot: it says which starts need no repeating.
  while (ready_) {
    out_ += std::exchange(forgotten_, {});
    while (!queue_.empty() && out_.size() < out_bytes_least) {
      out_ += queue_.front();
      queue_.pop_front();
    }
    if (out_.empty()) return true;
    auto n = ::send(fd_.get(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    out_.erase(0, static_cast<size_t>(n));
  }
  return true;
}

void LauncherClient::start(RunRequest request) {
  auto bytes = frame_of(FrameType::start, request);
  if (bytes.size() > frame_bytes_max) {
    RunStatus status;
    status.key = request.key;
    status.state = RunState::not_started;
    status.error =
        Error{Errc::invalid, fmt::format("run {} cannot be started", name_of(request.key)),
              fmt::format("commands and environments of {} bytes", bytes.size()),
              "pass long values in files"};
    {
      std::lock_guard lock{mutex_};
      refused_.push_back(std::move(status));
    }
    return wake();
  }
  {
    std::lock_guard lock{mutex_};
    asked_[request.key] = {bytes, {}};
    if (!ready_ || took(std::move(bytes))) return;  // asked for when the snapshot has come
  }
  wake();
}

void LauncherClient::stop(const std::string& key, Duration grace) {
  auto bytes = stop_frame(key, grace);
  {
    std::lock_guard lock{mutex_};
    if (auto asked = asked_.find(key); asked != asked_.end()) {
      asked->second.stop = bytes;
      if (!ready_) return;
    }
    if (took(std::move(bytes))) return;
  }
  wake();
}

void LauncherClient::renew(std::chrono::nanoseconds until) {
  Encoder body;
  body.number(static_cast<int64_t>(until.count()));
  {
    std::lock_guard lock{mutex_};
    // Without a connection there is nothing to renew, and the next renewal comes in a second.
    if (!ready_ || took(frame(FrameType::renew, body.bytes()))) return;
  }
  wake();
}

void LauncherClient::forget(const std::string& key) {
  Encoder body;
  body.text(key);
  auto bytes = frame(FrameType::forget, body.bytes());
  std::lock_guard lock{mutex_};
  forgotten_ += bytes;
  if (forgotten_.size() >= forgotten_bytes_most) (void)send_pending();
}

void LauncherClient::answered(const std::string& key) {
  std::lock_guard lock{mutex_};
  asked_.erase(key);
}

void LauncherClient::ask_again() {
  std::lock_guard lock{mutex_};
  for (auto& [key, asked] : asked_) out_ += asked.start + asked.stop;
  ready_ = true;
}

void LauncherClient::pause(Duration time) {
  std::unique_lock lock{mutex_};
  changed_.wait_for(lock, time, [&] { return leaving_ || closed_; });
}

void LauncherClient::lose(Error error) {
  if (leaving_ || std::exchange(told_lost_, true)) return;
  if (options_.events.lost) options_.events.lost(error);
}

void LauncherClient::loop() {
  while (!leaving_) {
    connect();
    while (fd_ && !leaving_ && serve_connection()) {
    }
    std::unique_lock lock{mutex_};
    bool had_one = static_cast<bool>(fd_);
    ready_ = false;
    fd_.reset();
    if (closed_) {
      ended_ = true;
      changed_.notify_all();
      return;
    }
    lock.unlock();
    if (had_one) lose({Errc::unavailable, "the launcher is gone", "its connection ended", ""});
  }
}

/// Until connected, or leaving: starts a launcher where none answers.
void LauncherClient::connect() {
  auto give_up = std::chrono::steady_clock::now();  // so that the first failure starts one
  Duration rest = 5ms;
  for (; !leaving_; pause(rest)) {
    if (!dir_) {
      (void)make_dirs(options_.dir, 0700);
      if (auto dir = open_file(options_.dir, O_RDONLY | O_DIRECTORY); dir) dir_ = std::move(*dir);
    }
    auto fd = dir_ ? connect_in(dir_.get())
                   : Result<UniqueFd>{errno_error(errno, "the launcher's folder is not there")};
    if (fd) {
      frames_ = {};
      snapshot_.clear();
      std::lock_guard lock{mutex_};
      fd_ = std::move(*fd);
      out_.clear();
      return;
    }
    if (std::chrono::steady_clock::now() < give_up) continue;
    dir_.reset();  // may have been replaced
    auto launched = launch();
    if (!launched) {
      lose(launched.error());
      rest = std::min<Duration>(rest * 2, 1s);
      continue;
    }
    rest = 5ms;
    give_up = std::chrono::steady_clock::now() + *launched;
  }
}

/// The launcher goes to the background by itself and leaves us only an exit code to collect.
/// Returns how long to wait for it.
Result<Duration> LauncherClient::launch() {
  std::vector<char*> argv;
  for (auto& text : options_.argv) argv.push_back(text.data());
  argv.push_back(nullptr);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  // Our own process may ignore SIGPIPE (KJ sees to that); jobs must not inherit it.
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  auto number = ::posix_spawnp(&pid, argv[0], nullptr, &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  if (number != 0) return errno_error(number, "the launcher could not be started");
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  // 5: another one has the folder. It may be about to serve, or about to end: look again.
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Duration{connect_patience};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 5) return Duration{100};
  return Error{Errc::unavailable, "the launcher could not be started",
               fmt::format("{} ended with status {}", options_.argv[0], status),
               fmt::format("see {}/launcher.log", options_.dir)};
}

bool LauncherClient::serve_connection() {
  pollfd polled[2] = {{fd_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  {
    std::lock_guard lock{mutex_};
    if (!out_.empty()) polled[0].events |= POLLOUT;
  }
  if (::poll(polled, 2, -1) < 0) return errno == EINTR;
  if (polled[1].revents != 0) {
    uint64_t count;
    (void)!::read(wake_.get(), &count, sizeof count);
  }
  if (polled[0].revents & (POLLIN | POLLHUP | POLLERR))
    if (!read_frames()) return false;
  return flush();
}

void LauncherClient::tell_refused() {
  std::vector<RunStatus> refused;
  {
    std::lock_guard lock{mutex_};
    refused.swap(refused_);
  }
  for (auto& status : refused)
    if (options_.events.ended) options_.events.ended(status);
}

bool LauncherClient::flush() {
  tell_refused();
  std::lock_guard lock{mutex_};
  return send_pending();
}

bool LauncherClient::read_frames() {
  char buffer[64u << 10];
  auto n = ::read(fd_.get(), buffer, sizeof buffer);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  frames_.add({buffer, static_cast<size_t>(n)});
  while (true) {
    Frame frame;
    auto more = frames_.next(frame);
    if (!more) {
      lose(more.error());
      pause(1s);  // nothing will change at once
      return false;
    }
    if (!*more) return true;
    if (!handle(frame)) {
      lose({Errc::unavailable, "the launcher is gone", "it sent something of no sense", ""});
      return false;
    }
  }
}

bool LauncherClient::handle(const Frame& frame) {
  auto& events = options_.events;
  Decoder in{frame.body};
  switch (frame.type) {
    case FrameType::snapshot: {
      bool last = in.number<uint8_t>() != 0;
      for (auto count = in.count(16); count > 0 && in.good(); --count)
        decode(in, snapshot_.emplace_back());
      if (!in.complete()) return false;
      if (!last) return true;
      for (auto& status : snapshot_) answered(status.key);
      if (events.connected) events.connected(std::exchange(snapshot_, {}));
      ask_again();
      told_lost_ = false;
      return true;
    }
    case FrameType::started:
    case FrameType::ended: {
      RunStatus status;
      decode(in, status);
      if (!in.complete()) return false;
      answered(status.key);
      auto& event = frame.type == FrameType::started ? events.started : events.ended;
      if (event) event(status);
      return true;
    }
    case FrameType::stuck: {
      RunStatus status;
      decode(in, status);
      if (in.complete() && events.stuck) events.stuck(status);
      return in.complete();
    }
    case FrameType::logged: {
      auto key = in.text();
      auto bytes = in.number<uint64_t>();
      if (in.complete() && events.logged) events.logged(key, bytes);
      return in.complete();
    }
    case FrameType::closing: {
      bool accepted = in.number<uint8_t>() != 0;
      Error error;
      decode(in, error);
      if (!in.complete()) return false;
      std::lock_guard lock{mutex_};
      closed_ = accepted;
      closing_ = accepted ? ok() : Result<void>{error};
      changed_.notify_all();
      return true;
    }
    default:
      return false;
  }
}

Result<void> LauncherClient::shutdown_launcher(bool force, Duration timeout) {
  {
    std::lock_guard lock{mutex_};
    if (ended_) return ok();
    closing_.reset();
  }
  Encoder body;
  body.number(static_cast<uint8_t>(force));
  queue(frame(FrameType::shutdown, body.bytes()));
  auto deadline = std::chrono::steady_clock::now() + timeout;
  std::unique_lock lock{mutex_};
  auto settled = [&] { return (closing_ && !*closing_) || ended_; };
  if (!changed_.wait_until(lock, deadline, settled))
    return Error{Errc::timed_out, "the launcher did not end",
                 fmt::format("waited {}", duration_text(timeout)), "is a process unkillable?"};
  return ended_ ? ok() : *closing_;
}

}  // namespace troupe::process
