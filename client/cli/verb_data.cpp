// data push, ls, show, get, head, diff, tag, rm.
#include "client/cli/cached_text.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/progress.hpp"
#include "client/cli/session.hpp"
#include "client/cpp/dataset_transfer.hpp"
#include "client/cpp/remote_source.hpp"
#include "runtime/core/dataset.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <mutex>

namespace troupe::cli {

namespace {

namespace fs = std::filesystem;

constexpr size_t head_rows = 10;
constexpr size_t head_entries = 30;
constexpr size_t head_bytes = 64u << 10;  // in which so many rows are looked for

std::string bytes_of(const Value& version, std::string_view key) {
  return bytes_text(static_cast<uint64_t>(int_of(version, key)));
}

/// A name with or without a version, as an argument; outputs of experiments are none.
Result<DatasetRef> dataset_argument(const std::string& text) {
  auto ref = parse_dataset_ref(text);
  if (ref && ref->output)
    return Error{Errc::invalid, fmt::format("{} is no dataset", text),
                 "it is the outputs of an experiment", "troupe out ls ID"};
  return ref;
}

/// The one that is meant, by its name and number.
std::string title(const Value& version) {
  return fmt::format("{}:{}", text_of(version, "name"), text_of(version, "version"));
}

Result<dataset::Manifest> manifest_of(Session& session, const std::string& argument) {
  auto ref = dataset_argument(argument);
  if (!ref) return std::move(ref).error();
  auto head = session.head();
  if (!head) return std::move(head).error();
  return client::fetch_manifest(**head, ref->name, ref->which);
}

Result<dataset::HeaderRow> header_row(const Arguments& arguments) {
  auto text = arguments.has("header") ? arguments.get("header") : std::string{"auto"};
  if (text == "auto") return dataset::HeaderRow::automatic;
  if (text == "yes") return dataset::HeaderRow::yes;
  if (text == "no") return dataset::HeaderRow::no;
  return Error{Errc::invalid, fmt::format("--header {} is not known", text), "",
               "give auto, yes or no"};
}

/// First lines of a file of rows, each as it is.
Result<void> print_rows(Session& session, client::BlockReader& reader,
                        const dataset::Manifest& manifest, const dataset::Table& table) {
  std::string text;
  auto take = [&](std::string_view bytes) {
    text += bytes;
    return ok();
  };
  TROUPE_TRY(reader.read(manifest.entries[table.entry].content, head_bytes, take));
  size_t from = 0;
  for (size_t row = 0; row < head_rows && from < text.size(); ++row) {
    auto end = std::min(text.find('\n', from), text.size());
    auto line = text.substr(from, end - from);
    session.out().line(session.out().out().terminal ? safe_text(line) : line);
    from = end + 1;
  }
  return ok();
}

Value difference_value(const dataset::Difference& one) {
  const char* change = one.change == dataset::Change::added     ? "added"
                       : one.change == dataset::Change::removed ? "removed"
                                                                : "changed";
  return ValueMap{{"change", change},
                  {"path", one.path},
                  {"size_before", static_cast<int64_t>(one.size_before)},
                  {"size_after", static_cast<int64_t>(one.size_after)}};
}

void say_pushed(Session& session, const client::PushResult& pushed, const Progress& progress) {
  auto& out = session.out();
  for (const auto& note : pushed.notes) out.talk("note: " + note);
  if (out.wants_json()) return out.json(pushed.version);
  if (out.quiet()) return out.line(title(pushed.version));
  out.line(fmt::format("{}\t{} files\t{}\t{}", title(pushed.version),
                       int_of(pushed.version, "files"), bytes_of(pushed.version, "bytes"),
                       pushed.unchanged ? "unchanged" : text_of(pushed.version, "digest")));
  out.talk(fmt::format("sent {} in {} blocks, {:.1f} s, {}", bytes_text(pushed.uploaded_bytes),
                       pushed.uploaded_blocks, progress.seconds(),
                       rate_text(pushed.stats.bytes, progress.seconds())));
}

/// The source as a path of this machine: what lies elsewhere is fetched.
Result<client::LocalCopy> local_copy(Session& session, const std::string& source) {
  if (client::is_remote(source)) {
    Progress progress{session.out(), session.clock(), "fetching"};
    std::mutex mutex;  // objects of a prefix come on several threads
    auto copy = client::fetch_source(source, [&](uint64_t bytes) {
      std::lock_guard guard{mutex};
      progress.add(bytes);
      return true;
    });
    progress.clear();
    return copy;
  }
  auto path = client::local_source(source);
  if (!path) return std::move(path).error();
  return client::LocalCopy{std::move(*path), {}};
}

/// push --from: the head fetches the outputs itself.
int push_outputs(Session& session, client::DatasetPush push) {
  const auto& arguments = session.arguments();
  auto text = arguments.get("from");
  auto ref = parse_dataset_ref(text.ends_with("/out") ? text : text + "/out");
  if (!ref) return session.fail(ref.error());
  for (const char* option : {"no-records", "unpack", "header"})
    if (arguments.has(option))
      return session.fail({Errc::invalid, fmt::format("--{} does not go with --from", option),
                           "outputs become a version as they are", "leave it out"});
  auto head = session.head();
  if (!head) return session.fail(head.error());
  push.from = to_string(*ref->output);
  push.source = to_string(*ref);
  auto version = (*head)->push_dataset(push);
  if (!version) return session.fail(version.error());
  auto& out = session.out();
  if (out.wants_json())
    out.json(*version);
  else if (out.quiet())
    out.line(title(*version));
  else
    out.line(fmt::format("{}\t{} files\t{}\t{}", title(*version), int_of(*version, "files"),
                         bytes_of(*version, "bytes"), text_of(*version, "digest")));
  return 0;
}

}  // namespace

int data_push_verb(Session& session) {
  const auto& arguments = session.arguments();
  const auto& name = arguments.arguments[0];
  if (auto good = check_dataset_name(name); !good) return session.fail(good.error());
  client::DatasetPush push;
  push.name = name;
  push.tag = arguments.has("tag") ? arguments.get("tag") : std::string{};
  if (!push.tag.empty())
    if (auto good = check_dataset_tag(push.tag); !good) return session.fail(good.error());
  if (arguments.has("from") == (arguments.arguments.size() > 1))
    return session.fail(
        {Errc::invalid, "what is to be pushed?",
         arguments.has("from") ? "a path and --from are two sources" : "there is no path",
         "give a path, a URL, or --from ID/out"});
  if (arguments.has("from")) return push_outputs(session, std::move(push));
  client::PushSource source;
  source.path = arguments.arguments[1];
  source.options.records = !arguments.has("no-records");
  source.options.unpack = arguments.has("unpack");
  auto header = header_row(arguments);
  if (!header) return session.fail(header.error());
  source.options.header = *header;
  auto head = session.head();
  if (!head) return session.fail(head.error());
  // Before anything is fetched: is there a head that will take it?
  if (auto known = (*head)->dataset(name); !known && known.error().code != Errc::not_found)
    return session.fail(known.error());
  auto copy = local_copy(session, source.path);
  if (!copy) return session.fail(copy.error());
  push.source = client::shown_source(source.path);
  if (!client::is_remote(source.path)) {
    std::error_code none;
    push.source = fs::absolute(copy->path, none).lexically_normal().string();
  }
  source.path = copy->path;
  Progress progress{session.out(), session.clock(), "pushing " + name};
  auto pushed = client::push_path(**head, std::move(source), std::move(push),
                                  [&](uint64_t bytes) { progress.add(bytes); });
  progress.clear();
  if (!pushed) return session.fail(pushed.error());
  if (!copy->folder.empty()) client::drop_copy(*copy);
  say_pushed(session, *pushed, progress);
  return 0;
}

int data_ls_verb(Session& session) {
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto datasets = (*head)->datasets();
  if (!datasets) return session.fail(datasets.error());
  auto& out = session.out();
  if (out.wants_json()) {
    out.json(*datasets);
    return 0;
  }
  Table table{{{"NAME"},
               {"VERSION", true},
               {"SIZE", true},
               {"FILES", true},
               {"RECORDS", true},
               {"PUSHED"},
               {"BY"},
               {"SOURCE", false, true}}};
  for (const auto& version : *datasets) {
    if (out.quiet()) {
      out.line(text_of(version, "name"));
      continue;
    }
    auto created = text_of(version, "created");
    auto records = int_of(version, "records");
    table.row({{text_of(version, "name"), "", Colour::bold},
               {text_of(version, "version")},
               {bytes_of(version, "bytes"), text_of(version, "bytes")},
               {text_of(version, "files")},
               {records == 0 ? "" : fmt::to_string(records)},
               {ago(created, session.clock().now()), created},
               {text_of(version, "user")},
               {text_of(version, "source")}});
  }
  if (!table.empty()) out.raw(table.text(out.out()));
  return 0;
}

int data_show_verb(Session& session) {
  auto ref = dataset_argument(session.arguments().arguments[0]);
  if (!ref) return session.fail(ref.error());
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto version = (*head)->dataset_version(ref->name, ref->which);
  // By its number: where it lies is said of one version alone.
  if (version && ref->which.empty())
    version = (*head)->dataset_version(ref->name, text_of(*version, "version"));
  if (!version) return session.fail(version.error());
  auto all = (*head)->dataset(ref->name);
  if (!all) return session.fail(all.error());
  auto& out = session.out();
  if (out.wants_json()) {
    auto shown = version->as_map();
    shown["tags"] = Value{list_of(*all, "tags")};
    shown["versions"] = Value{list_of(*all, "versions")};
    out.json(shown);
    return 0;
  }
  auto row = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) out.line(fmt::format("{:<10}{}", name, value));
  };
  out.line(out.paint(Colour::bold, title(*version)));
  row("size",
      fmt::format("{} in {} files", bytes_of(*version, "bytes"), int_of(*version, "files")));
  row("stored",
      fmt::format("{} in {} blocks", bytes_of(*version, "payload"), int_of(*version, "blocks")));
  if (int_of(*version, "records") != 0) row("records", text_of(*version, "records"));
  row("digest", text_of(*version, "digest"));
  row("pushed", fmt::format("{} by {}", text_of(*version, "created"), text_of(*version, "user")));
  row("source", text_of(*version, "source"));
  row("from", text_of(*version, "from"));
  std::string tags, numbers;
  for (const auto& tag : list_of(*all, "tags"))
    tags += fmt::format("{}{} = {}", tags.empty() ? "" : ", ", text_of(tag, "tag"),
                        text_of(tag, "version"));
  for (const auto& one : list_of(*all, "versions"))
    numbers += fmt::format("{}{}", numbers.empty() ? "" : ", ", text_of(one, "version"));
  row("versions", numbers);
  row("tags", tags);
  for (const auto& node : list_of(*version, "nodes")) row("node", cached_text(node, true));
  return 0;
}

