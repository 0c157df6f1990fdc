#include "client/cli/verbs.hpp"

#include "client/cli/commands.hpp"
#include "client/cli/verb_tables.hpp"

#include <algorithm>
#include <array>

namespace troupe::cli {

namespace {

constexpr std::array global{
    Option{"output", 'o', "FORMAT", "json: one JSON value, streams as JSON lines", Kind::format},
    Option{"json", 0, "", "the same as -o json"},
    Option{"quiet", 'q', "", "ids only, and no talk"},
    Option{"no-color", 0, "", "no colour (also NO_COLOR)"},
    Option{"no-input", 0, "", "never ask anything"},
    Option{"context", 0, "NAME", "which head (also TROUPE_CONTEXT)", Kind::context},
    Option{"url", 0, "URL", "the head's address (also TROUPE_URL)"},
    Option{"token-file", 0, "FILE", "the credential (also TROUPE_TOKEN_FILE)", Kind::file},
    Option{"help", 'h', "", "how to use this command"},
};

constexpr std::array login_options{
    Option{"name", 0, "NAME", "what to call it (default: the host)"},
};

std::vector<Verb> self_verbs() {
  return {
      {.name = "context ls",
       .group = "SELF",
       .summary = "the heads this user knows",
       .examples = {"troupe context ls"},
       .run = context_ls_verb},
      {.name = "context use",
       .group = "SELF",
       .arguments = "NAME",
       .summary = "chooses the head for later commands",
       .examples = {"troupe context use local"},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::context,
       .run = context_use_verb},
      {.name = "login",
       .group = "SELF",
       .arguments = "URL",
       .summary = "stores a head and its token as a context",
       .text =
           "The token is asked for, or read from standard input; it never stands in the command.",
       .examples = {"troupe login http://head:7070 < token"},
       .options = {login_options},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = login_verb},
      {.name = "whoami",
       .group = "SELF",
       .summary = "as whom the head knows you",
       .examples = {"troupe whoami"},
       .run = whoami_verb},
      {.name = "version",
       .group = "SELF",
       .summary = "of this program and of the head",
       .examples = {"troupe version"},
       .run = version_verb},
      {.name = "help",
       .group = "SELF",
       .arguments = "[TOPIC]",
       .summary = "about a command, or one of the topics",
       .examples = {"troupe help run", "troupe help selectors"},
       .arguments_max = 2,
       .kind = Kind::topic,
       .run = help_verb},
      {.name = "completion",
       .group = "SELF",
       .arguments = "SHELL",
       .summary = "a completion script for bash, zsh or fish",
       .examples = {"source <(troupe completion bash)"},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::shell,
       .run = completion_verb},
  };
}

std::vector<Verb> hidden_verbs() {
  return {
      {.name = "complete-ids",
       .summary = "ids for completion",
       .hidden = true,
       .run = complete_ids_verb},
      {.name = "reference",
       .summary = "docs/reference/cli.md",
       .hidden = true,
       .run = reference_verb},
  };
}

constexpr std::array later_verbs{"data warm", "token ls", "token rm", "user",  "project", "shell",
                                 "notebook",  "serve",    "model",    "exec",  "stop",    "pause",
                                 "resume",    "retry",    "admin",    "queue", "usage",   "diff",
                                 "events",    "api",      "open",     "top",   "pipeline"};

}  // namespace

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> all = [] {
    auto list = up_verbs();
    for (const auto& more : {start_verbs(), see_verbs(), control_verbs(), file_verbs(),
                             data_verbs(), cluster_verbs(), self_verbs(), hidden_verbs()})
      list.insert(list.end(), more.begin(), more.end());
    return list;
  }();
  return all;
}

std::span<const Option> global_options() {
  return global;
}

const Verb* find_verb(std::string_view name) {
  for (const auto& verb : verbs())
    if (verb.name == name) return &verb;
  return nullptr;
}

const Option* find_option(const Verb* verb, std::string_view name) {
  if (verb != nullptr)
    for (auto group : verb->options)
      for (const auto& option : group)
        if (option.name == name) return &option;
  for (const auto& option : global)
    if (option.name == name) return &option;
  return nullptr;
}

const Option* find_option(const Verb* verb, char letter) {
  if (verb != nullptr)
    for (auto group : verb->options)
      for (const auto& option : group)
        if (option.letter == letter && letter != 0) return &option;
  for (const auto& option : global)
    if (option.letter == letter && letter != 0) return &option;
  return nullptr;
}

bool is_later_verb(std::string_view name) {
  return std::find(later_verbs.begin(), later_verbs.end(), name) != later_verbs.end();
}

}  // namespace troupe::cli
