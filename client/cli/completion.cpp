// Scripts for shells, with the table of verbs and options written into them; ids come from
// `troupe complete-ids` when they are wanted.
#include "client/cli/help.hpp"
#include "runtime/core/submission_check.hpp"

#include <fmt/format.h>

#include <map>
#include <set>
#include <vector>

namespace troupe::cli {

namespace {

/// First words with what may follow them: "out" -> {"ls", "get"}; {} for verbs of one word.
std::map<std::string, std::vector<std::string>> words() {
  std::map<std::string, std::vector<std::string>> out;
  for (const auto& verb : verbs()) {
    if (verb.hidden) continue;
    auto space = verb.name.find(' ');
    auto& second = out[std::string{verb.name.substr(0, space)}];
    if (space != std::string_view::npos) second.emplace_back(verb.name.substr(space + 1));
  }
  return out;
}

std::vector<const Option*> options_of(const Verb& verb) {
  std::vector<const Option*> out;
  for (auto group : verb.options)
    for (const auto& option : group) out.push_back(&option);
  for (const auto& option : global_options()) out.push_back(&option);
  return out;
}

std::string values_of(Kind kind) {
  switch (kind) {
    case Kind::shell:
      return "bash zsh fish";
    case Kind::format:
      return "json";
    case Kind::strategy:
      return fmt::format("{}", fmt::join(sweep_strategies(), " "));
    case Kind::state:
      return "QUEUED PREPARING STARTING RUNNING KILLING FINISHED FAILED KILLED SKIPPED";
    case Kind::topic: {
      std::string all;
      for (const auto& [word, second] : words()) all += word + " ";
      for (const auto& topic : topics()) all += fmt::format("{} ", topic.name);
      return all;
    }
    default:
      return "";
  }
}

std::string values_of(const Option& option) {
  return option.values.empty() ? values_of(option.kind) : std::string{option.values};
}

/// What bash writes into $candidates for a kind.
std::string bash_candidates(Kind kind) {
  switch (kind) {
    case Kind::id:
    case Kind::set:
      return "$(troupe complete-ids 2>/dev/null)";
    case Kind::context:
      return "$(troupe context ls -q 2>/dev/null)";
    default:
      return values_of(kind);
  }
}

std::string bash_script() {
  std::string text =
      "# Completion of troupe for bash: source <(troupe completion bash)\n"
      "_troupe() {\n"
      "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
      "  local verb=\"${COMP_WORDS[1]}\" candidates=\"\" options=\"\"\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W \"";
  for (const auto& [word, second] : words()) text += word + " ";
  text += "\" -- \"$cur\"))\n    return\n  fi\n  case \"$verb\" in\n";
  for (const auto& [word, second] : words()) {
    if (second.empty()) continue;
    std::string all;
    for (const auto& next : second) all += next + " ";
    text += fmt::format(
        "    {}) if [ \"$COMP_CWORD\" -eq 2 ]; then\n"
        "        COMPREPLY=($(compgen -W \"{}\" -- \"$cur\")); return\n"
        "      fi; verb=\"$verb ${{COMP_WORDS[2]}}\" ;;\n",
        word, all);
  }
  text += "  esac\n  case \"$verb:$prev\" in\n";
  std::set<std::string> done;
  for (const auto& verb : verbs()) {
    if (verb.hidden) continue;
    for (const auto* option : options_of(verb)) {
      if (option->value.empty()) continue;
      auto pattern = fmt::format("\"{}:--{}\"", verb.name, option->name);
      if (option->letter != 0) pattern += fmt::format("|\"{}:-{}\"", verb.name, option->letter);
      if (option->kind == Kind::file || option->kind == Kind::folder)
        text += fmt::format("    {}) COMPREPLY=($(compgen -{} -- \"$cur\")); return ;;\n", pattern,
                            option->kind == Kind::file ? 'f' : 'd');
      else
        text += fmt::format(
            "    {}) COMPREPLY=($(compgen -W \"{}\" -- \"$cur\")); return ;;\n", pattern,
            option->values.empty() ? bash_candidates(option->kind) : std::string{option->values});
    }
  }
  text += "  esac\n  case \"$verb\" in\n";
  for (const auto& verb : verbs()) {
    if (verb.hidden) continue;
    std::string options;
    for (const auto* option : options_of(verb)) options += fmt::format("--{} ", option->name);
    text += fmt::format("    \"{}\") options=\"{}\"; candidates=\"{}\" ;;\n", verb.name, options,
                        bash_candidates(verb.kind));
  }
  text +=
      "  esac\n"
      "  case \"$cur\" in\n"
      "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
      "    *) COMPREPLY=($(compgen -W \"$candidates\" -- \"$cur\")) ;;\n"
      "  esac\n"
      "}\n"
      "complete -o default -F _troupe troupe\n";
  return text;
}

std::string fish_script() {
  std::string text = "# Completion of troupe for fish: troupe completion fish | source\n";
  text += "complete -c troupe -f\n";
  std::string firsts;
  for (const auto& [word, second] : words()) firsts += word + " ";
  for (const auto& [word, second] : words()) {
    std::string summary = word;
    if (const auto* verb = find_verb(word)) summary = verb->summary;
    text +=
        fmt::format("complete -c troupe -n 'not __fish_seen_subcommand_from {}' -a {} -d \"{}\"\n",
                    firsts, word, summary);
    for (const auto& next : second)
      text += fmt::format(
          "complete -c troupe -n '__fish_seen_subcommand_from {}; and not "
          "__fish_seen_subcommand_from {}' -a {}\n",
          word, next, next);
  }
  for (const auto& verb : verbs()) {
    if (verb.hidden) continue;
    std::string condition;
    std::string_view rest = verb.name;
    while (!rest.empty()) {
      auto word = rest.substr(0, rest.find(' '));
      if (!condition.empty()) condition += "; and ";
      condition += fmt::format("__fish_seen_subcommand_from {}", word);
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    }
    for (const auto* option : options_of(verb)) {
      text += fmt::format("complete -c troupe -n '{}' -l {}", condition, option->name);
      if (option->letter != 0) text += fmt::format(" -s {}", option->letter);
      if (!option->value.empty())
        text += option->kind == Kind::file || option->kind == Kind::folder ? " -rF" : " -x";
      std::string help;
      for (char c : option->help)
        help += c == '"' || c == '$' ? std::string{'\\', c} : std::string{c};
      text += fmt::format(" -d \"{}\"", help);
      if (auto values = values_of(*option); !values.empty())
        text += fmt::format(" -a \"{}\"", values);
      text += "\n";
    }
    if (verb.kind == Kind::id || verb.kind == Kind::set)
      text += fmt::format("complete -c troupe -n '{}' -a \"(troupe complete-ids 2>/dev/null)\"\n",
                          condition);
    else if (verb.kind == Kind::context)
      text += fmt::format("complete -c troupe -n '{}' -a \"(troupe context ls -q 2>/dev/null)\"\n",
                          condition);
    else if (auto values = values_of(verb.kind); !values.empty())
      text += fmt::format("complete -c troupe -n '{}' -a \"{}\"\n", condition, values);
  }
  return text;
}

}  // namespace

std::string completion_script(std::string_view shell) {
  if (shell == "bash") return bash_script();
  if (shell == "fish") return fish_script();
  // zsh runs the bash function; its own form would say the same a third time.
  if (shell == "zsh")
    return "#compdef troupe\n# Completion of troupe for zsh: source <(troupe completion zsh)\n"
           "autoload -U +X compinit && compinit -u\n"
           "autoload -U +X bashcompinit && bashcompinit\n" +
           bash_script();
  return "";
}

}  // namespace troupe::cli
