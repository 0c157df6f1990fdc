// data fsck, gc, du: what lies on disks.
#include "client/cli/commands.hpp"
#include "client/cli/session.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace troupe::cli {

namespace {

constexpr size_t short_digest = 12;
constexpr size_t experiments_shown = 20;

std::string bytes_at(const Value& map, std::string_view key) {
  return bytes_text(static_cast<uint64_t>(int_of(map, key)));
}

std::string joined(const ValueList& list) {
  std::string text;
  for (const auto& one : list)
    text += (text.empty() ? "" : ", ") + (one.is_string() ? one.as_string() : std::string{});
  return text;
}

Table::Cell size_cell(const Value& map, std::string_view key) {
  return {bytes_at(map, key), text_of(map, key)};
}

/// One problem, and below it what it hurts.
void print_problem(Output& out, const Value& problem) {
  auto node = text_of(problem, "node");
  auto what = fmt::format(
      "{} {}{}: {}", text_of(problem, "kind"), text_of(problem, "digest").substr(0, short_digest),
      node.empty() ? "" : " on node " + node, safe_text(text_of(problem, "detail")));
  bool cured = problem.find("cured") != nullptr && *problem.find("cured") == Value{true};
  out.line(out.paint(cured ? Colour::yellow : Colour::red, what));
  if (auto versions = joined(list_of(problem, "versions")); !versions.empty())
    out.line("  hurts " + versions);
  for (const auto& file : list_of(problem, "files"))
    if (file.is_string()) out.line("    " + safe_text(file.as_string()));
  if (auto more = int_of(problem, "unlisted"); more > 0)
    out.line(fmt::format("    and {} more", more));
  if (auto cure = text_of(problem, "cure"); !cure.empty()) out.line("  " + safe_text(cure));
}

/// Of problems that are still there.
size_t uncured(const Value& check) {
  size_t count = 0;
  for (const auto& problem : list_of(check, "problems")) {
    const auto* cured = problem.find("cured");
    count += cured == nullptr || *cured != Value{true} ? 1 : 0;
  }
  return count;
}

void print_versions(Output& out, const char* title, const ValueList& versions) {
  if (versions.empty()) return;
  out.line(out.paint(Colour::bold, title));
  Table table{{{"VERSION"}, {"SIZE", true}, {"ITS OWN", true}}};
  for (const auto& version : versions) {
    auto name = text_of(version, "name");
    if (name.find('/') == std::string::npos) name += ":" + text_of(version, "version");
    table.row({{name}, size_cell(version, "bytes"), size_cell(version, "own")});
  }
  out.raw(table.text(out.out()));
}

void print_nodes(Output& out, const ValueList& nodes) {
  if (nodes.empty()) return;
  out.line(out.paint(Colour::bold, "nodes"));
  Table table{{{"NODE"},
               {"CACHE", true},
               {"OUTPUTS", true},
               {"CHECKPOINTS", true},
               {"LOGS", true},
               {"FREE", true},
               {"", false, true}}};
  for (const auto& node : nodes)
    table.row({{text_of(node, "node")},
               size_cell(node, "cache"),
               size_cell(node, "outputs"),
               size_cell(node, "checkpoints"),
               size_cell(node, "logs"),
               size_cell(node, "disk_free"),
               {text_of(node, "error"), "", Colour::yellow}});
  out.raw(table.text(out.out()));
}

void print_experiments(Output& out, const Value& use) {
  const auto& all = list_of(use, "experiments");
  if (all.empty()) return;
  out.line(out.paint(Colour::bold, "experiments"));
  Table table{{{"ID"},
               {"PROJECT"},
               {"OUTPUTS", true},
               {"CHECKPOINTS", true},
               {"LOGS", true},
               {"NODES", false, true}}};
  // A terminal shows the largest; whoever reads it with a program gets all.
  auto shown = out.out().terminal ? std::min(all.size(), experiments_shown) : all.size();
  for (size_t i = 0; i < shown; ++i) {
    const auto& one = all[i];
    table.row({{text_of(one, "id")},
               {text_of(one, "project")},
               size_cell(one, "outputs"),
               size_cell(one, "checkpoints"),
               size_cell(one, "logs"),
               {joined(list_of(one, "nodes"))}});
  }
  out.raw(table.text(out.out()));
  auto beyond = all.size() - shown + static_cast<size_t>(int_of(use, "unlisted"));
  if (beyond > 0) out.talk(fmt::format("and {} more experiments", beyond));
}

}  // namespace

