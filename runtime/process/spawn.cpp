#include "runtime/process/spawn.hpp"

#include "runtime/core/log.hpp"
#include "runtime/process/process_tree.hpp"
#include "runtime/process/raw_syscall.hpp"
#include "runtime/process/spawn_child.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::process {
namespace {

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

/// A bit for each number; the kernel reads whole words.
std::vector<uint64_t> bits_of(const std::vector<uint32_t>& numbers) {
  constexpr uint32_t word = 64;
  std::vector<uint64_t> bits;
  for (auto number : numbers) {
    if (bits.size() <= number / word) bits.resize(number / word + 1, 0);
    bits[number / word] |= uint64_t{1} << number % word;
  }
  return bits;
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
  /// Takes the process out of it.
  void prepare(SpawnPlan& plan);

  void* stack = MAP_FAILED;
  ProcessSpec process;
  const MountPlan* mounts = nullptr;
  std::string marker;
  std::vector<std::string> paths;
  std::vector<char*> argv, env, candidates;
  std::vector<uint64_t> cpus, memory;
  GroupDoors doors;  // of one made beforehand: open until it has entered
  SpawnChild child;
  ProcessStamp stamp;  // of one made beforehand
};

void Spawn::Memory::prepare(SpawnPlan& plan) {
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
  child.argv = argv.data();
  child.env = env.data();
  child.candidates = candidates.data();
  child.cwd = process.cwd.empty() ? nullptr : process.cwd.c_str();
  cpus = bits_of(process.cpus);
  memory = bits_of(process.memory);
  child.cpus = cpus.empty() ? nullptr : cpus.data();
  child.cpus_bytes = cpus.size() * sizeof cpus[0];
  child.memory = memory.empty() ? nullptr : memory.data();
  child.memory_bits = memory.size() * sizeof memory[0] * 8 + 1;  // it takes one less than is said
  child.input = plan.input;
  child.output = plan.output;
  child.error = plan.error;
  mounts = plan.mounts == nullptr ? nullptr : plan.mounts->plan.get();
  child.mounts = mounts == nullptr ? MountEntry{} : entry_of(*plan.mounts);
  child.left = -1;
}

Spawn::Spawn(std::unique_ptr<Memory> memory, const ProcessStamp& stamp, UniqueFd left)
    : memory_{std::move(memory)}, stamp_{stamp}, left_{std::move(left)} {}

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

Spawner::~Spawner() {
  for (auto& [pid, memory] : parked_) {
    ::kill(pid, SIGKILL);
    siginfo_t taken{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &taken, WEXITED) != 0 && errno == EINTR) {
    }
  }
}

Result<Spawner::Memory> Spawner::memory() {
  if (!spare_.empty()) {
    auto memory = std::move(spare_.back());
    spare_.pop_back();
    memory->child = {};
    return memory;
  }
  auto memory = std::make_unique<Spawn::Memory>();
  memory->stack = ::mmap(nullptr, guard_bytes() + stack_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory->stack == MAP_FAILED || ::mprotect(memory->stack, guard_bytes(), PROT_NONE) != 0)
    return errno_error(errno, "no memory for another process");
  return memory;
}

void Spawner::keep(Memory memory) {
  if (spare_.size() < spare_max) spare_.push_back(std::move(memory));
}

Result<ProcessStamp> Spawner::clone(Spawn::Memory& memory, int flags) {
  memory.child.parent = parent_;
  auto* top = static_cast<char*>(memory.stack) + guard_bytes() + stack_bytes;
  auto before = boot_ticks();
  auto pid = ::clone(spawn_child_main, top, flags, &memory.child);
  if (pid < 0) return errno_error(errno, "", "too many processes on this node?");
  return ProcessStamp{pid, before, boot_ticks()};
}

pid_t Spawner::park(GroupDoors groups) {
  if (!TROUPE_RAW_SYSCALLS) return 0;
  auto memory = this->memory();
  if (!memory) return 0;
  auto& kept = **memory;
  kept.doors = std::move(groups);
  kept.child.seat = Seat::entering;
  for (size_t i = 0; i < groups_max; ++i) kept.child.groups[i] = kept.doors[i].get();
  auto stamp = clone(kept, CLONE_VM | CLONE_FILES | SIGCHLD);
  if (!stamp) return 0;
  kept.stamp = *stamp;
  parked_.emplace(stamp->pid, std::move(*memory));
  return stamp->pid;
}

