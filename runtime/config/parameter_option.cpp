// parameter_node: the SPEC of --param NAME=SPEC.
#include "runtime/config/overrides.hpp"

#include <fmt/format.h>

#include <cctype>

namespace troupe::config {

namespace {

bool is_number(std::string_view text) {
  auto value = scalar_value(text);
  return value && value->is_number();
}

/// A number, or what people write where they mean one that there is not.
bool is_bound(std::string_view text) {
  if (is_number(text)) return true;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  std::string word;
  for (auto c : text) word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word == "inf" || word == "infinity" || word == "nan" || word.empty();
}

/// 'a' and "a" are the text a; quotes inside are doubled in the first form and have no escapes in
/// the second.
YamlNode plain_or_quoted(std::string_view text, const Place& place) {
  bool quoted = text.size() >= 2 && (text.front() == '\'' || text.front() == '"') &&
                text.back() == text.front();
  if (!quoted) return scalar_node(std::string{text}, place);
  std::string inner;
  char quote = text.front();
  text = text.substr(1, text.size() - 2);
  for (size_t i = 0; i < text.size(); ++i) {
    inner += text[i];
    if (text[i] == quote && i + 1 < text.size() && text[i + 1] == quote) ++i;
  }
  return scalar_node(std::move(inner), place, true);
}

/// Splits at commas outside quotes.
std::vector<std::string_view> split_choices(std::string_view text) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if ((c == '\'' || c == '"') && i == begin) {
      quote = c;
    } else if (c == ',') {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  parts.push_back(text.substr(begin));
  return parts;
}

/// MIN..MAX and what follows after colons; an empty list where the text is no range.
std::vector<std::string_view> split_range(std::string_view text) {
  auto dots = text.find("..");
  if (dots == std::string_view::npos) return {};
  auto end = text.find(':', dots);
  auto min = text.substr(0, dots);
  auto max = text.substr(dots + 2, end == std::string_view::npos ? end : end - dots - 2);
  // Where one end is a number the other is meant to be one: the reader says what it is instead.
  // 1..2.txt and ../2 are texts.
  bool plain = is_bound(min) && is_bound(max) && (is_number(min) || is_number(max));
  if (!plain) return {};
  std::vector<std::string_view> parts{min, max};
  while (end != std::string_view::npos) {
    auto next = text.find(':', end + 1);
    parts.push_back(text.substr(end + 1, next == std::string_view::npos ? next : next - end - 1));
    end = next;
  }
  return parts;
}

Result<YamlNode> range_node(const std::vector<std::string_view>& parts, const Place& place) {
  YamlNode range;
  range.kind = YamlNode::Kind::map;
  range.place = place;
  range.set("min", scalar_node(std::string{parts[0]}, place));
  range.set("max", scalar_node(std::string{parts[1]}, place));
  for (size_t i = 2; i < parts.size(); ++i) {
    auto part = parts[i];
    auto equals = part.find('=');
    auto key = part.substr(0, equals);
    if (part == "log" || part == "linear") {
      range.set("scale", scalar_node(std::string{part}, place));
    } else if (equals != std::string_view::npos && (key == "step" || key == "count")) {
      range.set(key, scalar_node(std::string{part.substr(equals + 1)}, place));
    } else {
      return Error{Errc::invalid, fmt::format("{}: a range has no \"{}\"", place.option, part), "",
                   "write MIN..MAX, then :log, :step=S or :count=N"};
    }
  }
  YamlNode parameter;
  parameter.kind = YamlNode::Kind::map;
  parameter.place = place;
  parameter.set("range", std::move(range));
  return parameter;
}

}  // namespace

Result<YamlNode> parameter_node(std::string_view spec, bool sweep, const Place& place) {
  if (!sweep) return plain_or_quoted(spec, place);
  if (auto range = split_range(spec); !range.empty()) return range_node(range, place);
  auto parts = split_choices(spec);
  if (parts.size() == 1) return plain_or_quoted(spec, place);
  YamlNode choices;
  choices.kind = YamlNode::Kind::list;
  choices.place = place;
  for (auto part : parts) choices.items.push_back(plain_or_quoted(part, place));
  return choices;
}

}  // namespace troupe::config
