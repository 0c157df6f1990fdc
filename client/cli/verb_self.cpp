// context, login, whoami, version, help, completion, reference.
#include "client/cli/commands.hpp"
#include "client/cli/help.hpp"
#include "client/cli/session.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iostream>
#include <termios.h>
#include <unistd.h>

namespace troupe::cli {

namespace {

/// Without echo where somebody types it.
std::string read_token(bool ask) {
  termios before{};
  bool hidden = ask && tcgetattr(0, &before) == 0;
  if (hidden) {
    auto silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(0, TCSANOW, &silent);
  }
  std::string token;
  std::getline(std::cin, token);
  if (hidden) tcsetattr(0, TCSANOW, &before);
  while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back()))) token.pop_back();
  return token;
}

}  // namespace

int context_ls_verb(Session& session) {
  auto contexts = client::list_contexts();
  if (!contexts) return session.fail(contexts.error());
  auto current = client::current_context();
  if (!current) return session.fail(current.error());
  auto& out = session.out();
  ValueList all;
  Table table{{{"CONTEXT"}, {"URL", false, true}, {"USER"}, {""}}};
  for (const auto& context : *contexts) {
    bool is_current = context.name == *current;
    all.emplace_back(ValueMap{{"name", context.name},
                              {"url", context.url},
                              {"user", context.user},
                              {"current", is_current}});
    table.row({{context.name}, {context.url}, {context.user}, {is_current ? "current" : ""}});
    if (out.quiet() && !out.wants_json()) out.line(context.name);
  }
  if (out.wants_json())
    out.json(all);
  else if (!out.quiet() && !table.empty())
    out.raw(table.text(out.out()));
  return 0;
}

int context_use_verb(Session& session) {
  const auto& name = session.arguments().arguments[0];
  if (auto used = client::use_context(name); !used) return session.fail(used.error());
  auto& out = session.out();
  if (out.wants_json())
    out.json(ValueMap{{"current", name}});
  else if (!out.quiet())
    out.talk(fmt::format("commands now go to {}", name));
  return 0;
}

int login_verb(Session& session) {
  const auto& arguments = session.arguments();
  const auto& url = arguments.arguments[0];
  auto address = client::parse_url(url);
  if (!address) return session.fail(address.error());
  auto& out = session.out();
  auto options = session.endpoint_options();
  options.url = url;
  client::Endpoint endpoint{url, "", "login"};
  if (!options.token_file.empty()) {
    auto found = client::find_endpoint(options);
    if (!found) return session.fail(found.error());
    endpoint.token = found->token;
  } else {
    if (isatty(0) == 1 && !out.may_ask())
      return session.fail(
          {Errc::invalid, "no token", "", "give it on standard input, or --token-file"});
    if (out.may_ask()) out.talk("Token:");
    endpoint.token = read_token(out.may_ask());
  }
  auto head = client::Client::connect(endpoint);
  if (!head) return session.fail(head.error());
  auto who = (*head)->whoami();  // before anything is written
  if (!who) return session.fail(who.error());
  auto name = arguments.has("name") ? arguments.get("name") : address->host;
  for (auto& c : name)
    if (c == ':') c = '-';
  client::Context context{name, url, endpoint.token, text_of(*who, "user")};
  if (auto written = client::write_context(context); !written) return session.fail(written.error());
  if (out.wants_json())
    out.json(*who);
  else
    out.talk(fmt::format("logged in to {} as {}; context {}", url, context.user, name));
  return 0;
}

int whoami_verb(Session& session) {
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto who = (*head)->whoami();
  if (!who) return session.fail(who.error());
  auto& out = session.out();
  if (out.wants_json()) {
    out.json(*who);
    return 0;
  }
  out.line(text_of(*who, "user"));
  if (!out.quiet()) {
    const auto* admin = who->find("admin");
    bool is_admin = admin != nullptr && admin->is_bool() && admin->as_bool();
    out.talk(fmt::format("{}at {}", is_admin ? "administrator " : "", (*head)->url()));
  }
  return 0;
}

int version_verb(Session& session) {
  auto& out = session.out();
  ValueMap versions{{"client", TROUPE_VERSION}, {"head", nullptr}};
  std::string problem;
  // The program's own version is of use without a head too.
  if (auto head = session.head()) {
    auto answer = (*head)->version();
    if (answer)
      versions["head"] = text_of(*answer, "version");
    else
      problem = answer.error().what;
  }
  if (out.wants_json()) {
    out.json(versions);
    return 0;
  }
  out.line(fmt::format("troupe {}", TROUPE_VERSION));
  if (out.quiet()) return 0;
  if (const auto& head = versions["head"]; !head.is_null())
    out.line(fmt::format("head {}", head.to_text()));
  else if (!problem.empty())
    out.talk(problem);
  return 0;
}

int help_verb(Session& session) {
  const auto& words = session.arguments().arguments;
  auto& out = session.out();
  if (words.empty()) {
    out.raw(overview(out));
    return 0;
  }
  auto name = fmt::format("{}", fmt::join(words, " "));
  if (const auto* verb = find_verb(name)) {
    out.raw(verb_help(*verb, out));
    return 0;
  }
  for (const auto& topic : topics())
    if (topic.name == name) {
      out.raw(topic.text);
      return 0;
    }
  bool some = false;
  for (const auto& verb : verbs())
    if (verb.name.starts_with(name + " ")) {
      out.raw((some ? "\n" : "") + verb_help(verb, out));
      some = true;
    }
  if (some) return 0;
  auto known = parse_arguments(words);
  if (!known) return session.fail(known.error());
  return session.fail(
      {Errc::invalid, fmt::format("nothing is known about {}", name), "", "see `troupe help`"});
}

int completion_verb(Session& session) {
  const auto& shell = session.arguments().arguments[0];
  auto script = completion_script(shell);
  if (script.empty())
    return session.fail({Errc::invalid, fmt::format("no completion for {}", shell), "",
                         "there is one for bash, zsh and fish"});
  session.out().raw(script);
  return 0;
}

int reference_verb(Session& session) {
  session.out().raw(reference_page());
  return 0;
}

}  // namespace troupe::cli
