#include "client/cli/arguments.hpp"

#include "runtime/core/suggest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

namespace troupe::cli {

namespace {

Error usage_error(const Verb* verb, std::string what, std::string hint = {}) {
  if (hint.empty() && verb != nullptr) hint = fmt::format("see `troupe help {}`", verb->name);
  if (hint.empty()) hint = "see `troupe help`";
  auto detail = verb == nullptr ? std::string{} : "usage: troupe " + usage_line(*verb);
  return {Errc::invalid, std::move(what), std::move(detail), std::move(hint)};
}

Error unknown_option(const Verb* verb, std::string_view name) {
  std::vector<std::string> known;
  auto add = [&](std::span<const Option> options) {
    for (const auto& option : options) known.emplace_back(option.name);
  };
  if (verb != nullptr)
    for (auto group : verb->options) add(group);
  add(global_options());
  auto near = name.size() > 1 ? closest_word(name, known) : "";
  auto what = fmt::format("unknown option {}{}", name.size() > 1 ? "--" : "-", name);
  return usage_error(verb, what, near.empty() ? "" : fmt::format("did you mean --{}?", near));
}

Error unknown_verb(std::string_view word, const std::vector<std::string>& second) {
  if (is_later_verb(word))
    return {Errc::invalid, fmt::format("`troupe {}` is not in this version", word), "",
            "see `troupe help` for what is"};
  std::vector<std::string> known;
  std::vector<std::string> below;
  for (const auto& verb : verbs()) {
    if (verb.hidden) continue;
    auto space = verb.name.find(' ');
    known.emplace_back(verb.name.substr(0, space));
    if (space != std::string_view::npos && verb.name.substr(0, space) == word)
      below.push_back(fmt::format("troupe {}", verb.name));
  }
  if (!below.empty()) {
    auto what = second.empty() ? fmt::format("`troupe {}` wants to know what", word)
                               : fmt::format("unknown command `troupe {} {}`", word, second[0]);
    return {Errc::invalid, what, "", fmt::format("try {}", fmt::join(below, ", "))};
  }
  auto near = closest_word(word, known);
  return {Errc::invalid, fmt::format("unknown command `{}`", word), "",
          near.empty() ? "see `troupe help`" : fmt::format("did you mean `troupe {}`?", near)};
}

/// Reads words one after the other; the state of one parse.
class Parser {
 public:
  explicit Parser(const std::vector<std::string>& words) : words_{words} {}

  Result<Arguments> parse() {
    if (auto found = find(); !found) return std::move(found).error();
    for (size_t at = 0; at < words_.size(); ++at) {
      if (at == first_ || at == second_) continue;
      const auto& word = words_[at];
      if (word == "--") {
        if (auto rest = after_dashes(at + 1); !rest) return std::move(rest).error();
        break;
      }
      Result<void> read = ok();
      if (word.starts_with("--"))
        read = long_option(word.substr(2), at);
      else if (word.size() > 1 && word[0] == '-' && !is_number(word))
        read = letters(word.substr(1), at);
      else
        out_.arguments.push_back(word);
      if (!read) return std::move(read).error();
    }
    if (out_.verb != nullptr && !out_.has("help"))
      if (auto counted = count(); !counted) return std::move(counted).error();
    return std::move(out_);
  }

 private:
  static bool is_number(const std::string& word) {
    return word.find_first_not_of("0123456789.", 1) == std::string::npos;
  }

  /// The first words that are no options, nor values of options, name the verb.
  Result<void> find() {
    std::vector<size_t> plain;
    for (size_t at = 0; at < words_.size() && plain.size() < 2 && words_[at] != "--"; ++at) {
      const auto& word = words_[at];
      if (word.size() < 2 || word[0] != '-') {
        plain.push_back(at);
        continue;
      }
      if (!plain.empty()) break;  // `run -x 3`: options of a verb are read when it is known
      const auto* option = word[1] == '-' ? find_option(nullptr, std::string_view{word}.substr(2))
                                          : find_option(nullptr, word[1]);
      if (option != nullptr && !option->value.empty() && (word[1] == '-' || word.size() == 2)) ++at;
    }
    if (plain.empty()) return ok();
    first_ = plain[0];
    if (plain.size() > 1) {
      auto both = words_[plain[0]] + " " + words_[plain[1]];
      if ((out_.verb = find_verb(both)) != nullptr) {
        second_ = plain[1];
        return ok();
      }
    }
    if ((out_.verb = find_verb(words_[plain[0]])) != nullptr) return ok();
    std::vector<std::string> second;
    if (plain.size() > 1) second.push_back(words_[plain[1]]);
    return unknown_verb(words_[plain[0]], second);
  }

