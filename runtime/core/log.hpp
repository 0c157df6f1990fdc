// Our own log: one line an entry on standard error, "time level component text key=value ...". Safe
// from any thread; bounded in line length; never blocks on anything but the write itself.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace troupe::log {

enum class Level { debug, info, warning, error };

/// The least level that is written; `warning` at the start. Also set by
/// TROUPE_LOG=debug|info|warning|error.
void set_level(Level level);
Level level();

/// Where lines go; standard error (2) at the start.
void set_output(int fd);

void write(Level level, std::string_view component, std::string_view text);

template <class... Args>
void debug(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::debug)
    write(Level::debug, component, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::info)
    write(Level::info, component, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::warning)
    write(Level::warning, component, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, component, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace troupe::log
