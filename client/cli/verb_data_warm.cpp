// data warm: lets nodes fetch a version, and waits until they have it.
#include "client/cli/cached_text.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/progress.hpp"
#include "client/cli/session.hpp"
#include "runtime/core/dataset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace troupe::cli {

namespace {

constexpr auto ask_again = std::chrono::milliseconds{200};

/// Names between commas.
std::vector<std::string> names_of(const std::string& text) {
  std::vector<std::string> names;
  for (size_t from = 0; from <= text.size();) {
    auto end = std::min(text.find(',', from), text.size());
    if (end > from) names.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return names;
}

/// Of all nodes that were asked, as each last said.
class Warming {
 public:
  explicit Warming(const Value& begun) {
    for (const auto& node : list_of(begun, "nodes")) nodes_[text_of(node, "node")] = node;
  }
  void look(const ValueList& now) {
    for (const auto& node : now)
      if (auto at = nodes_.find(text_of(node, "node")); at != nodes_.end()) at->second = node;
  }
  /// What no node says any more does not come.
  void lost(const std::string& name) {
    nodes_[name] = Value{
        ValueMap{{"node", name}, {"state", "failed"}, {"error", "the node is lost or has left"}}};
  }
  bool done() const { return count("coming") == 0; }
  size_t count(std::string_view state) const {
    return static_cast<size_t>(std::count_if(nodes_.begin(), nodes_.end(), [&](const auto& node) {
      return text_of(node.second, "state") == state;
    }));
  }
  uint64_t arrived() const {
    uint64_t sum = 0;
    for (const auto& [name, node] : nodes_) sum += static_cast<uint64_t>(int_of(node, "arrived"));
    return sum;
  }
  const std::map<std::string, Value>& nodes() const { return nodes_; }

 private:
  std::map<std::string, Value> nodes_;
};

/// Those that are not in the cluster any more.
Result<void> look_for_lost(client::Client& head, Warming& warming) {
  auto answer = head.nodes();
  if (!answer) return std::move(answer).error();
  std::map<std::string, std::string> states;
  for (const auto& node : list_of(*answer, "nodes"))
    states[text_of(node, "name")] = text_of(node, "state");
  std::vector<std::string> gone;
  for (const auto& [name, node] : warming.nodes())
    if (text_of(node, "state") == "coming" && (!states.contains(name) || states[name] == "lost"))
      gone.push_back(name);
  for (const auto& name : gone) warming.lost(name);
  return ok();
}

int say_warm(Session& session, const Warming& warming) {
  auto& out = session.out();
  ValueList all;
  for (const auto& [name, node] : warming.nodes()) {
    all.push_back(node);
    if (out.wants_json()) continue;
    out.line(out.quiet() ? name : cached_text(node, true));
  }
  if (out.wants_json()) out.json(all);
  return warming.count("failed") == 0 ? 0 : 1;
}

}  // namespace

int data_warm_verb(Session& session) {
  const auto& arguments = session.arguments();
  auto ref = parse_dataset_ref(arguments.arguments[0]);
  if (ref && ref->output)
    ref = Error{Errc::invalid, fmt::format("{} is no dataset", arguments.arguments[0]),
                "it is the outputs of an experiment", "troupe out ls ID"};
  if (!ref) return session.fail(ref.error());
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto version = (*head)->dataset_version(ref->name, ref->which);
  if (!version) return session.fail(version.error());
  auto number = text_of(*version, "version");
  auto names =
      arguments.has("nodes") ? names_of(arguments.get("nodes")) : std::vector<std::string>{};
  auto begun = (*head)->warm_dataset(ref->name, number, names);
  if (!begun) return session.fail(begun.error());
  Warming warming{*begun};
  if (warming.nodes().empty())
    return session.fail({Errc::unavailable, fmt::format("{}:{} was not fetched", ref->name, number),
                         "no node is up", "troupe node ls"});
  if (arguments.has("detach")) return say_warm(session, warming);
  Progress progress{session.out(), session.clock(),
                    fmt::format("warming {}:{}", ref->name, number)};
  while (!warming.done()) {
    (*head)->http().pump(ask_again);
    auto now = (*head)->dataset_version(ref->name, number);
    if (!now) return session.fail(now.error());
    auto before = warming.arrived();
    warming.look(list_of(*now, "nodes"));
    if (warming.arrived() > before) progress.add(warming.arrived() - before);
    if (auto looked = look_for_lost(**head, warming); !looked) return session.fail(looked.error());
  }
  progress.clear();
  return say_warm(session, warming);
}

}  // namespace troupe::cli
