#include "client/cli/help.hpp"

#include "client/cli/arguments.hpp"

#include <fmt/format.h>

#include <array>
#include <span>

namespace troupe::cli {

namespace {

constexpr std::array groups{"START", "SEE", "CONTROL", "FILES", "DATA", "CLUSTER", "SELF"};

std::string option_text(const Option& option) {
  auto text = option.letter != 0 ? fmt::format("-{}, --{}", option.letter, option.name)
                                 : fmt::format("    --{}", option.name);
  if (!option.value.empty()) text += fmt::format(" {}", option.value);
  return text;
}

std::string option_lines(std::span<const Option> options) {
  std::string out;
  for (const auto& option : options)
    out += fmt::format("  {:<26} {}{}\n", option_text(option), option.help,
                       option.repeats ? " (may be repeated)" : "");
  return out;
}

std::string markdown_options(std::span<const Option> options) {
  std::string out = "| option | |\n| --- | --- |\n";
  for (const auto& option : options) {
    auto name = option.letter != 0 ? fmt::format("`-{}`, `--{}", option.letter, option.name)
                                   : fmt::format("`--{}", option.name);
    if (!option.value.empty()) name += fmt::format(" {}", option.value);
    std::string text{option.help};
    for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
      text.insert(at, "\\");
    out += fmt::format("| {}` | {}{} |\n", name, text, option.repeats ? "; may be repeated" : "");
  }
  return out;
}

}  // namespace

std::string overview(const Output& out) {
  std::string text = "Troupe runs experiments, trainings and sweeps on your own machines.\n\n";
  text += "  troupe run -- python3 train.py      run a command and follow it\n";
  text += "  troupe init && troupe sweep         a search over parameters\n\n";
  for (const auto* group : groups) {
    text += out.paint(Colour::bold, group) + "\n";
    for (const auto& verb : verbs())
      if (!verb.hidden && verb.group == group)
        text += fmt::format("  {:<14} {}\n", verb.name, verb.summary);
    text += "\n";
  }
  text += out.paint(Colour::bold, "TOPICS") + " (troupe help TOPIC)\n";
  for (const auto& topic : topics())
    text += fmt::format("  {:<14} {}\n", topic.name, topic.summary);
  text += "\n`troupe help COMMAND` says more about a command.\n";
  return text;
}

std::string verb_help(const Verb& verb, const Output& out) {
  std::string text = fmt::format("troupe {}: {}\n\n", verb.name, verb.summary);
  if (!verb.examples.empty()) {
    text += out.paint(Colour::bold, "EXAMPLES") + "\n";
    for (auto example : verb.examples) text += fmt::format("  {}\n", example);
    text += "\n";
  }
  text += out.paint(Colour::bold, "USAGE") + fmt::format("\n  troupe {}\n", usage_line(verb));
  if (!verb.text.empty()) text += fmt::format("\n{}\n", verb.text);
  if (!verb.options.empty()) text += "\n" + out.paint(Colour::bold, "OPTIONS") + "\n";
  for (auto options : verb.options) text += option_lines(options);
  text += "\n" + out.paint(Colour::bold, "EVERYWHERE") + "\n" + option_lines(global_options());
  return text;
}

std::string reference_page() {
  std::string text =
      "# The command line\n\nMade by `troupe reference` from the table the program itself uses.\n";
  for (const auto* group : groups) {
    for (const auto& verb : verbs()) {
      if (verb.hidden || verb.group != group) continue;
      text += fmt::format("\n## troupe {}\n\n{}.\n", verb.name, verb.summary);
      if (!verb.text.empty()) text += fmt::format("\n{}\n", verb.text);
      text += fmt::format("\n```\ntroupe {}\n```\n", usage_line(verb));
      if (!verb.examples.empty()) {
        text += "\nExamples:\n\n```\n";
        for (auto example : verb.examples) text += fmt::format("{}\n", example);
        text += "```\n";
      }
      for (auto options : verb.options) text += "\n" + markdown_options(options);
    }
  }
  text += "\n## Options of every command\n\n" + markdown_options(global_options());
  for (const auto& topic : topics())
    text += fmt::format("\n## {}\n\n```\n{}```\n", topic.name, topic.text);
  return text;
}

}  // namespace troupe::cli
