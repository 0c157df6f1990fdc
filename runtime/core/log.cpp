#include "runtime/core/log.hpp"

#include "runtime/core/clock.hpp"

#include <atomic>
#include <cstdlib>
#include <unistd.h>

namespace troupe::log {

namespace {

constexpr size_t line_bytes_max =
    4096;  // longer ones are cut: a log entry is no place for payloads

Level initial_level() {
  const char* text = std::getenv("TROUPE_LOG");
  if (text == nullptr) return Level::warning;
  std::string_view name{text};
  if (name == "debug") return Level::debug;
  if (name == "info") return Level::info;
  if (name == "error") return Level::error;
  return Level::warning;
}

std::atomic<Level>& current() {
  static std::atomic<Level> level{initial_level()};
  return level;
}

std::atomic<int> output{2};

}  // namespace

void set_level(Level value) {
  current() = value;
}
Level level() {
  return current();
}
void set_output(int fd) {
  output = fd;
}

void write(Level at, std::string_view component, std::string_view text) {
  if (at < level()) return;
  constexpr std::string_view names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
  SystemClock clock;
  auto line = fmt::format("{} {:5} {} {}", rfc3339(clock.now()), names[static_cast<int>(at)],
                          component, text);
  for (char& c : line)  // one entry, one line, whatever was in the text
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  if (line.size() > line_bytes_max) line.resize(line_bytes_max);
  line += '\n';
  auto written = ::write(output, line.data(), line.size());
  (void)written;  // nowhere to report that the log is gone
}

}  // namespace troupe::log
