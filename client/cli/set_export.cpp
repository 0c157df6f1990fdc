#include "client/cli/set_export.hpp"

#include "client/cli/session.hpp"
#include "client/cli/set_study.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace troupe::cli {

namespace {

constexpr std::array known_columns{"id",      "member",  "state",    "reason",   "error",
                                   "stopped", "created", "queued",   "started",  "ended",
                                   "seconds", "node",    "attempts", "exit_code"};

Value field_of(const Value& map, std::string_view key) {
  const auto* value = map.find(key);
  return value == nullptr ? Value{} : *value;
}

Value text_or_null(std::string text) {
  return text.empty() ? Value{} : Value{std::move(text)};
}

/// The time it ran, by its record.
Value seconds_of(const Value& member) {
  auto from = parse_rfc3339(text_of(member, "started"));
  auto to = parse_rfc3339(text_of(member, "ended"));
  if (!from || !to || !*from || !*to) return {};
  return static_cast<double>(to->us - from->us) / 1e6;
}

/// Where it ran: of a gang all nodes.
Value nodes_of(const Value& member) {
  std::vector<std::string> nodes;
  for (const auto& job : list_of(member, "jobs"))
    if (auto node = text_of(job, "node");
        !node.empty() && std::find(nodes.begin(), nodes.end(), node) == nodes.end())
      nodes.push_back(node);
  std::string text;
  for (const auto& node : nodes) text += (text.empty() ? "" : " ") + node;
  return text_or_null(text);
}

/// A metric's number: JSON has NaN and infinities only as texts.
Value number_value(const Value& map, std::string_view key) {
  const auto* value = map.find(key);
  if (value == nullptr || value->is_null()) return {};
  return value->is_int() ? *value : Value{number_of(value)};
}

void add_name(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

std::string csv_value(const Value& value) {
  if (value.is_double() && !std::isfinite(value.as_number()))
    return std::isnan(value.as_number()) ? "nan" : value.as_number() > 0 ? "inf" : "-inf";
  return csv_field(value.to_text());
}

std::string json_value(const Value& value) {
  if (value.is_double() && std::isnan(value.as_number())) return "null";
  if (value.is_double() && std::isinf(value.as_number()))
    return value.as_number() > 0 ? "1e999" : "-1e999";
  return json_text(value);
}

}  // namespace

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string{text};
  std::string out = "\"";
  for (auto c : text) out += c == '"' ? std::string{"\"\""} : std::string{c};
  return out + "\"";
}

SetTable::SetTable(const Value& set) {
  for (const auto& parameter : list_of(set, "parameters"))
    params_.push_back(text_of(parameter, "name"));
}

void SetTable::add(const Value& member) {
  Row row;
  auto id = parse_experiment_id(text_of(member, "id"));
  auto error = field_of(member, "error");
  row.known = {text_of(member, "id"),
               id ? Value{static_cast<int64_t>(id->member)} : Value{},
               text_of(member, "state"),
               text_or_null(text_of(member, "reason")),
               text_or_null(text_of(error, "message")),
               text_or_null(text_of(member, "stopped")),
               field_of(member, "created"),
               field_of(member, "queued"),
               field_of(member, "started"),
               field_of(member, "ended"),
               seconds_of(member),
               nodes_of(member),
               static_cast<int64_t>(list_of(member, "attempts").size()),
               field_of(member, "exit_code")};
  row.params = map_of(member, "params");
  row.last = map_of(field_of(member, "metrics"), "last");
  row.best = map_of(member, "best");
  for (const auto& [name, value] : row.params) add_name(params_, name);
  for (const auto& [name, value] : row.last)
    if (auto at = std::lower_bound(metrics_.begin(), metrics_.end(), name);
        at == metrics_.end() || *at != name)
      metrics_.insert(at, name);
  rows_.push_back(std::move(row));
}

std::vector<std::string> SetTable::columns() const {
  std::vector<std::string> names(known_columns.begin(), known_columns.end());
  for (const auto& name : params_) names.push_back("param." + name);
  for (const auto& name : metrics_)
    for (const auto* which : {"last.", "min.", "max."}) names.push_back(which + name);
  return names;
}

std::vector<Value> SetTable::cells(const Row& row) const {
  auto cells = row.known;
  const Value params = row.params, last = row.last, best = row.best;
  for (const auto& name : params_) cells.push_back(field_of(params, name));
  for (const auto& name : metrics_) {
    auto ends = field_of(best, name);
    cells.push_back(number_value(last, name));
    cells.push_back(number_value(ends, "min"));
    cells.push_back(number_value(ends, "max"));
  }
  return cells;
}

std::string SetTable::csv() const {
  std::string text;
  auto names = columns();
  for (size_t i = 0; i < names.size(); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ",", csv_field(names[i]));
  text += "\r\n";
  for (const auto& row : rows_) {
    auto values = cells(row);
    for (size_t i = 0; i < values.size(); ++i)
      text += fmt::format("{}{}", i == 0 ? "" : ",", csv_value(values[i]));
    text += "\r\n";
  }
  return text;
}

std::string SetTable::json() const {
  auto names = columns();
  for (auto& name : names) name = json_text(Value{name});
  std::string text = "[";
  for (const auto& row : rows_) {
    text += text.size() == 1 ? "\n{" : ",\n{";
    auto values = cells(row);
    for (size_t i = 0; i < values.size(); ++i)
      text += fmt::format("{}{}:{}", i == 0 ? "" : ",", names[i], json_value(values[i]));
    text += "}";
  }
  return text + "\n]\n";
}

}  // namespace troupe::cli
