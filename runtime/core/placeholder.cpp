#include "runtime/core/placeholder.hpp"

#include "runtime/core/shell_context.hpp"
#include "runtime/core/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

constexpr const char* literal_hint =
    "a parameter's name is letters, digits, '_', '-' and '.'; to write two braces themselves, "
    "put quotes between them: {'{'";

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Enough of a text to recognise it in a message.
std::string excerpt(std::string_view text) {
  return text.size() <= 40 ? std::string{text} : std::string{text.substr(0, 37)} + "...";
}

std::vector<ShellContext> contexts_of(std::string_view line,
                                      const std::vector<Placeholder>& placeholders) {
  std::vector<size_t> offsets;
  for (const auto& placeholder : placeholders) offsets.push_back(placeholder.begin);
  return shell_contexts(line, offsets);
}

Error unsafe_place(std::string_view name) {
  return Error{
      Errc::invalid, fmt::format("{{{{{}}}}} stands where a value cannot be put safely", name),
      "inside or after a here-document, backquotes, $((...)) or ${...}, or right after '\\' or '$'",
      fmt::format("set it in env ({}: \"{{{{{}}}}}\") and use the variable in the command", "NAME",
                  name)};
}

const Value* lookup(const std::map<std::string, Value>& params, const std::string& name) {
  auto it = params.find(name);
  return it == params.end() ? nullptr : &it->second;
}

Error unknown_among(std::string_view name, const std::map<std::string, Value>& params) {
  std::vector<std::string> known;
  for (const auto& [key, value] : params) known.push_back(key);
  return unknown_placeholder(name, known);
}

std::string single_quoted(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out;
}

std::string double_quoted(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (std::string_view{"\\\"$`"}.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

/// `next` is the byte after the placeholder.
std::string as_word(const std::string& value, char next) {
  auto quoted = shell_quote(value);
  // "A=1" unquoted may be an assignment, and the 2 of "2>file" names a stream.
  bool force = value.find('=') != std::string::npos || next == '>' || next == '<';
  return quoted == value && force ? "'" + value + "'" : quoted;
}

std::string for_shell(const std::string& value, ShellContext context, char next) {
  switch (context) {
    case ShellContext::word:
      return as_word(value, next);
    case ShellContext::single_quoted:
      return single_quoted(value);
    case ShellContext::double_quoted:
      return double_quoted(value);
    case ShellContext::comment: {
      auto line = value;
      std::replace(line.begin(), line.end(), '\n', ' ');  // it would end the comment
      return line;
    }
    case ShellContext::unsafe:
      break;
  }
  return {};
}

Result<std::string> fill_shell(const std::string& line,
                               const std::map<std::string, Value>& params) {
  auto placeholders = find_placeholders(line);
  if (!placeholders) return std::move(placeholders).error();
  auto contexts = contexts_of(line, *placeholders);
  std::string out;
  size_t copied = 0;
  for (size_t i = 0; i < placeholders->size(); ++i) {
    const auto& placeholder = (*placeholders)[i];
    const auto* value = lookup(params, placeholder.name);
    if (value == nullptr) return unknown_among(placeholder.name, params);
    if (contexts[i] == ShellContext::unsafe) return unsafe_place(placeholder.name);
    auto text = value->to_text();
    if (text.find('\0') != std::string::npos)
      return Error{Errc::invalid,
                   fmt::format("the value of {} cannot be part of a command", placeholder.name),
                   "it holds a NUL byte", "leave the NUL byte out"};
    char next = placeholder.end < line.size() ? line[placeholder.end] : '\0';
    out.append(line, copied, placeholder.begin - copied);
    out += for_shell(text, contexts[i], next);
    copied = placeholder.end;
  }
  return out + line.substr(copied);
}

}  // namespace

Result<std::vector<Placeholder>> find_placeholders(std::string_view text) {
  std::vector<Placeholder> found;
  size_t at = 0;
  while ((at = text.find("{{", at)) != std::string_view::npos) {
    auto close = text.find("}}", at + 2);
    if (close == std::string_view::npos)
      return Error{Errc::invalid,
                   fmt::format("\"{}\" has {{{{ without }}}}", excerpt(text.substr(at))), "",
                   literal_hint};
    auto name = trim(text.substr(at + 2, close - at - 2));
    if (!is_parameter_name(name))
      return Error{Errc::invalid, fmt::format("{{{{{}}}}} is no placeholder", excerpt(name)),
                   name.empty() ? "the name is missing" : "that cannot be a parameter's name",
                   literal_hint};
    found.push_back({at, close + 2, std::string{name}});
    at = close + 2;
  }
  return found;
}

Result<std::vector<std::string>> placeholder_names(const Command& command) {
  std::vector<std::string> names;
  auto collect = [&](const std::string& text, bool shell) -> Result<void> {
    auto placeholders = find_placeholders(text);
    if (!placeholders) return std::move(placeholders).error();
    auto contexts = shell ? contexts_of(text, *placeholders) : std::vector<ShellContext>{};
    for (size_t i = 0; i < placeholders->size(); ++i) {
      if (shell && contexts[i] == ShellContext::unsafe)
        return unsafe_place((*placeholders)[i].name);
      names.push_back((*placeholders)[i].name);
    }
    return ok();
  };
  TROUPE_TRY(collect(command.shell, true));
  for (const auto& word : command.argv) TROUPE_TRY(collect(word, false));
  return names;
}

Result<Command> fill_placeholders(const Command& command,
                                  const std::map<std::string, Value>& params) {
  Command filled;
  auto shell = fill_shell(command.shell, params);
  if (!shell) return std::move(shell).error();
  filled.shell = std::move(*shell);
  for (const auto& word : command.argv) {
    auto text = fill_text(word, params);
    if (!text) return std::move(text).error();
    filled.argv.push_back(std::move(*text));
  }
  return filled;
}

Result<std::string> fill_text(std::string_view text, const std::map<std::string, Value>& params) {
  auto placeholders = find_placeholders(text);
  if (!placeholders) return std::move(placeholders).error();
  std::string out;
  size_t copied = 0;
  for (const auto& placeholder : *placeholders) {
    const auto* value = lookup(params, placeholder.name);
    if (value == nullptr) return unknown_among(placeholder.name, params);
    out += text.substr(copied, placeholder.begin - copied);
    out += value->to_text();
    copied = placeholder.end;
  }
  out += text.substr(copied);
  return out;
}

Error unknown_placeholder(std::string_view name, const std::vector<std::string>& known) {
  auto hint = suggestion(name, known);
  if (hint.empty())
    hint = fmt::format("add {} to parameters, or pass --param {}=VALUE", name, name);
  return Error{Errc::invalid, fmt::format("no parameter is called {}", name),
               fmt::format("the placeholder {{{{{}}}}} has nothing to be replaced by", name), hint};
}

}  // namespace troupe