int data_fsck_verb(Session& session) {
  const auto& arguments = session.arguments();
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto check = (*head)->check_store(arguments.has("repair"), arguments.has("nodes"));
  if (!check) return session.fail(check.error());
  auto& out = session.out();
  auto bad = uncured(*check);
  const auto& unasked = list_of(*check, "unasked");
  int code = bad == 0 && unasked.empty() ? 0 : 1;
  if (out.wants_json()) {
    out.json(*check);
    return code;
  }
  for (const auto& problem : list_of(*check, "problems")) {
    if (out.quiet())
      out.line(text_of(problem, "digest"));
    else
      print_problem(out, problem);
  }
  for (const auto& node : unasked) out.talk("not asked: " + node.as_string());
  out.talk(fmt::format(
      "{} blocks, {} manifests, {} code files{}: {} read, {}", int_of(*check, "blocks"),
      int_of(*check, "manifests"), int_of(*check, "code_files"),
      arguments.has("nodes")
          ? fmt::format(", {} versions on nodes", int_of(*check, "node_versions"))
          : std::string{},
      bytes_at(*check, "bytes"), bad == 0 ? "all is well" : fmt::format("{} damaged", bad)));
  if (bad != 0 && !arguments.has("repair")) out.talk("hint: troupe data fsck --repair");
  return code;
}

int data_gc_verb(Session& session) {
  const auto& arguments = session.arguments();
  std::optional<Duration> older_than;
  if (arguments.has("older-than")) {
    auto age = parse_duration(arguments.get("older-than"));
    if (!age) return session.fail(age.error());
    older_than = *age;
  }
  bool dry_run = arguments.has("dry-run");
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto done = (*head)->collect_store(dry_run, older_than);
  if (!done) return session.fail(done.error());
  auto& out = session.out();
  if (out.wants_json()) {
    out.json(*done);
    return 0;
  }
  Table table{{{"KIND"}, {"WHAT"}, {"NODE"}, {"SIZE", true}, {"WHY", false, true}}};
  for (const auto& item : list_of(*done, "items")) {
    if (out.quiet()) {
      out.line(text_of(item, "name"));
      continue;
    }
    auto name = text_of(item, "name");
    if (text_of(item, "kind") == "manifest" && out.out().terminal)
      name = name.substr(0, short_digest);
    table.row({{text_of(item, "kind")},
               {name},
               {text_of(item, "node")},
               size_cell(item, "bytes"),
               {text_of(item, "why")}});
  }
  if (!table.empty()) out.raw(table.text(out.out()));
  for (const auto& note : list_of(*done, "notes"))
    if (note.is_string()) out.talk("note: " + safe_text(note.as_string()));
  out.talk(fmt::format("{} {}", bytes_at(*done, "freed"), dry_run ? "would be freed" : "freed"));
  return 0;
}

int data_du_verb(Session& session) {
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto use = (*head)->store_use(session.arguments().has("head-only"));
  if (!use) return session.fail(use.error());
  auto& out = session.out();
  if (out.wants_json()) {
    out.json(*use);
    return 0;
  }
  print_versions(out, "datasets", list_of(*use, "datasets"));
  print_versions(out, "copies of outputs", list_of(*use, "copies"));
  out.line(out.paint(Colour::bold, "head"));
  Table table{{{""}, {"SIZE", true}, {""}}};
  auto row = [&](const char* name, std::string_view key, std::string about) {
    if (int_of(*use, key) != 0) table.row({{name}, size_cell(*use, key), {std::move(about)}});
  };
  row("data", "data", "blocks of all versions, shared ones once");
  row("unused", "unused", "that no version has: troupe data gc");
  row("aside", "aside", "damaged, moved aside");
  row("code", "code", fmt::format("files of {} snapshots", int_of(*use, "snapshots")));
  row("records", "records", "experiments, events, metrics");
  out.raw(table.text(out.out()));
  print_nodes(out, list_of(*use, "nodes"));
  print_experiments(out, *use);
  return 0;
}

}  // namespace troupe::cli
