// ls, show, why, best, node ls: what the head knows, as tables.
#include "client/cli/cached_text.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/entry_text.hpp"
#include "client/cli/node_drawing.hpp"
#include "client/cli/session.hpp"
#include "client/cli/set_study.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/state.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <map>
#include <set>

namespace troupe::cli {

namespace {

Table::Cell time_cell(const std::string& text, Timestamp now) {
  return {ago(text, now), text};
}

Table entries_table(Session& session, const ValueList& entries) {
  Table table{{{"ID"},
               {"STATE"},
               {"PROJECT", false, true},
               {"NAME", false, true},
               {"MEMBERS", true},
               {"RESULT", false, true},
               {"CREATED", true},
               {"TIME", true},
               {"REASON", false, true}}};
  auto now = session.clock().now();
  for (const auto& entry : entries) {
    auto state = text_of(entry, "state");
    table.row({{text_of(entry, "id")},
               {state, "", state_colour(state)},
               {text_of(entry, "project")},
               {text_of(entry, "name")},
               {members_text(entry)},
               {result_text(entry)},
               time_cell(text_of(entry, "created"), now),
               {span_text(text_of(entry, "started"), text_of(entry, "ended"), now)},
               {reason_text(entry)}});
  }
  return table;
}

/// "min.loss, max.accuracy" by its parts; one empty where there is no metric.
std::vector<std::string> goals_of(const Value& set) {
  std::vector<std::string> goals;
  const auto text = text_of(set, "metric");
  for (size_t begin = 0, end = 0; end != std::string::npos; begin = end + 2) {
    end = text.find(", ", begin);
    goals.push_back(text.substr(begin, end == std::string::npos ? end : end - begin));
  }
  return goals;
}

std::string name_of_goal(const std::string& goal) {
  return goal.substr(goal.find('.') + 1);
}

/// The last values of members, by their id: of several metrics a set shows the first alone.
using LastValues = std::map<std::string, Value>;

Result<LastValues> last_values(client::Client& head, const Value& set) {
  LastValues values;
  if (goals_of(set).size() < 2 || !text_of(set, "members_next_page_token").empty()) return values;
  TROUPE_TRY(visit_members(head, set, [&](const Value& member) {
    values.emplace(text_of(member, "id"), map_of(map_of(member, "metrics"), "last"));
  }));
  return values;
}

/// Members of a set: state, the parameters that differ, the values.
Table members_table(const Value& set, const LastValues& last) {
  std::vector<std::string> names;
  for (const auto& parameter : list_of(set, "parameters"))
    names.push_back(text_of(parameter, "name"));
  if (names.empty() && !list_of(set, "members").empty())
    for (const auto& [name, value] : map_of(list_of(set, "members").front(), "params"))
      names.push_back(name);
  std::vector<Table::Column> columns{{"ID"}, {"STATE"}};
  for (const auto& name : names) columns.push_back({name, true, true});
  const auto goals = goals_of(set);
  columns.push_back({goals[0].empty() ? "VALUE" : name_of_goal(goals[0]), true});
  for (size_t i = 1; i < goals.size() && !last.empty(); ++i)
    columns.push_back({name_of_goal(goals[i]), true});
  columns.push_back({""});
  Table table{std::move(columns)};
  std::set<std::string> front;
  for (const auto& member : list_of(set, "front")) front.insert(member.to_text());
  const auto* best = set.find("best");
  auto best_id = best == nullptr ? "" : text_of(*best, "id");
  for (const auto& member : list_of(set, "members")) {
    auto state = text_of(member, "state");
    auto id = text_of(member, "id");
    bool is_best = !best_id.empty() && id == best_id;
    std::vector<Table::Cell> cells{{id}, {state, "", state_colour(state)}};
    const Value params = map_of(member, "params");
    for (const auto& name : names)
      cells.push_back({number_text(params.find(name)), text_of(params, name)});
    cells.push_back({number_text(member.find("value")), text_of(member, "value"),
                     is_best ? Colour::green : Colour::none});
    for (size_t i = 1; i < goals.size() && !last.empty(); ++i) {
      auto values = last.find(id);
      const auto* value =
          values == last.end() ? nullptr : values->second.find(name_of_goal(goals[i]));
      cells.push_back({number_text(value), value == nullptr ? "" : value->to_text()});
    }
    const auto* mark = front.contains(id) ? "front" : is_best ? "best" : "";
    cells.push_back({mark, "", Colour::green});
    table.row(std::move(cells));
  }
  return table;
}

void print_error_of(Session& session, const Value& entry) {
  const auto* error = entry.find("error");
  if (error == nullptr || !error->is_map()) return;
  Error parts{Errc::failed, text_of(*error, "message"), text_of(*error, "detail"),
              text_of(*error, "hint")};
  session.out().line(error_text(parts, session.out().out().colour));
}

}  // namespace

int ls_verb(Session& session) {
  const auto& arguments = session.arguments();
  client::ListOptions options;
  options.project = arguments.get("project");
  options.state = arguments.get("state");
  for (auto& c : options.state) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (!options.state.empty() && !state_from_string(options.state))
    return session.fail({Errc::invalid, fmt::format("there is no state {}", options.state), "",
                         "states: QUEUED PREPARING STARTING RUNNING KILLING FINISHED FAILED KILLED "
                         "SKIPPED"});
  options.set = arguments.get("set");
  options.live = !arguments.has("all") && options.state.empty() && options.set.empty();
  auto limit = arguments.number("limit", 1, 1'000'000);
  if (!limit) return session.fail(limit.error());
  if (options.set.starts_with("last")) {
    auto id = session.select_one(options.set);
    if (!id) return session.fail(id.error());
    options.set = to_string(*id);
  }
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto entries = (*head)->list_all(options, limit->value_or(50));
  if (!entries) return session.fail(entries.error());
  auto& out = session.out();
  if (out.wants_json()) {
    out.json(*entries);
  } else if (out.quiet()) {
    for (const auto& entry : *entries) out.line(text_of(entry, "id"));
  } else if (entries->empty()) {
    if (out.out().terminal)
      out.talk(options.live ? "nothing is waiting or running; `troupe ls -a` lists what has ended"
                            : "nothing found");
  } else {
    out.raw(entries_table(session, *entries).text(out.out()));
  }
  return 0;
}

int show_verb(Session& session) {
  auto id = session.select_one(session.arguments().arguments[0]);
  if (!id) return session.fail(id.error());
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto entry = (*head)->show(*id);
  if (!entry) return session.fail(entry.error());
  auto& out = session.out();
  if (out.wants_json()) {
    out.json(*entry);
    return 0;
  }
  if (out.quiet()) {
    out.line(text_of(*entry, "id"));
    return 0;
  }
  out.raw(sheet(*entry, out, session.clock().now()));
  print_error_of(session, *entry);
  if (text_of(*entry, "kind") == "set" && !list_of(*entry, "members").empty()) {
    if (out.out().terminal) out.line("");
    auto last = last_values(**head, *entry);
    if (!last) return session.fail(last.error());
    out.raw(members_table(*entry, *last).text(out.out()));
    if (auto more = text_of(*entry, "members_next_page_token"); !more.empty())
      out.talk(fmt::format("only the first {} members; all: troupe ls --set {} --limit {}",
                           list_of(*entry, "members").size(), to_string(*id),
                           int_of(*entry, "size")));
    if (out.out().terminal) out.raw(terminal_plots(*entry, out));
  }
  return 0;
}

int why_verb(Session& session) {
  auto id = session.select_one(session.arguments().arguments[0]);
  if (!id) return session.fail(id.error());
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto why = (*head)->why(*id);
  if (!why) return session.fail(why.error());
  auto& out = session.out();
  if (out.wants_json()) {
    out.json(*why);
    return 0;
  }
  auto state = text_of(*why, "state");
  out.line(fmt::format("{} is {}", to_string(*id), out.paint(state_colour(state), state)));
  for (const auto& reason : list_of(*why, "reasons"))
    out.line(fmt::format("  {}", safe_text(reason.to_text())));
  for (const auto& line : list_of(*why, "data"))
    out.line(fmt::format("  {}", safe_text(line.to_text())));
  for (const auto& line : list_of(*why, "search"))
    out.line(fmt::format("  {}", safe_text(line.to_text())));
  if (auto start = text_of(*why, "expected_start"); !start.empty())
    out.line(fmt::format("expected start: {}", start));
  if (auto with = text_of(*why, "starts_now_with"); !with.empty())
    out.line(fmt::format("would start now: {}", safe_text(with)));
  return 0;
}

int best_verb(Session& session) {
  auto set = session.show_one(session.arguments().arguments[0]);
  if (!set) return session.fail(set.error());
  auto id = text_of(*set, "id");
  if (text_of(*set, "kind") != "set")
    return session.fail({Errc::invalid, fmt::format("{} is no set", id),
                         "only a set has a best member", "see `troupe show`"});
  const auto* best = set->find("best");
  if (best == nullptr || !best->is_map() || text_of(*best, "id").empty()) {
    auto metric = text_of(*set, "metric");
    return session.fail({Errc::not_found, fmt::format("{} has no best member yet", id),
                         metric.empty() ? "it was submitted without a metric"
                                        : fmt::format("no member reported {} yet", metric),
                         metric.empty() ? "give one: troupe sweep --metric max.accuracy"
                                        : "see `troupe show` for how its members stand"});
  }
  auto& out = session.out();
  if (out.wants_json()) {
    out.json(*best);
  } else if (out.quiet()) {
    out.line(text_of(*best, "id"));
  } else {
    Table table{{{"WHAT"}, {"VALUE", false, true}}};
    table.row({{"id"}, {text_of(*best, "id"), "", Colour::green}});
    const auto goals = goals_of(*set);
    table.row({{goals[0]}, {text_of(*best, "value"), "", Colour::green}});
    if (goals.size() > 1) {
      auto member = session.show_one(text_of(*best, "id"));
      if (!member) return session.fail(member.error());
      const Value last = map_of(map_of(*member, "metrics"), "last");
      for (size_t i = 1; i < goals.size(); ++i)
        table.row({{goals[i]}, {text_of(last, name_of_goal(goals[i]))}});
    }
    for (const auto& [name, value] : map_of(*best, "params"))
      table.row({{name}, {value.to_text()}});
    for (const auto& member : list_of(*set, "front")) table.row({{"front"}, {member.to_text()}});
    out.raw(table.text(out.out()));
  }
  return 0;
}

int node_ls_verb(Session& session) {
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto answer = (*head)->nodes();
  if (!answer) return session.fail(answer.error());
  const auto& nodes = list_of(*answer, "nodes");
  auto& out = session.out();
  if (out.wants_json()) {
    out.json(nodes);
    return 0;
  }
  Table table{{{"NODE", false, true},
               {"STATE"},
               {"CPUS", true},
               {"MEMORY", true},
               {"GPUS", true},
               {"TYPE", false, true},
               {"JOBS", true},
               {"VERSION"},
               {"JOINED", true}}};
  auto now = session.clock().now();
  for (const auto& node : nodes) {
    if (out.quiet()) {
      out.line(text_of(node, "name"));
      continue;
    }
    auto share = [&](const char* used, const char* all) {
      return fmt::format("{}/{}", number_text(node.find(used)), number_text(node.find(all)));
    };
    auto mem = fmt::format("{}/{}", bytes_text(static_cast<uint64_t>(int_of(node, "mem_used"))),
                           bytes_text(static_cast<uint64_t>(int_of(node, "mem"))));
    auto state = text_of(node, "state");
    table.row({{text_of(node, "name")},
               {state, "", state == "up" ? Colour::green : Colour::yellow},
               {share("cpus_used", "cpus")},
               {mem, share("mem_used", "mem")},
               {share("gpus_used", "gpus")},
               {text_of(node, "gpu_type")},
               {text_of(node, "jobs")},
               {text_of(node, "version")},
               time_cell(text_of(node, "joined"), now)});
  }
  if (!out.quiet()) out.raw(table.text(out.out()));
  return 0;
}

/// A clock that is right, as far as the way of a message can tell, is no news.
std::string clock_text(int64_t ahead_ms) {
  if (std::abs(ahead_ms) < 100) return "right";
  return fmt::format("{} {} of the head's", duration_text(Duration{std::abs(ahead_ms)}),
                     ahead_ms > 0 ? "ahead" : "behind");
}

int node_show_verb(Session& session) {
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto node = (*head)->node(session.arguments().arguments[0]);
  if (!node) return session.fail(node.error());
  auto& out = session.out();
  auto drawing = node_drawing(**head, *node);
  if (auto file = session.arguments().get("svg"); !file.empty()) {
    if (!drawing) return session.fail(drawing.error());
    auto fd = open_file(file, O_CREAT | O_WRONLY | O_TRUNC);
    if (!fd) return session.fail(fd.error());
    auto written = write_all(fd->get(), topology::drawing_svg(drawing->picture()));
    if (!written) return session.fail(written.error());
  }
  if (out.wants_json()) {
    out.json(*node);
    return 0;
  }
  Table table{{{"WHAT"}, {"VALUE", false, true}}};
  auto add = [&](std::string name, std::string text, Colour colour = Colour::none) {
    if (!text.empty()) table.row({{std::move(name)}, {std::move(text), "", colour}});
  };
  auto bytes = [&](const char* key) {
    return bytes_text(static_cast<uint64_t>(int_of(*node, key)));
  };
  auto share = [&](const char* part, const char* all) {
    return fmt::format("{} of {} used", number_text(node->find(part)),
                       number_text(node->find(all)));
  };
  auto state = text_of(*node, "state");
  add("node", text_of(*node, "name"));
  add("state", state, state == "up" ? Colour::green : Colour::yellow);
  add("reason", text_of(*node, "reason"));
  add("cpus", share("cpus_used", "cpus"));
  add("memory", fmt::format("{} of {} used", bytes("mem_used"), bytes("mem")));
  if (int_of(*node, "gpus") != 0) {
    auto kind = text_of(*node, "gpu_type");
    if (int_of(*node, "gpu_mem") != 0)
      kind += fmt::format("{}{} each", kind.empty() ? "" : ", ", bytes("gpu_mem"));
    add("gpus", share("gpus_used", "gpus"));
    add("gpu type", kind);
  }
  for (const auto& device : list_of(*node, "devices"))
    if (auto closed = text_of(device, "closed"); !closed.empty())
      add("closed",
          fmt::format("GPU {} ({}): {}", int_of(device, "index"), text_of(device, "uuid"), closed),
          Colour::yellow);
  for (const auto& [name, value] : map_of(*node, "labels"))
    add("label", fmt::format("{}={}", name, value.to_text()));
  for (const auto& failure : list_of(*node, "failures")) add("failure", failure.to_text());
  for (const auto& drift : list_of(*node, "drift")) add("slow", drift.to_text());
  if (const auto* ahead = node->find("clock_ahead_ms"); ahead != nullptr && ahead->is_int())
    add("clock", clock_text(ahead->as_int()));
  add("version", text_of(*node, "version"));
  if (auto joined = text_of(*node, "joined"); !joined.empty())
    add("joined", fmt::format("{} ({})", joined, ago(joined, session.clock().now())));
  add("jobs", text_of(*node, "jobs"));
  std::string ids;
  for (const auto& id : list_of(*node, "experiments"))
    ids += (ids.empty() ? "" : " ") + id.to_text();
  add("experiments", ids);
  if (const auto* cache = node->find("cache"); cache != nullptr && cache->is_map()) {
    add("cache", cache_text(*cache));
    for (const auto& version : list_of(*cache, "versions"))
      add("data", cached_text(version, false),
          text_of(version, "error").empty() ? Colour::none : Colour::yellow);
  }
  out.raw(table.text(out.out()));
  if (drawing && !out.quiet())
    out.raw("\n" + safe_lines(topology::drawing_text(drawing->picture())));
  return 0;
}

int complete_ids_verb(Session& session) {
  auto head = session.head();
  if (!head) return 0;  // completion says nothing rather than something wrong
  auto page = (*head)->list({});
  if (!page) return 0;
  session.out().line("last");
  for (const auto& entry : list_of(*page, "experiments")) session.out().line(text_of(entry, "id"));
  return 0;
}

}  // namespace troupe::cli