void Spawner::discard(pid_t parked) {
  if (parked_.contains(parked)) ::kill(parked, SIGKILL);
}

bool Spawner::waits(pid_t parked) const {
  auto found = parked_.find(parked);
  return found != parked_.end() && seat_now(found->second->child.seat) == Seat::waiting;
}

bool Spawner::parked(pid_t pid) const {
  return parked_.contains(pid);
}

void Spawner::died(pid_t pid) {
  parked_.erase(pid);
}

bool Spawner::wake(Spawn::Memory& memory, pid_t pid) {
  auto& seat = memory.child.seat;
  if (!change_seat(seat, Seat::waiting, Seat::called)) return false;
  tell_seat(seat);
  constexpr timespec look_after{0, 2'000'000};
  constexpr int looks_max = 50;  // then it is stopped, or the machine all but is
  for (int look = 0; look < looks_max && seat_now(seat) == Seat::called; ++look) {
    await_seat(seat, Seat::called, &look_after);
    siginfo_t dead{};
    if (::waitid(P_PID, static_cast<id_t>(pid), &dead, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        dead.si_pid != 0)
      break;
  }
  return !change_seat(seat, Seat::called, Seat::given_up);
}

Result<Spawn> Spawner::begin(SpawnPlan plan) {
  auto cannot_run = [name = plan.process.argv[0]](Error error) {
    error.what = fmt::format("command cannot be run: {}", name);
    return error;
  };
  auto prepare = [&](Spawn::Memory& memory, UniqueFd& left, UniqueFd& write_end) -> Result<void> {
    auto& child = memory.child;
    if (plan.tag != 0 && ::getrlimit(tag_limit, &child.tag) == 0 && child.tag.rlim_max >= plan.tag)
      child.tag.rlim_cur = plan.tag;
    else
      child.tag = {};
    if (open_files_max_ != 0 && ::getrlimit(RLIMIT_NOFILE, &child.open_files) == 0)
      child.open_files.rlim_cur = open_files_max_;
    if constexpr (TROUPE_RAW_SYSCALLS) {
      int ends[2];
      if (::pipe2(ends, O_CLOEXEC) != 0)
        return cannot_run(errno_error(
            errno, "", "too many processes for the launcher's file limit (ulimit -n)?"));
      left.reset(ends[0]);
      write_end.reset(ends[1]);
    }
    memory.prepare(plan);
    child.left = write_end.get();
    return ok();
  };
  UniqueFd left, write_end;
  if (waits(plan.parked)) {
    auto parked = parked_.find(plan.parked);
    auto& memory = *parked->second;
    memory.doors = {};
    TROUPE_TRY(prepare(memory, left, write_end));
    if (wake(memory, plan.parked)) {
      Spawn spawn{std::move(parked->second), memory.stamp, std::move(left)};
      parked_.erase(parked);
      return spawn;
    }
    plan.process = std::move(memory.process);
  }
  discard(plan.parked);
  auto memory = this->memory();
  if (!memory) return std::move(memory).error();
  GroupDoors doors;
  if (plan.limits != nullptr) {
    if (auto opened = plan.limits->doors(); opened)
      doors = std::move(*opened);
    else
      log::warning("launcher", "{}: {}", plan.marker, to_string(opened.error()));
  }
  for (size_t i = 0; i < groups_max; ++i) (*memory)->child.groups[i] = doors[i].get();
  TROUPE_TRY(prepare(**memory, left, write_end));
  auto stamp = clone(**memory, CLONE_VM | SIGCHLD | (TROUPE_RAW_SYSCALLS ? 0 : CLONE_VFORK));
  if (!stamp) return cannot_run(std::move(stamp).error());
  return Spawn{std::move(*memory), *stamp, std::move(left)};
}

std::optional<Error> Spawner::finish(Spawn spawn) {
  spawn.await();
  auto memory = std::move(spawn.memory_);
  std::optional<Error> error;
  if (memory->child.failed == SpawnStep::folder)
    error = errno_error(memory->child.number, fmt::format("working directory cannot be entered: {}",
                                                          memory->process.cwd));
  else if (memory->child.failed == SpawnStep::mounts && memory->child.mount_failure.code != 0)
    error =
        memory->mounts->error(memory->child.mount_failure.number, memory->child.mount_failure.code);
  else if (memory->child.failed == SpawnStep::exec)
    error = exec_error(memory->process, memory->child.number);
  keep(std::move(memory));
  return error;
}

}  // namespace troupe::process
