#include "runtime/process/launcher_main.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/log.hpp"
#include "runtime/process/launcher_server.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace troupe::process {
namespace {

/// Jobs inherit what we have here; so everything is put right once instead of in every child.
void reset_signals() {
  // Not sigaction(): it leaves out the two numbers that the C library keeps for itself, and what
  // started us may have left those ignored.
  struct {
    void (*handler)(int) = SIG_DFL;
    unsigned long flags = 0;
    void (*restorer)() = nullptr;
    uint64_t mask = 0;
  } action;
  for (int number = 1; number < NSIG; ++number)
    ::syscall(SYS_rt_sigaction, number, &action, nullptr, sizeof action.mask);
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

/// Two pipes a rank: takes all files the hard limit allows. Returns the limit jobs shall have.
uint64_t raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return 0;
  auto before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? before : 0;
}

void redirect_streams(const std::string& dir) {
  UniqueFd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  UniqueFd log{
      ::open((dir + "/launcher.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
  auto out = log ? log.get() : null.get();
  ::dup2(null.get(), 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
}

/// The folder's name for its processes: drawn once, kept.
Result<std::string> folder_name(const std::string& dir) {
  auto path = dir + "/launcher.id";
  if (auto text = read_file(path, 64); text && text->size() == 32) return *text;
  auto name = hex(random_bytes(16));
  TROUPE_TRY(replace_file(path, name, 0600));
  return name;
}

Result<int> serve(const LauncherConfig& config, UniqueFd lock, UniqueFd dir,
                  uint64_t open_files_max) {
  auto name = folder_name(config.dir);
  if (!name) return std::move(name).error();
  auto journal = Journal::open(config.dir + "/launcher.journal");
  if (!journal) return std::move(journal).error();
  auto listener = listen_in(dir.get());
  if (!listener) return std::move(listener).error();
  LauncherServer server{config, std::move(lock), std::move(*listener), std::move(*journal),
                        *name,  open_files_max};
  return server.run();
}

int complain(const Error& error) {
  auto text = to_string(error) + "\n";
  (void)!::write(2, text.data(), text.size());
  return 1;
}

}  // namespace

int launcher_main(const LauncherConfig& given) {
  auto config = given;
  config.dir = std::filesystem::absolute(given.dir).string();
  reset_signals();
  ::syscall(SYS_close_range, 3u, ~0u, 0u);
  if (auto made = make_dirs(config.dir, 0700); !made) return complain(made.error());
  auto dir = open_file(config.dir, O_RDONLY | O_DIRECTORY);
  if (!dir) return complain(dir.error());
  auto lock = open_file(config.dir + "/launcher.lock", O_RDWR | O_CREAT, 0600);
  if (!lock) return complain(lock.error());
  if (::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) {
    complain({Errc::conflict, "no second launcher", config.dir + " has one already", ""});
    return 5;
  }
  if (config.detach) {
    auto pid = ::fork();
    if (pid < 0) return complain(errno_error(errno, "the launcher could not go to the background"));
    if (pid > 0) ::_exit(0);
    ::setsid();
    redirect_streams(config.dir);
  }
  (void)!::ftruncate(lock->get(), 0);
  (void)write_all(lock->get(), fmt::format("{}\n", ::getpid()));
  (void)!::chdir("/");
  ::prctl(PR_SET_NAME, "troupe-launcher");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  auto open_files_max = raise_open_files();
  // The loop has a thread of its own, and this one only waits for it: orphans are reparented here,
  // ranks are children of the loop, and so the kernel keeps the two apart for us
  // (process_tree.hpp).
  int code = 1;
  std::thread loop{[&] {
    auto served = serve(config, std::move(*lock), std::move(*dir), open_files_max);
    code = served ? *served : complain(served.error());
  }};
  loop.join();
  return code;
}

}  // namespace troupe::process
