#include "runtime/simulate/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace troupe::simulate {
namespace {

std::string_view take_line(std::string_view& rest) {
  auto end = std::min(rest.find('\n'), rest.size());
  auto line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> fields;
  for (size_t begin = 0;;) {
    auto end = std::min(line.find(',', begin), line.size());
    fields.push_back(line.substr(begin, end - begin));
    if (end == line.size()) return fields;
    begin = end + 1;
  }
}

}  // namespace

Result<Csv> Csv::open(std::string_view text, std::string_view name,
                      std::vector<std::string_view> columns) {
  Csv csv;
  csv.rest_ = text;
  csv.name_ = name;
  csv.columns_ = std::move(columns);
  auto header = split(take_line(csv.rest_));
  csv.line_ = 1;
  for (auto column : csv.columns_) {
    auto at = std::find(header.begin(), header.end(), column);
    if (at == header.end())
      return Error{Errc::invalid, fmt::format("{}: no column {}", name, column),
                   "the first line names the columns", "see `troupe help simulate` for the forms"};
    csv.at_.push_back(static_cast<size_t>(at - header.begin()));
  }
  return csv;
}

bool Csv::next() {
  while (!rest_.empty()) {
    auto line = take_line(rest_);
    ++line_;
    if (line.empty()) continue;
    auto all = split(line);
    fields_.clear();
    for (auto at : at_) fields_.push_back(at < all.size() ? all[at] : std::string_view{});
    return true;
  }
  return false;
}

Result<double> Csv::number(size_t i) const {
  double value = 0;
  auto text = fields_[i];
  auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc{} || end != text.data() + text.size() || !std::isfinite(value) || value < 0)
    return error(i, "a number of 0 or more");
  return value;
}

Error Csv::error(size_t i, std::string_view wants) const {
  return {Errc::invalid, fmt::format("{}, line {}: {} is not {}", name_, line_, columns_[i], wants),
          fmt::format("it says \"{}\"", fields_[i]), "correct the line"};
}

}  // namespace troupe::simulate
