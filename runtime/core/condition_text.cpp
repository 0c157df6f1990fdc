#include "runtime/core/condition_text.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace troupe {

namespace {

bool is_name_part(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
}

}  // namespace

std::string name_text(std::string_view name) {
  bool plain = !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
               name.front() != '.' && std::all_of(name.begin(), name.end(), is_name_part);
  for (auto word : {"and", "or", "not", "in", "true", "false", "null", "True", "False", "None"})
    plain = plain && name != word;
  return plain ? std::string{name} : fmt::format("`{}`", name);
}

std::string literal_text(const Value& value) {
  if (!value.is_string()) return json_text(value);
  std::string out = "\"";
  for (char c : value.as_string()) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

std::string all_of_text(const ValueMap& values) {
  std::string text;
  for (const auto& [name, value] : values) {
    if (!text.empty()) text += " and ";
    if (!value.is_list()) {
      text += fmt::format("{} == {}", name_text(name), literal_text(value));
      continue;
    }
    std::string choices;
    for (const auto& choice : value.as_list())
      choices += (choices.empty() ? "" : ", ") + literal_text(choice);
    text += fmt::format("{} in [{}]", name_text(name), choices);
  }
  return text;
}

std::string both_text(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return a + b;
  return fmt::format("({}) and ({})", a, b);
}

}  // namespace troupe
