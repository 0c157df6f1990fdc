// set, add, skip: what people do to a set that runs.
#include "client/cli/commands.hpp"
#include "client/cli/entry_text.hpp"
#include "client/cli/session.hpp"
#include "runtime/config/submission_reader.hpp"
#include "runtime/config/yaml_tree.hpp"

#include <fmt/format.h>

#include <map>

namespace troupe::cli {

namespace {

Result<ExperimentId> set_of(Session& session) {
  return session.select_one(session.arguments().arguments[0]);
}

/// As a project file would have it.
Value value_of(const std::string& text) {
  auto value = config::scalar_value(text);
  return value ? std::move(*value) : Value{text};
}

/// Those behind the first. `read` makes a value of a text.
template <class Read>
Result<ValueMap> pairs_of(Session& session, Read read) {
  ValueMap pairs;
  const auto& arguments = session.arguments().arguments;
  for (size_t i = 1; i < arguments.size(); ++i) {
    auto equals = arguments[i].find('=');
    if (equals == std::string::npos || equals == 0)
      return Error{Errc::invalid, fmt::format("\"{}\" is no KEY=VALUE", arguments[i]), "",
                   "write it as concurrency=8"};
    auto key = arguments[i].substr(0, equals);
    if (!pairs.emplace(key, read(key, arguments[i].substr(equals + 1))).second)
      return Error{Errc::invalid, fmt::format("{} is given twice", key), "", "give it once"};
  }
  return pairs;
}

int send(Session& session, ExperimentId set, ValueMap change) {
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto entry = (*head)->change_set(set, std::move(change));
  if (!entry) return session.fail(entry.error());
  auto& out = session.out();
  if (out.wants_json())
    out.json(*entry);
  else if (out.quiet())
    out.line(to_string(set));
  else
    out.line(
        fmt::format("{}\t{}\t{}", to_string(set), text_of(*entry, "state"), members_text(*entry)));
  return 0;
}

}  // namespace

int set_verb(Session& session) {
  auto set = set_of(session);
  if (!set) return session.fail(set.error());
  auto changes = pairs_of(session, [](const std::string& key, const std::string& text) -> Value {
    if (text.empty() || text == "none") return {};
    if (key == "early_stop") return config::rule_of(text);
    if (key == "budget" || key == "stop_when") return text;
    return value_of(text);
  });
  if (!changes) return session.fail(changes.error());
  return send(session, *set, ValueMap{{"changes", std::move(*changes)}});
}

int add_verb(Session& session) {
  auto set = set_of(session);
  if (!set) return session.fail(set.error());
  auto point =
      pairs_of(session, [](const std::string&, const std::string& text) { return value_of(text); });
  if (!point) return session.fail(point.error());
  return send(session, *set, ValueMap{{"add", ValueList{std::move(*point)}}});
}

int skip_verb(Session& session) {
  std::map<uint64_t, ValueList> members;  // by set
  for (const auto& text : session.arguments().arguments) {
    auto selector = session.select(text);
    if (!selector) return session.fail(selector.error());
    for (auto id : selector->experiments) {
      if (!id.is_member())
        return session.fail({Errc::invalid, fmt::format("{} is no member", to_string(id)),
                             "only members of a set are skipped",
                             fmt::format("troupe kill {}", to_string(id))});
      members[id.top].emplace_back(int64_t{id.member});
    }
  }
  for (auto& [top, numbers] : members)
    if (auto code = send(session, {top, 0}, ValueMap{{"skip", std::move(numbers)}}); code != 0)
      return code;
  return 0;
}

}  // namespace troupe::cli
