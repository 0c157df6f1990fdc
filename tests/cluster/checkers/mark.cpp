// What jobs of histories run: `mark HISTORY MILLISECONDS [CPUS [CODE]]` says when it begins, that
// it lives, and that it ends (history.hpp), and writes numbered lines on the way. It appends with
// one write each, so that many may share the file; kills it is told of only by its silence.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace {

// Often enough that two attempts that overlap by more are seen.
constexpr long beat_ms = 20;

int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string variable(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) return 2;
  int history = ::open(words[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (history < 0) return 3;
  auto milli_cpus = count > 3 ? static_cast<long>(std::atof(words[3]) * 1000) : 1000;
  auto code = count > 4 ? std::atoi(words[4]) : 0;
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  auto who = "\",\"job\":\"" + variable("TROUPE_JOB", "") +
             "\",\"attempt\":" + variable("TROUPE_ATTEMPT", "0") +
             ",\"rank\":" + variable("RANK", "0") + ",\"node\":\"" + host +
             "\",\"pid\":" + std::to_string(::getpid()) + ",\"cpus\":" + std::to_string(milli_cpus);
  auto say = [&](const char* what, const std::string& more) {
    auto line = std::string{"{\"what\":\""} + what + who + ",\"at\":" + std::to_string(now_ns()) +
                more + "}\n";
    (void)!::write(history, line.data(), line.size());
  };
  say("begin", "");
  long lines = 0;
  // By its own steps, not by the clock: one that was stopped for a while goes on where it was.
  for (long rest = std::atol(words[2]); rest > 0; rest -= beat_ms) {
    auto line = "line " + std::to_string(++lines) + "\n";
    (void)!::write(1, line.data(), line.size());
    timespec pause{0, beat_ms * 1'000'000};
    // tidy: allow sleep: a job takes its time
    ::nanosleep(&pause, nullptr);
    say("alive", "");
  }
  say("end", ",\"lines\":" + std::to_string(lines) + ",\"code\":" + std::to_string(code));
  return code;
}
