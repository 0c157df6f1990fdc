// node drain, resume and label; token join: what admins do with a cluster.
#include "client/cli/commands.hpp"
#include "client/cli/session.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

namespace troupe::cli {

namespace {

int change(Session& session, const char* what) {
  auto head = session.head();
  if (!head) return session.fail(head.error());
  const auto& node = session.arguments().arguments[0];
  if (auto done = (*head)->change_node(node, what); !done) return session.fail(done.error());
  return 0;
}

}  // namespace

int node_drain_verb(Session& session) {
  return change(session, "drain");
}

int node_resume_verb(Session& session) {
  return change(session, "resume");
}

int node_remove_verb(Session& session) {
  return change(session, "remove");
}

int node_label_verb(Session& session) {
  const auto& words = session.arguments().arguments;
  ValueMap labels;
  for (size_t i = 1; i < words.size(); ++i) {
    auto at = words[i].find('=');
    if (at == 0 || at == std::string::npos)
      return session.fail({Errc::invalid, fmt::format("\"{}\" is no label", words[i]),
                           "a label is a name and a value", "NAME=VALUE; NAME= removes one"});
    labels[words[i].substr(0, at)] = words[i].substr(at + 1);
  }
  auto head = session.head();
  if (!head) return session.fail(head.error());
  if (auto done = (*head)->label_node(words[0], labels); !done) return session.fail(done.error());
  return 0;
}

int token_join_verb(Session& session) {
  uint64_t life_s = 3600;
  if (session.arguments().has("life")) {
    auto life = parse_duration(session.arguments().get("life"));
    if (!life) return session.fail(life.error());
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*life).count();
    if (seconds < 1 || seconds > 7 * 24 * 3600)
      return session.fail({Errc::invalid, "a join token cannot live for that long",
                           session.arguments().get("life"), "from 1s to 7d"});
    life_s = static_cast<uint64_t>(seconds);
  }
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto token = (*head)->join_token(life_s);
  if (!token) return session.fail(token.error());
  auto& out = session.out();
  if (out.wants_json())
    out.json(ValueMap{{"token", *token}});
  else
    out.line(*token);
  return 0;
}

}  // namespace troupe::cli
