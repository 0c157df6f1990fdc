// {{name}} in commands and environment values: finding them, and putting values in their place.
// Pure.
//
// In a shell line a value becomes part of exactly one word, whatever it holds: outside quotes it is
// quoted, inside quotes it is escaped for them. Where that cannot be told for sure (here-documents,
// backquotes, arithmetic, ${...}, right after a backslash or "$") a placeholder is an error. A line
// that hands text on to another interpreter (sh -c, python -c) has to quote for that one itself.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/spec.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct Placeholder {
  size_t begin = 0;  // offset of "{{"
  size_t end = 0;    // after "}}"
  std::string name;
};

/// All placeholders of a text, in order. Spaces inside the braces are allowed; "{{" without "}}" or
/// with a name that cannot be one is an error.
Result<std::vector<Placeholder>> find_placeholders(std::string_view text);

/// The names a command uses, in order, with repeats. Also an error where one stands in a shell line
/// at a place that cannot be filled safely.
Result<std::vector<std::string>> placeholder_names(const Command& command);

/// The command with each placeholder replaced. One without a parameter is an error with a
/// suggestion.
Result<Command> fill_placeholders(const Command& command,
                                  const std::map<std::string, Value>& params);

/// The same for a text that no shell reads: values are put in as they are.
Result<std::string> fill_text(std::string_view text, const std::map<std::string, Value>& params);

/// The error for a placeholder that has no parameter of its name.
Error unknown_placeholder(std::string_view name, const std::vector<std::string>& known);

}  // namespace troupe
