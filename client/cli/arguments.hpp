// Command line words into a verb, its options and arguments. Pure: no I/O.
#pragma once

#include "client/cli/verbs.hpp"
#include "runtime/core/result.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::cli {

struct Arguments {
  const Verb* verb = nullptr;  // null: nothing but global options were given
  std::map<std::string, std::vector<std::string>, std::less<>> options;
  std::vector<std::string> arguments;
  std::optional<std::vector<std::string>> command;  // what followed "--"

  bool has(std::string_view option) const { return options.find(option) != options.end(); }
  /// The last value given, or empty.
  std::string get(std::string_view option) const;
  std::vector<std::string> all(std::string_view option) const;
  /// A whole number from `min` to `max`; absent where it was not given.
  Result<std::optional<uint64_t>> number(std::string_view option, uint64_t min, uint64_t max) const;
};

/// Every error is a usage error (exit 2).
Result<Arguments> parse_arguments(const std::vector<std::string>& words);

/// "run [OPTIONS] [-- CMD...]", for messages.
std::string usage_line(const Verb& verb);

}  // namespace troupe::cli
