// Where in a POSIX shell line a byte stands: a plain word, inside quotes, or somewhere a value
// cannot be put safely. Decides how a placeholder's value is quoted. Pure.
//
// This reads the line as the shell does as far as quoting goes, and says `unsafe` wherever the two
// might disagree (here-documents, backquotes, arithmetic, ${...}): refusing is the safe answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace troupe {

enum class ShellContext : uint8_t {
  word,           // outside quotes
  single_quoted,  // '...'
  double_quoted,  // "..."
  comment,        // # to the end of the line
  unsafe,         // nothing can be put here for sure
};

/// The context of each of these offsets, which must rise.
std::vector<ShellContext> shell_contexts(std::string_view line, const std::vector<size_t>& offsets);

}  // namespace troupe
