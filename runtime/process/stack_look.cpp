#include "runtime/process/stack_look.hpp"

#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <mutex>
#include <spawn.h>
#include <string_view>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace troupe::process {

namespace {

constexpr size_t output_max = 64u << 10;
constexpr size_t names_max = 12, line_max = 400;
/// From where on outwards all are alike.
constexpr std::array<std::string_view, 5> begin_of_programs{
    "PyEval_EvalCode", "Py_RunMain", "__libc_start_call_main", "__libc_start_main", "_start"};

class RunningLook final : public StackLook {
 public:
  explicit RunningLook(pid_t pid) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    UniqueFd out{ends[0]}, in{ends[1]};
    auto number = fmt::to_string(pid);
    std::array<const char*, 7> argv{"eu-stack", "-1", "-n", "64", "-p", number.c_str(), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, in.get(), 1);
    ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    auto failed = ::posix_spawnp(&looker_, argv[0], &actions, nullptr,
                                 const_cast<char* const*>(argv.data()), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
      looker_ = 0;
      return;
    }
    thread_ = std::thread{[this, fd = std::move(out)] { read(fd.get()); }};
  }
  ~RunningLook() override {
    if (looker_ == 0) return;
    // Reaped here alone, so the number is still its own.
    ::kill(looker_, SIGKILL);
    thread_.join();
    while (::waitpid(looker_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  RunningLook(const RunningLook&) = delete;
  RunningLook& operator=(const RunningLook&) = delete;

  std::string text() const override {
    std::lock_guard lock{mutex_};
    return text_;
  }

 private:
  void read(int fd) {
    std::string written;
    std::array<char, 4096> bytes;
    while (written.size() < output_max) {
      auto n = ::read(fd, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      written.append(bytes.data(), static_cast<size_t>(n));
    }
    auto line = stack_line(written);
    std::lock_guard lock{mutex_};
    text_ = std::move(line);
  }

  pid_t looker_ = 0;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::string text_;
};

}  // namespace

/// Lines such as "#4  0x00007f1c8d0f1d74 clock_nanosleep@@GLIBC_2.17".
std::string stack_line(const std::string& written) {
  std::string line;
  std::string_view rest = written, before;
  for (size_t names = 0; !rest.empty() && names < names_max && line.size() < line_max;) {
    auto frame = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), frame.size() + 1));
    auto address = frame.find("0x");
    if (!frame.starts_with('#') || address == std::string_view::npos) continue;
    auto space = frame.find(' ', address);
    if (space == std::string_view::npos) continue;
    auto name = frame.substr(space + 1);
    name = name.substr(0, name.find('@'));
    while (name.starts_with(' ')) name.remove_prefix(1);
    if (std::find(begin_of_programs.begin(), begin_of_programs.end(), name) !=
        begin_of_programs.end())
      break;
    // An interpreter calls itself over and over.
    if (name.empty() || name == before) continue;
    before = name;
    line += fmt::format("{}{}", line.empty() ? "" : " < ", name);
    ++names;
  }
  if (line.size() > line_max) line.resize(line_max);
  return line;
}

std::unique_ptr<StackLook> look_at_stack(pid_t pid) {
  return std::make_unique<RunningLook>(pid);
}

}  // namespace troupe::process
