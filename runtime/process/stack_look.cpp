#include "runtime/process/stack_look.hpp"

#include "runtime/core/started_program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <mutex>
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
    auto program = start_program({"eu-stack", "-1", "-n", "64", "-p", fmt::to_string(pid)});
    looker_ = program.pid;
    if (looker_ != 0)
      thread_ = std::thread{[this, fd = std::move(program.output)] { read(fd.get()); }};
  }
  ~RunningLook() override {
    {
      std::lock_guard lock{mutex_};
      if (looker_ != 0) ::kill(looker_, SIGKILL);
    }
    if (thread_.joinable()) thread_.join();
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
    // Under the lock, so that nobody else means another process by its number.
    std::lock_guard lock{mutex_};
    ::kill(looker_, SIGKILL);  // it has said all, or too much
    while (::waitpid(looker_, nullptr, 0) < 0 && errno == EINTR) {
    }
    looker_ = 0;
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
