#include "runtime/process/spawn.hpp"

#include "runtime/process/process_tree.hpp"
#include "runtime/process/raw_syscall.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace troupe::process {
namespace {

enum class Step : int { none, mounts, folder, exec };

/// What a child reads, and the two words it writes.
struct Child {
  char* const* argv;
  char* const* env;
  const char* const* candidates;  // paths to try, ends with nullptr
  const char* cwd;                // may be nullptr
  int input, output, error;
  int groups[groups_max];  // what it enters; -1: nothing
  MountEntry mounts;
  int left;  // closes when it has left; -1: the parent waits by itself
  pid_t parent;
  rlimit open_files;
  rlimit tag;
  Step failed = Step::none;
  int number = 0;
  MountFailure mount_failure;
};

constexpr int first_free_fd = 3;  // behind the three streams

/// Runs in the launcher's memory, beside the launcher, on a stack of its own: bare system calls
/// only, and nothing may be written but `child`.
__attribute__((no_sanitize("address", "undefined", "thread"))) int child_main(void* argument) {
  auto& child = *static_cast<Child*>(argument);
  auto fail = [&](Step step, long number) {
    child.failed = step;
    child.number = static_cast<int>(-number);
    raw_syscall(SYS_exit_group, 127);
  };
  raw_syscall(SYS_setsid);
  raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (raw_syscall(SYS_getppid) != child.parent)
    raw_syscall(SYS_exit_group, 127);  // it died before that
  // First of all that takes time: nothing that comes of it is to be outside. Where a group takes
  // nobody in, it runs without that limit, as it does where there are no groups.
  for (int group : child.groups)
    if (group >= 0) raw_syscall(SYS_write, group, "0", 1);
  if (child.mounts.calls != nullptr && !enter_mounts(child.mounts, child.mount_failure))
    fail(Step::mounts, 0);
  raw_syscall(SYS_dup3, child.input, 0, 0);
  raw_syscall(SYS_dup3, child.output, 1, 0);
  raw_syscall(SYS_dup3, child.error, 2, 0);
  // Copies of the launcher's descriptors: an exec that takes long must not keep them open.
  if (child.left >= 0) {
    raw_syscall(SYS_dup3, child.left, first_free_fd, O_CLOEXEC);
    raw_syscall(SYS_close_range, first_free_fd + 1, ~0u, 0);
  }
  if (child.cwd != nullptr)
    if (auto entered = raw_syscall(SYS_chdir, child.cwd); entered < 0) fail(Step::folder, entered);
  if (child.open_files.rlim_max != 0)
    raw_syscall(SYS_prlimit64, 0, static_cast<int>(RLIMIT_NOFILE), &child.open_files, nullptr);
  if (child.tag.rlim_max != 0)
    raw_syscall(SYS_prlimit64, 0, static_cast<int>(tag_limit), &child.tag, nullptr);
  uint64_t no_signals = 0;
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, sizeof no_signals);
  long worst = -ENOENT;
  for (auto* path = child.candidates; *path != nullptr; ++path) {
    auto number = raw_syscall(SYS_execve, *path, child.argv, child.env);
    // As a shell looks: a file that may not be run hides no later one that may.
    if (number == -EACCES) {
      worst = -EACCES;
    } else if (number != -ENOENT && number != -ENOTDIR) {
      worst = number;
      break;
    }
  }
  fail(Step::exec, worst);
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

/// The stack of a child: a few frames of its own. Below it lies a page that nobody may touch.
constexpr size_t stack_bytes = 32u << 10;

size_t guard_bytes() {
  static const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return page;
}

/// Kept for the next ones: more than that at once are a large gang, which is rare.
constexpr size_t spare_max = 16;

}  // namespace

/// All that one child uses, for as long as it does.
struct Spawn::Memory {
  ~Memory() {
    if (stack != MAP_FAILED) ::munmap(stack, guard_bytes() + stack_bytes);
  }
  Result<void> prepare(SpawnPlan plan);

  void* stack = MAP_FAILED;
  ProcessSpec process;
  const MountPlan* mounts = nullptr;
  std::string marker;
  std::vector<std::string> paths;
  std::vector<char*> argv, env, candidates;
  Child child{};
};

