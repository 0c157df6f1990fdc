#include "runtime/process/spawn.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <sched.h>
#include <string_view>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::process {
namespace {

enum class Step : int { none, folder, exec };

struct Child {
  char* const* argv;
  char* const* env;
  const char* const* candidates;  // paths to try, ends with nullptr
  const char* cwd;                // may be nullptr
  int input, output, error;
  pid_t parent;
  rlimit open_files;
  Step failed = Step::none;
  int number = 0;
};

/// Raw system calls only: this runs in the launcher's memory, on a stack of its own, and nothing of
/// the launcher may change but `child`. Sanitizers would trip over the borrowed stack.
__attribute__((no_sanitize("address", "undefined"))) int child_main(void* argument) {
  auto& child = *static_cast<Child*>(argument);
  ::syscall(SYS_setsid);
  ::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::syscall(SYS_getppid) != child.parent) ::syscall(SYS_exit_group, 127);  // died before that
  auto fail = [&](Step step) {
    child.failed = step;
    child.number = errno;
    ::syscall(SYS_exit_group, 127);
  };
  ::syscall(SYS_dup3, child.input, 0, 0);
  ::syscall(SYS_dup3, child.output, 1, 0);
  ::syscall(SYS_dup3, child.error, 2, 0);
  if (child.cwd != nullptr && ::syscall(SYS_chdir, child.cwd) != 0) fail(Step::folder);
  if (child.open_files.rlim_max != 0)
    ::syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &child.open_files, nullptr);
  uint64_t no_signals = 0;
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, sizeof no_signals);
  int worst = ENOENT;
  for (auto* path = child.candidates; *path != nullptr; ++path) {
    ::syscall(SYS_execve, *path, child.argv, child.env);
    // As a shell looks: a file that may not be run hides no later one that may.
    if (errno == EACCES) {
      worst = EACCES;
    } else if (errno != ENOENT && errno != ENOTDIR) {
      worst = errno;
      break;
    }
  }
  errno = worst;
  fail(Step::exec);
  return 127;
}

std::vector<std::string> candidates_of(const ProcessSpec& process) {
  auto& name = process.argv[0];
  if (name.find('/') != std::string::npos) return {name};
  std::string_view path = "/usr/local/bin:/usr/bin:/bin";  // where the environment names none
  for (auto& variable : process.env)
    if (variable.starts_with("PATH=")) path = std::string_view{variable}.substr(5);
  std::vector<std::string> candidates;
  while (true) {
    auto colon = path.find(':');
    auto folder = path.substr(0, colon);
    candidates.push_back(folder.empty() ? name : fmt::format("{}/{}", folder, name));
    if (colon == std::string_view::npos) return candidates;
    path.remove_prefix(colon + 1);
  }
}

Error exec_error(const ProcessSpec& process, int number) {
  auto& name = process.argv[0];
  auto reason = errno_error(number, "").detail;
  bool plain = name.find('/') == std::string::npos;
  switch (number) {
    case ENOENT:
      if (plain)
        return {Errc::failed, fmt::format("command not found: {}", name),
                "no folder of PATH has it", "check the spelling, or install it on the node"};
      return {Errc::failed, fmt::format("command not found: {}", name),
              "there is no such file, or the interpreter in its first line is not there",
              "check the path; the working directory is the copy of your code"};
    case EACCES:
      return {Errc::failed, fmt::format("command cannot be run: {}", name), reason,
              "is it executable? (chmod +x)"};
    case ENOEXEC:
      return {Errc::failed, fmt::format("command cannot be run: {}", name), reason,
              "a script needs a first line such as #!/bin/sh"};
    case E2BIG:
      return {Errc::failed, fmt::format("command cannot be run: {}", name), reason,
              "pass long values in files instead of arguments or variables"};
    default:
      return {Errc::failed, fmt::format("command cannot be run: {}", name), reason, ""};
  }
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  list.reserve(texts.size() + 2);
  for (auto& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  return list;
}

}  // namespace

Result<pid_t> spawn_process(const SpawnPlan& plan) {
  auto& process = *plan.process;
  auto marker = fmt::format("{}={}", run_marker_name, plan.marker);
  auto argv = pointers(process.argv);
  argv.push_back(nullptr);
  auto env = pointers(process.env);
  env.push_back(marker.data());
  env.push_back(nullptr);
  auto paths = candidates_of(process);
  auto candidates = pointers(paths);
  candidates.push_back(nullptr);

  Child child{};
  child.argv = argv.data();
  child.env = env.data();
  child.candidates = candidates.data();
  child.cwd = process.cwd.empty() ? nullptr : process.cwd.c_str();
  child.input = plan.input;
  child.output = plan.output;
  child.error = plan.error;
  child.parent = ::getpid();
  if (plan.open_files_max != 0 && ::getrlimit(RLIMIT_NOFILE, &child.open_files) == 0)
    child.open_files.rlim_cur = plan.open_files_max;

  // We stand still until the child has left this stack, so one is enough.
  alignas(16) static std::array<char, 64u << 10> stack;
  auto pid =
      ::clone(child_main, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
  if (pid < 0)
    return errno_error(errno, fmt::format("command cannot be run: {}", process.argv[0]),
                       "too many processes on this node?");
  if (child.failed == Step::none) return pid;
  ::waitpid(pid, nullptr, 0);
  if (child.failed == Step::folder)
    return errno_error(child.number,
                       fmt::format("working directory cannot be entered: {}", process.cwd));
  return exec_error(process, child.number);
}

}  // namespace troupe::process