  Result<void> after_dashes(size_t from) {
    std::vector<std::string> rest(words_.begin() + static_cast<ptrdiff_t>(from), words_.end());
    if (out_.verb == nullptr || !out_.verb->command) {
      out_.arguments.insert(out_.arguments.end(), rest.begin(), rest.end());
      return ok();
    }
    if (rest.empty()) return usage_error(out_.verb, "no command follows `--`");
    out_.command = std::move(rest);
    return ok();
  }

  Result<void> long_option(std::string_view text, size_t& at) {
    auto equals = text.find('=');
    auto name = text.substr(0, equals);
    const auto* option = find_option(out_.verb, name);
    if (option == nullptr) return unknown_option(out_.verb, name);
    if (equals == std::string_view::npos) return take(*option, at);
    if (option->value.empty())
      return usage_error(out_.verb, fmt::format("--{} takes no value", name));
    return add(*option, std::string{text.substr(equals + 1)});
  }

  Result<void> letters(std::string_view text, size_t& at) {
    for (size_t i = 0; i < text.size(); ++i) {
      const auto* option = find_option(out_.verb, text[i]);
      if (option == nullptr) return unknown_option(out_.verb, text.substr(i, 1));
      if (!option->value.empty() && i + 1 < text.size())
        return add(*option, std::string{text.substr(i + 1)});
      if (auto taken = take(*option, at); !taken) return taken;
    }
    return ok();
  }

  Result<void> take(const Option& option, size_t& at) {
    if (option.value.empty()) return add(option, "");
    if (at + 1 >= words_.size() || words_[at + 1] == "--")
      return usage_error(out_.verb,
                         fmt::format("--{} wants a value: {}", option.name, option.value));
    return add(option, words_[++at]);
  }

  Result<void> add(const Option& option, std::string value) {
    auto& values = out_.options[std::string{option.name}];
    if (!option.repeats && !option.value.empty() && !values.empty() && values.back() != value)
      return usage_error(out_.verb, fmt::format("--{} is given twice", option.name));
    values.push_back(std::move(value));
    return ok();
  }

  Result<void> count() {
    const auto& verb = *out_.verb;
    if (out_.arguments.size() > verb.arguments_max) {
      const auto& extra = out_.arguments[verb.arguments_max];
      if (verb.command && !out_.command)
        return usage_error(&verb, fmt::format("unexpected argument `{}`", extra),
                           fmt::format("put `--` before a command: troupe {} -- {}", verb.name,
                                       fmt::join(out_.arguments, " ")));
      return usage_error(&verb, fmt::format("unexpected argument `{}`", extra));
    }
    if (out_.arguments.size() < verb.arguments_min)
      return usage_error(&verb, fmt::format("`troupe {}` wants {}", verb.name, verb.arguments));
    return ok();
  }

  const std::vector<std::string>& words_;
  size_t first_ = SIZE_MAX, second_ = SIZE_MAX;
  Arguments out_;
};

}  // namespace

std::string Arguments::get(std::string_view option) const {
  auto found = options.find(option);
  return found == options.end() ? "" : found->second.back();
}

std::vector<std::string> Arguments::all(std::string_view option) const {
  auto found = options.find(option);
  return found == options.end() ? std::vector<std::string>{} : found->second;
}

Result<std::optional<uint64_t>> Arguments::number(std::string_view option, uint64_t min,
                                                  uint64_t max) const {
  if (!has(option)) return std::optional<uint64_t>{};
  auto text = get(option);
  uint64_t number = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size() || number < min || number > max)
    return Error{Errc::invalid, fmt::format("--{} {} cannot be used", option, text), "",
                 fmt::format("give a whole number from {} to {}", min, max)};
  return std::optional<uint64_t>{number};
}

Result<Arguments> parse_arguments(const std::vector<std::string>& words) {
  return Parser{words}.parse();
}

std::string usage_line(const Verb& verb) {
  std::string line{verb.name};
  if (!verb.options.empty()) line += " [OPTIONS]";
  if (!verb.arguments.empty()) line += fmt::format(" {}", verb.arguments);
  if (verb.command) line += " [-- CMD...]";
  return line;
}

}  // namespace troupe::cli