int data_get_verb(Session& session) {
  const auto& arguments = session.arguments();
  auto manifest = manifest_of(session, arguments.arguments[0]);
  if (!manifest) return session.fail(manifest.error());
  auto head = session.head();
  Progress progress{session.out(), session.clock(), "getting " + arguments.arguments[0]};
  auto done = client::fetch_tree(**head, *manifest, arguments.arguments[1],
                                 [&](uint64_t bytes) { progress.add(bytes); });
  progress.clear();
  if (!done) return session.fail(done.error());
  auto& out = session.out();
  if (out.wants_json())
    out.json(ValueMap{{"folder", arguments.arguments[1]},
                      {"files", static_cast<int64_t>(manifest->file_count())},
                      {"bytes", static_cast<int64_t>(manifest->file_bytes())}});
  else
    out.line(arguments.arguments[1]);
  return 0;
}

int data_head_verb(Session& session) {
  auto manifest = manifest_of(session, session.arguments().arguments[0]);
  if (!manifest) return session.fail(manifest.error());
  auto head = session.head();
  auto& out = session.out();
  ValueList tables;
  client::BlockReader reader{**head, *manifest};
  for (const auto& table : manifest->tables) {
    const auto& path = manifest->entries[table.entry].path;
    auto about = parse_json(table.about);
    if (out.wants_json()) {
      tables.emplace_back(ValueMap{{"path", path},
                                   {"records", static_cast<int64_t>(table.count)},
                                   {"about", about ? *about : Value{}}});
      continue;
    }
    out.line(out.paint(Colour::bold, fmt::format("{}  {} records  {}", safe_text(path), table.count,
                                                 safe_text(table.about))));
    // Records of one size are binary.
    if (table.stride == 0)
      if (auto done = print_rows(session, reader, *manifest, table); !done)
        return session.fail(done.error());
  }
  ValueList entries;
  for (const auto& entry : manifest->entries) {
    if (entries.size() == head_entries) break;
    entries.emplace_back(ValueMap{{"path", entry.path},
                                  {"size", static_cast<int64_t>(entry.content.size)},
                                  {"is_directory", entry.is_directory}});
    if (out.wants_json() || !manifest->tables.empty()) continue;
    out.line(entry.is_directory
                 ? safe_text(entry.path) + "/"
                 : fmt::format("{}\t{}", safe_text(entry.path), bytes_text(entry.content.size)));
  }
  if (out.wants_json())
    out.json(ValueMap{{"tables", std::move(tables)}, {"entries", std::move(entries)}});
  else if (manifest->tables.empty() && manifest->entries.size() > head_entries)
    out.talk(fmt::format("and {} more", manifest->entries.size() - head_entries));
  return 0;
}

