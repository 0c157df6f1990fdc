#include "runtime/core/checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <tuple>

namespace troupe {

namespace {

constexpr size_t name_bytes_max = 255;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Of text as it stands in JSON and in manifests.
bool is_plain_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x20 || lead == 0x7f) return false;
    size_t length = lead < 0x80                   ? 1
                    : lead >= 0xc2 && lead < 0xe0 ? 2
                    : lead >= 0xe0 && lead < 0xf0 ? 3
                    : lead >= 0xf0 && lead < 0xf5 ? 4
                                                  : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (size_t k = 1; k < length; ++k)
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    i += length;
  }
  return true;
}

auto order_of(const CheckpointMark& mark) {
  return std::tie(mark.epoch, mark.made, mark.name);
}

}  // namespace

bool is_checkpoint_name(std::string_view name) {
  if (name.empty() || name.size() > name_bytes_max || name.starts_with('.') || !is_plain_utf8(name))
    return false;
  if (name == "tmp") return false;
  for (std::string_view begin : {"tmp-", "tmp_", "tmp."})
    if (name.starts_with(begin)) return false;
  for (std::string_view end : {".tmp", ".temp", ".part", ".partial", "~"})
    if (name.ends_with(end)) return false;
  return name.find(".tmp.") == std::string_view::npos;
}

std::optional<uint64_t> checkpoint_step(std::string_view name) {
  auto last = name.size();
  while (last > 0 && !is_digit(name[last - 1])) --last;
  auto first = last;
  while (first > 0 && is_digit(name[first - 1])) --first;
  uint64_t step = 0;
  auto [end, code] = std::from_chars(name.data() + first, name.data() + last, step);
  if (first == last || code != std::errc{}) return std::nullopt;
  return step;
}

std::string checkpoints_name(ExperimentId id) {
  return to_string(id) + "/checkpoints";
}

bool is_from(const CheckpointMark& mark, const std::string& node) {
  return mark.node == node ||
         std::any_of(mark.parts.begin(), mark.parts.end(),
                     [&](const CheckpointPart& part) { return part.node == node; });
}

std::string nodes_text(const CheckpointMark& mark) {
  auto text = mark.node;
  for (const auto& part : mark.parts) text += ", " + part.node;
  return text;
}

bool is_newer(const CheckpointMark& a, const CheckpointMark& b) {
  return order_of(a) > order_of(b);
}

bool is_same(const CheckpointMark& a, const CheckpointMark& b) {
  return order_of(a) == order_of(b);
}

std::vector<size_t> checkpoints_to_keep(const std::vector<CheckpointMark>& marks, uint32_t last,
                                        uint32_t best, bool maximize) {
  std::vector<size_t> by_age(marks.size());
  std::iota(by_age.begin(), by_age.end(), size_t{0});
  std::sort(by_age.begin(), by_age.end(),
            [&](size_t a, size_t b) { return is_newer(marks[a], marks[b]); });
  std::vector<size_t> valued;
  for (auto i : by_age)
    if (marks[i].value && !std::isnan(*marks[i].value)) valued.push_back(i);
  std::stable_sort(valued.begin(), valued.end(), [&](size_t a, size_t b) {
    return maximize ? *marks[a].value > *marks[b].value : *marks[a].value < *marks[b].value;
  });
  std::vector<size_t> keep(
      by_age.begin(),
      by_age.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(last, by_age.size())));
  for (size_t i = 0; i < std::min<size_t>(best, valued.size()); ++i) keep.push_back(valued[i]);
  std::sort(keep.begin(), keep.end());
  keep.erase(std::unique(keep.begin(), keep.end()), keep.end());
  return keep;
}

}  // namespace troupe