Result<void> Spawn::Memory::prepare(SpawnPlan plan) {
  if (stack == MAP_FAILED) {
    stack = ::mmap(nullptr, guard_bytes() + stack_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED || ::mprotect(stack, guard_bytes(), PROT_NONE) != 0)
      return errno_error(errno, "no memory for another process");
  }
  process = std::move(plan.process);
  marker = fmt::format("{}={}", run_marker_name, plan.marker);
  argv = pointers(process.argv);
  argv.push_back(nullptr);
  env = pointers(process.env);
  env.push_back(marker.data());
  env.push_back(nullptr);
  paths = candidates_of(process);
  candidates = pointers(paths);
  candidates.push_back(nullptr);
  child = {};
  child.argv = argv.data();
  child.env = env.data();
  child.candidates = candidates.data();
  child.cwd = process.cwd.empty() ? nullptr : process.cwd.c_str();
  child.input = plan.input;
  child.output = plan.output;
  child.error = plan.error;
  for (size_t i = 0; i < groups_max; ++i)
    child.groups[i] = plan.groups == nullptr ? -1 : (*plan.groups)[i].get();
  mounts = plan.mounts == nullptr ? nullptr : plan.mounts->plan.get();
  if (mounts != nullptr) child.mounts = entry_of(*plan.mounts);
  child.left = -1;
  return ok();
}

Spawn::Spawn(std::unique_ptr<Memory> memory, pid_t pid, UniqueFd left)
    : memory_{std::move(memory)}, pid_{pid}, left_{std::move(left)} {}

Spawn::Spawn(Spawn&&) noexcept = default;

Spawn::~Spawn() {
  if (memory_) await();
}

void Spawn::await() {
  char nothing;
  while (left_ && ::read(left_.get(), &nothing, 1) < 0 && errno == EINTR) {
  }
}

bool Spawn::has_left() const {
  pollfd polled{left_.get(), POLLIN, 0};
  return !left_ || ::poll(&polled, 1, 0) > 0;
}

Spawner::Spawner(uint64_t open_files_max) : parent_{::getpid()}, open_files_max_{open_files_max} {}

Spawner::~Spawner() = default;

Result<Spawn> Spawner::begin(SpawnPlan plan) {
  std::unique_ptr<Spawn::Memory> memory;
  if (spare_.empty()) {
    memory = std::make_unique<Spawn::Memory>();
  } else {
    memory = std::move(spare_.back());
    spare_.pop_back();
  }
  auto tag = plan.tag;
  TROUPE_TRY(memory->prepare(std::move(plan)));
  auto& child = memory->child;
  if (tag == 0 || ::getrlimit(tag_limit, &child.tag) != 0 || child.tag.rlim_max < tag)
    child.tag = {};
  else
    child.tag.rlim_cur = tag;
  child.parent = parent_;
  if (open_files_max_ != 0 && ::getrlimit(RLIMIT_NOFILE, &child.open_files) == 0)
    child.open_files.rlim_cur = open_files_max_;
  UniqueFd left, write_end;
  int flags = CLONE_VM | SIGCHLD;
  if constexpr (TROUPE_RAW_SYSCALLS) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
      return errno_error(errno, fmt::format("command cannot be run: {}", memory->process.argv[0]),
                         "too many processes for the launcher's file limit (ulimit -n)?");
    left.reset(ends[0]);
    write_end.reset(ends[1]);
    child.left = write_end.get();
  } else {
    flags |= CLONE_VFORK;
  }
  auto* top = static_cast<char*>(memory->stack) + guard_bytes() + stack_bytes;
  auto pid = ::clone(child_main, top, flags, &child);
  if (pid < 0)
    return errno_error(errno, fmt::format("command cannot be run: {}", memory->process.argv[0]),
                       "too many processes on this node?");
  return Spawn{std::move(memory), pid, std::move(left)};
}

std::optional<Error> Spawner::finish(Spawn spawn) {
  spawn.await();
  auto memory = std::move(spawn.memory_);
  std::optional<Error> error;
  if (memory->child.failed == Step::folder)
    error = errno_error(memory->child.number, fmt::format("working directory cannot be entered: {}",
                                                          memory->process.cwd));
  else if (memory->child.failed == Step::mounts && memory->child.mount_failure.code != 0)
    error =
        memory->mounts->error(memory->child.mount_failure.number, memory->child.mount_failure.code);
  else if (memory->child.failed == Step::exec)
    error = exec_error(memory->process, memory->child.number);
  if (spare_.size() < spare_max) spare_.push_back(std::move(memory));
  return error;
}

}  // namespace troupe::process
