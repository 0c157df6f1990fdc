#include "runtime/core/ids.hpp"

#include "runtime/core/split.hpp"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <optional>

namespace troupe {

namespace {

constexpr size_t selector_ids_max = 100'000;

Error bad_id(std::string_view text, std::string detail) {
  return Error{Errc::invalid, fmt::format("\"{}\" is not an id", text), std::move(detail),
               "ids look like 42, 42.7, 42.7.worker.0, 42.1-5 or last"};
}

std::optional<uint64_t> whole_number(std::string_view text) {
  uint64_t number = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
  return number;
}

/// "3", "1-5" or "1,3,5-8" as numbers, all at least 1 and at most `limit`.
Result<std::vector<uint64_t>> number_set(std::string_view whole, std::string_view text,
                                         uint64_t limit) {
  std::vector<uint64_t> numbers;
  for (auto part : split(text, ',')) {
    auto dash = part.find('-');
    auto first = whole_number(part.substr(0, dash));
    auto last = dash == std::string_view::npos ? first : whole_number(part.substr(dash + 1));
    if (!first || !last)
      return bad_id(whole, fmt::format("\"{}\" is no number and no range", part));
    if (*first == 0) return bad_id(whole, "numbers begin at 1");
    if (*last > limit) return bad_id(whole, fmt::format("{} is larger than any id", *last));
    if (*first > *last) return bad_id(whole, fmt::format("range {} runs backwards", part));
    if (*last - *first >= selector_ids_max || numbers.size() + (*last - *first) >= selector_ids_max)
      return bad_id(whole, fmt::format("it names more than {} ids", selector_ids_max));
    for (auto n = *first; n <= *last; ++n) numbers.push_back(n);
  }
  return numbers;
}

bool is_role(std::string_view text) {
  if (text.empty()) return false;
  for (char c : text)
    if (!((c >= 'a' && c <= 'z') || c == '_')) return false;
  return true;
}

}  // namespace

std::string to_string(ExperimentId id) {
  return id.member == 0 ? fmt::to_string(id.top) : fmt::format("{}.{}", id.top, id.member);
}

std::string to_string(const JobId& id) {
  return fmt::format("{}.{}.{}", to_string(id.experiment), id.role, id.index);
}

Result<ExperimentId> parse_experiment_id(std::string_view text) {
  auto selector = parse_selector(text);
  if (!selector) return std::move(selector).error();
  if (selector->experiments.size() != 1) return bad_id(text, "one id is needed here, not several");
  if (!selector->role.empty()) return bad_id(text, "an experiment is needed here, not a job");
  return selector->experiments.front();
}

Result<JobId> parse_job_id(std::string_view text) {
  auto selector = parse_selector(text);
  if (!selector) return std::move(selector).error();
  if (selector->experiments.size() != 1 || selector->role.empty() || selector->job_index < 0)
    return bad_id(text, "a job is needed here, as 42.worker.0");
  return JobId{selector->experiments.front(), selector->role,
               static_cast<uint32_t>(selector->job_index)};
}

Result<Selector> parse_selector(std::string_view text) {
  Selector selector;
  auto parts = split(text, '.');
  auto tops = number_set(text, parts[0], std::numeric_limits<int64_t>::max());
  if (!tops) return std::move(tops).error();
  size_t next = 1;
  if (next < parts.size() && !is_role(parts[next])) {
    if (tops->size() != 1) return bad_id(text, "members of one set at a time");
    auto members = number_set(text, parts[next], std::numeric_limits<uint32_t>::max());
    if (!members) return std::move(members).error();
    for (auto member : *members)
      selector.experiments.push_back({tops->front(), static_cast<uint32_t>(member)});
    ++next;
  } else {
    for (auto top : *tops) selector.experiments.push_back({top, 0});
  }
  if (next < parts.size()) {
    if (!is_role(parts[next])) return bad_id(text, fmt::format("\"{}\" is no role", parts[next]));
    selector.role = parts[next++];
    if (next < parts.size()) {
      auto index = whole_number(parts[next]);
      if (!index || *index > 1'000'000)
        return bad_id(text, fmt::format("\"{}\" is no job number", parts[next]));
      selector.job_index = static_cast<int64_t>(*index);
      ++next;
    }
  }
  if (next < parts.size()) return bad_id(text, "it has too many parts");
  return selector;
}

}  // namespace troupe
