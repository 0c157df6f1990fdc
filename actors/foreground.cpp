#include "actors/foreground.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

namespace troupe::actors {

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

int complain(const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what.c_str());
  if (!error.detail.empty()) std::fprintf(stderr, "  %s\n", error.detail.c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "hint: %s\n", error.hint.c_str());
  switch (error.code) {
    case Errc::unauthenticated:
      return 4;
    case Errc::conflict:
    case Errc::refused:
      return 5;
    case Errc::unavailable:
      return 6;
    default:
      return 1;
  }
}

Result<UniqueFd> lock_folder(const std::string& dir, const std::string& name, const Error& taken) {
  TROUPE_TRY(make_dirs(dir, 0700));
  auto lock = open_file(dir + "/" + name + ".lock", O_RDWR | O_CREAT, 0600);
  if (!lock) return std::move(lock).error();
  if (::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) return taken;
  return lock;
}

Result<UniqueFd> lock_head(const std::string& dir, const std::string& taken) {
  auto url = read_file(dir + "/up.url", 4096);
  return lock_folder(
      dir, "up",
      Error{Errc::conflict, taken, url ? "it serves " + *url : "another process holds its lock",
            "use it, stop it first, or give another folder with --dir"});
}

StopSignals::StopSignals() {
  sigemptyset(&set_);
  sigaddset(&set_, SIGINT);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

void StopSignals::wait() const {
  int number = 0;
  sigwait(&set_, &number);
}

bool StopSignals::came_within(std::chrono::seconds limit) const {
  timespec left{};
  left.tv_sec = limit.count();
  return ::sigtimedwait(&set_, nullptr, &left) > 0;
}

void StopSignals::end_after(std::chrono::seconds limit) const {
  std::thread{[set = set_, limit] {
    timespec left{};
    left.tv_sec = limit.count();
    // Interrupted is neither: a leak checker stops all threads at the end, for one.
    while (::sigtimedwait(&set, nullptr, &left) < 0 && errno == EINTR) {
    }
    std::_Exit(130);
  }}.detach();
}

int run_foreground(const StopSignals& signals, const Foreground& program) {
  if (auto started = program.start(); !started) {
    auto code = complain(started.error());
    program.stop(false);
    return code;
  }
  for (const auto& line : program.greeting()) say(line);
  signals.wait();
  say(program.farewell);
  signals.end_after(program.stop_limit);
  program.stop(true);
  say("stopped");
  return 0;
}

}  // namespace troupe::actors
