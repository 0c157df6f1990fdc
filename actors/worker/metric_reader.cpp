#include "actors/worker/metric_reader.hpp"

#include "runtime/core/clock.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <optional>

namespace troupe::actors {

namespace {

constexpr size_t name_bytes_max = 200;

/// A number, or one of the three strings for what JSON cannot hold.
std::optional<double> number_of(const Value& value) {
  if (value.is_number()) return value.as_number();
  if (value.is_bool()) return value.as_bool() ? 1 : 0;
  if (!value.is_string()) return std::nullopt;
  if (value.as_string() == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (value.as_string() == "Infinity") return std::numeric_limits<double>::infinity();
  if (value.as_string() == "-Infinity") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

/// Python's json writes NaN, Infinity and -Infinity bare, which is no JSON; quote them outside of
/// strings.
std::string with_quoted_constants(std::string_view line) {
  std::string text;
  bool in_string = false;
  for (size_t i = 0; i < line.size(); ++i) {
    char c = line[i];
    if (in_string) {
      text += c;
      if (c == '\\' && i + 1 < line.size())
        text += line[++i];
      else if (c == '"')
        in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    bool replaced = false;
    for (std::string_view word : {"-Infinity", "Infinity", "NaN"})
      if (line.substr(i, word.size()) == word) {
        text += '"';
        text += word;
        text += '"';
        i += word.size() - 1;
        replaced = true;
        break;
      }
    if (!replaced) text += c;
  }
  return text;
}

std::optional<Value> object_of(std::string_view line) {
  auto value = parse_json(line, {limits::metric_line_bytes_max, 8});
  if (!value && (line.find("NaN") != std::string_view::npos ||
                 line.find("Infinity") != std::string_view::npos))
    value = parse_json(with_quoted_constants(line), {2 * limits::metric_line_bytes_max, 8});
  if (!value || !value->is_map()) return std::nullopt;
  return std::move(*value);
}

bool reserved(std::string_view name) {
  return name == "step" || name == "time" || name == "rank";
}

int64_t time_of(const Value& object, int64_t otherwise) {
  const auto* time = object.find("time");
  if (time == nullptr || !time->is_number()) return otherwise;
  auto seconds = time->as_number();
  if (!(seconds > 0) || seconds > 4e9) return otherwise;
  return static_cast<int64_t>(seconds * 1e6);
}

/// The form with "metric" and "value": one point.
std::optional<WirePoint> single_point(const Value& object, double step, int64_t time_us) {
  const auto* metric = object.find("metric");
  const auto* value = object.find("value");
  if (metric == nullptr || value == nullptr || !metric->is_string()) return std::nullopt;
  auto number = number_of(*value);
  if (!number || metric->as_string().empty() || metric->as_string().size() > name_bytes_max)
    return std::nullopt;
  for (const char* key : {"step", "epoch"})
    if (const auto* given = object.find(key); given != nullptr && given->is_number()) {
      step = given->as_number();
      break;
    }
  return WirePoint{metric->as_string(), {step}, {*number}, time_of(object, time_us), 0};
}

/// All points of one object; none where it is not of either form.
std::vector<WirePoint> points_of(const Value& object, double step, int64_t time_us) {
  if (auto single = single_point(object, step, time_us)) return {*single};
  if (const auto* given = object.find("step"); given != nullptr && given->is_number())
    step = given->as_number();
  auto time = time_of(object, time_us);
  std::vector<WirePoint> points;
  for (const auto& [name, value] : object.as_map()) {
    if (reserved(name) || name.empty() || name.size() > name_bytes_max) continue;
    if (auto number = number_of(value)) points.push_back({name, {step}, {*number}, time, 0});
  }
  return points;
}

}  // namespace

MetricScan scan_metric_file(std::string_view bytes, uint64_t offset, uint64_t& line, int64_t now_us,
                            bool final) {
  MetricScan scan;
  while (scan.consumed < bytes.size()) {
    auto rest = bytes.substr(scan.consumed);
    auto newline = rest.find('\n');
    if (newline == std::string_view::npos) {
      // A line that never ends must not be read again for ever.
      if (!final && rest.size() <= limits::metric_line_bytes_max) break;
      newline = rest.size();
    }
    auto text = rest.substr(0, newline);
    scan.consumed += std::min(newline + 1, rest.size());
    ++line;
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto object = object_of(text);
    auto points =
        object ? points_of(*object, static_cast<double>(line), now_us) : std::vector<WirePoint>{};
    if (points.empty()) ++scan.bad_lines;
    for (auto& point : points) {
      point.end = offset + scan.consumed;
      scan.points.push_back(std::move(point));
    }
  }
  return scan;
}

MetricScan scan_log(std::string_view records, uint64_t offset, uint32_t rank) {
  MetricScan scan;
  const auto prefix = fmt::format(" {}o F {{", rank);
  while (scan.consumed < records.size()) {
    auto rest = records.substr(scan.consumed);
    auto newline = rest.find('\n');
    if (newline == std::string_view::npos) break;
    auto record = rest.substr(0, newline);
    scan.consumed += newline + 1;
    auto space = record.find(' ');
    if (space == std::string_view::npos || record.substr(space, prefix.size()) != prefix) continue;
    auto text = record.substr(space + prefix.size() - 1);
    if (text.find("\"metric\"") == std::string_view::npos) continue;
    auto object = object_of(text);
    auto stamp = parse_rfc3339(record.substr(0, space));
    auto now_us = stamp ? stamp->us : 0;
    auto point = object ? single_point(*object, std::numeric_limits<double>::quiet_NaN(), now_us)
                        : std::nullopt;
    if (!point) {
      ++scan.bad_lines;
      continue;
    }
    point->end = offset + scan.consumed;
    scan.points.push_back(std::move(*point));
  }
  return scan;
}

}  // namespace troupe::actors
