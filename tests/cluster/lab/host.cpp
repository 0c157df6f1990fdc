#include "tests/cluster/lab/host.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace troupe::cluster {

namespace {

constexpr int namespaces = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS;

/// The first process of a host. A copy of the test program without its threads: it calls the kernel
/// and nothing else.
[[noreturn]] void be_init(const char* name, size_t name_size, int ready) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  bool good = ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
              ::mount("proc", "/proc", "proc", 0, nullptr) == 0 &&
              ::sethostname(name, name_size) == 0;
  char answer = good ? 'y' : 'n';
  (void)!::write(ready, &answer, 1);
  ::syscall(SYS_close_range, 3u, ~0u, 0u);
  while (true) {
    int number = 0;
    sigwait(&child, &number);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
}

bool enter(pid_t init) {
  // A thread that shares its folder with others may not change its mounts.
  if (::unshare(CLONE_FS) != 0) return false;
  UniqueFd fds[4];
  const char* names[] = {"pid", "net", "uts", "mnt"};
  for (size_t i = 0; i < 4; ++i)
    fds[i] = UniqueFd{
        ::open(fmt::format("/proc/{}/ns/{}", init, names[i]).c_str(), O_RDONLY | O_CLOEXEC)};
  for (auto& fd : fds)
    if (!fd || ::setns(fd.get(), 0) != 0) return false;
  return true;
}

}  // namespace

std::string run_command(const std::vector<std::string>& argv) {
  auto said =
      (std::filesystem::temp_directory_path() / ("troupe-lab-" + hex(random_bytes(8)))).string();
  Child child{argv, {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}, "/", said, said};
  auto code = child.wait(20s);
  auto text = read_file(said, 1u << 20);
  ::unlink(said.c_str());
  if (code == 0) return "";
  return fmt::format("{} ended with {}: {}", fmt::join(argv, " "), code, text ? *text : "");
}

Host::Host(std::string name) : name_{std::move(name)} {
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) return;
  UniqueFd read_end{ready[0]}, write_end{ready[1]};
  auto pid = static_cast<pid_t>(
      ::syscall(SYS_clone, namespaces | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (pid == 0) be_init(name_.data(), name_.size(), write_end.get());
  if (pid < 0) return;
  init_ = pid;
  write_end.reset();
  char answer = 'n';
  if (::read(read_end.get(), &answer, 1) != 1 || answer != 'y') end();
}

void Host::inside(const std::function<void()>& action) {
  bool entered = false;
  std::thread{[&] {
    entered = enter(init_);
    if (entered) action();
  }}.join();
  EXPECT_TRUE(entered) << "host " << name_ << " cannot be entered: " << std::strerror(errno);
}

Child Host::start(const std::vector<std::string>& argv, const std::vector<std::string>& env,
                  const std::string& cwd, const std::string& out_path,
                  const std::string& err_path) {
  Child child;
  inside([&] { child = Child{argv, env, cwd, out_path, err_path}; });
  return child;
}

std::string Host::run(const std::vector<std::string>& argv) {
  std::string said = "it is not running";
  if (running()) inside([&] { said = run_command(argv); });
  return said;
}

std::vector<pid_t> Host::processes() const {
  std::vector<pid_t> found;
  struct stat mine {};
  if (!running() || ::stat(fmt::format("/proc/{}/ns/pid", init_).c_str(), &mine) != 0) return found;
  std::error_code code;
  for (std::filesystem::directory_iterator it{"/proc", code}, end; !code && it != end;
       it.increment(code)) {
    auto pid = std::atoi(it->path().filename().c_str());
    struct stat theirs {};
    if (pid > 0 && pid != init_ && is_alive(pid) &&
        ::stat(fmt::format("/proc/{}/ns/pid", pid).c_str(), &theirs) == 0 &&
        theirs.st_ino == mine.st_ino)
      found.push_back(pid);
  }
  return found;
}

void Host::signal_all(int number) const {
  for (auto pid : processes()) ::kill(pid, number);
}

void Host::end() {
  if (init_ <= 0) return;
  auto last = processes();
  ::kill(init_, SIGKILL);
  EXPECT_TRUE(await([&] { return std::none_of(last.begin(), last.end(), is_alive); }, 20s));
  // The kernel lets it go when all of its processes are reaped, and some are children of ours that
  // somebody still holds.
  std::thread{[init = init_] {
    while (::waitpid(init, nullptr, 0) < 0 && errno == EINTR) {
    }
  }}.detach();
  init_ = -1;
}

}  // namespace troupe::cluster
