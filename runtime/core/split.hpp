// Text in parts.
#pragma once

#include <string_view>
#include <vector>

namespace troupe {

/// What stands between the separators: one part more than there are of them. The parts are views of
/// `text`.
inline std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

}  // namespace troupe