int data_diff_verb(Session& session) {
  const auto& arguments = session.arguments();
  auto before = manifest_of(session, arguments.arguments[0]);
  if (!before) return session.fail(before.error());
  auto after = manifest_of(session, arguments.arguments[1]);
  if (!after) return session.fail(after.error());
  auto& out = session.out();
  ValueList list;
  for (const auto& one : dataset::differences(*before, *after)) {
    if (out.wants_json()) {
      list.push_back(difference_value(one));
      continue;
    }
    auto [sign, colour] = one.change == dataset::Change::added     ? std::pair{'+', Colour::green}
                          : one.change == dataset::Change::removed ? std::pair{'-', Colour::red}
                                                                   : std::pair{'~', Colour::yellow};
    out.line(out.paint(colour, fmt::format("{} {}", sign, safe_text(one.path))));
  }
  if (out.wants_json()) out.json(list);
  return 0;
}

int data_tag_verb(Session& session) {
  const auto& arguments = session.arguments();
  auto ref = dataset_argument(arguments.arguments[0]);
  if (!ref) return session.fail(ref.error());
  auto head = session.head();
  if (!head) return session.fail(head.error());
  uint32_t number = 0;
  if (!arguments.has("remove")) {
    auto version = (*head)->dataset_version(ref->name, ref->which);
    if (!version) return session.fail(version.error());
    number = static_cast<uint32_t>(int_of(*version, "version"));
  }
  auto done = (*head)->tag_dataset(ref->name, arguments.arguments[1], number);
  return done ? 0 : session.fail(done.error());
}

int data_rm_verb(Session& session) {
  auto ref = dataset_argument(session.arguments().arguments[0]);
  if (!ref) return session.fail(ref.error());
  bool number = !ref->which.empty() && std::all_of(ref->which.begin(), ref->which.end(),
                                                   [](char c) { return c >= '0' && c <= '9'; });
  if (!number)
    return session.fail({Errc::invalid, "which version is to be removed?",
                         "it cannot be had back, so it is named by its number",
                         fmt::format("troupe data rm {}:NUMBER", ref->name)});
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto done = (*head)->drop_dataset(ref->name, ref->which);
  return done ? 0 : session.fail(done.error());
}

}  // namespace troupe::cli
