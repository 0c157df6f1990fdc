#include "storage/dataset/fuse_process.hpp"

#include "runtime/core/fd.hpp"
#include "storage/dataset/fuse_server.hpp"
#include "storage/dataset/mount.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace troupe::dataset {

namespace {

// Requests of more readers at once wait for each other's copies, which take microseconds.
constexpr unsigned threads_max = 8;
constexpr size_t complaint_bytes_max = 4096;

/// Standard streams of the process: nothing, nothing, and the pipe for complaints.
struct SpawnPlan {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  explicit SpawnPlan(int complaints) {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    ::posix_spawn_file_actions_adddup2(&actions, 0, 1);
    ::posix_spawn_file_actions_adddup2(&actions, complaints, 2);
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes,
                               POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
};

std::string complaint_from(int fd) {
  std::string text(complaint_bytes_max, '\0');
  size_t size = 0;
  while (size < text.size()) {
    auto got = ::read(fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

int complain(const Error& error) {
  fmt::print(stderr, "{}\n", to_string(error));
  return 1;
}

}  // namespace

Result<void> mount_by_process(std::vector<std::string> program, const std::string& folder,
                              const std::string& target) {
  auto what = fmt::format("{} cannot be mounted by fuse", target);
  program.push_back(folder);
  program.push_back(target);
  std::vector<char*> argv;
  for (auto& word : program) argv.push_back(word.data());
  argv.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, what);
  UniqueFd complaints{ends[0]}, theirs{ends[1]};
  SpawnPlan plan{theirs.get()};
  pid_t pid = 0;
  auto number =
      ::posix_spawnp(&pid, argv[0], &plan.actions, &plan.attributes, argv.data(), environ);
  if (number != 0) return errno_error(number, what);
  theirs.reset();
  auto complaint = complaint_from(complaints.get());
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ok();
  if (complaint.empty()) complaint = fmt::format("{} ended with status {}", argv[0], status);
  return Error{Errc::unavailable, what, complaint, "use another way to mount"};
}

int serve_files(const std::string& folder, const std::string& target) {
  auto file = SealedFile::open(folder);
  if (!file) return complain(file.error());
  // It ends with its mount: jobs that read would be worse off with a signal obeyed.
  for (int ignored : {SIGHUP, SIGINT, SIGTERM}) ::signal(ignored, SIG_IGN);
  auto server = FuseServer::mount(std::move(*file), target);
  if (!server) return complain(server.error());
  auto pid = ::fork();
  if (pid < 0) {
    (void)unmount_files(target, true);
    return complain(errno_error(errno, "the files cannot be served in the background"));
  }
  if (pid > 0) ::_exit(0);
  ::setsid();
  (void)::dup2(0, 2);   // who started us reads to the end of what was complained of
  (void)!::chdir("/");  // it must not hold the folder that it was started in
  ::prctl(PR_SET_NAME, "troupe-files");
  auto served = server->serve(std::clamp(std::thread::hardware_concurrency(), 2u, threads_max));
  if (!served) (void)unmount_files(target, true);
  return served ? 0 : 1;
}

bool is_dead_mount(const std::string& path) {
  struct statfs info {};  // attributes are in the kernel's memory; this is asked for each time
  return ::statfs(path.c_str(), &info) != 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

}  // namespace troupe::dataset
