#include "runtime/core/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

// A longer word is no typing error of anything we know, and the table grows with the product.
constexpr size_t word_bytes_max = 100;

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

}  // namespace

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> steps(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) steps[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) steps[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i)
    for (size_t j = 1; j <= b.size(); ++j) {
      auto change = steps[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      auto best = std::min({change, steps[i - 1][j] + 1, steps[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        best = std::min(best, steps[i - 2][j - 2] + 1);
      steps[i][j] = best;
    }
  return steps[a.size()][b.size()];
}

std::string closest_word(std::string_view word, const std::vector<std::string>& known) {
  if (word.empty() || word.size() > word_bytes_max) return {};
  auto wanted = lower(word);
  size_t best = word.size() <= 3 ? 1 : word.size() <= 6 ? 2 : 3;
  const std::string* found = nullptr;
  for (const auto& candidate : known) {
    if (candidate.empty() || candidate.size() > word_bytes_max) continue;
    auto distance = edit_distance(wanted, lower(candidate));
    // All of a short word may be within reach: something of it must stay.
    if (distance >= candidate.size()) continue;
    if (distance < best || (distance == best && found == nullptr)) {
      best = distance;
      found = &candidate;
    }
  }
  return found == nullptr ? std::string{} : *found;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  if (auto close = closest_word(word, known); !close.empty())
    return fmt::format("did you mean `{}`?", close);
  if (known.empty()) return {};
  std::string list;
  for (size_t i = 0; i < known.size() && i < 10; ++i) list += (i == 0 ? "" : ", ") + known[i];
  return fmt::format("one of: {}{}", list, known.size() > 10 ? ", ..." : "");
}

}  // namespace troupe
