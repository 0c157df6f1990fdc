// out ls, out get, code get: files that come back from the head.
#include "client/cli/commands.hpp"
#include "client/cli/session.hpp"
#include "runtime/core/code_manifest.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fcntl.h>
#include <filesystem>

namespace troupe::cli {

namespace {

namespace fs = std::filesystem;

/// Relative, without "." or ".." or empty parts: such a path cannot leave the folder it is put in.
bool stays_inside(std::string_view path) {
  if (path.empty() || path.front() == '/') return false;
  while (!path.empty()) {
    auto slash = path.find('/');
    auto part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  }
  return true;
}

Error outside(const std::string& path) {
  return {Errc::invalid, fmt::format("the path {} cannot be fetched", path),
          "it must be relative and stay inside the output folder", "see `troupe out ls`"};
}

bool is_complete(const Value& answer) {
  const auto* complete = answer.find("complete");
  return complete == nullptr || !complete->is_bool() || complete->as_bool();
}

Error not_all(ExperimentId id, const std::string& done) {
  return {Errc::exhausted, fmt::format("not all outputs of {} were {}", to_string(id), done),
          "it left more files than a list can name, or folders nested too deep",
          fmt::format("name the rest: troupe out get {} PATH; an archive holds any number of files",
                      to_string(id))};
}

/// One output file, through a name beside it so that a broken download leaves nothing behind.
Result<void> fetch(client::Client& head, ExperimentId id, const std::string& path,
                   const std::string& target) {
  if (auto made = make_dirs(fs::path{target}.parent_path().string()); !made) return made;
  auto part = target + ".part";
  auto file = open_file(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
  if (!file) return std::move(file).error();
  std::optional<Error> failure;
  bool ended = false;
  auto bytes = [&](std::string_view piece) {
    if (failure) return;
    if (auto written = write_all(file->get(), piece); !written) failure = written.error();
  };
  auto end = [&](Result<void> result) {
    if (!result && !failure) failure = result.error();
    ended = true;
  };
  auto stream = head.read_output(id, path, bytes, end);
  while (!ended && !failure) head.http().pump(Duration{60'000});
  std::error_code none;
  if (failure) {
    fs::remove(part, none);
    return *failure;
  }
  std::error_code renamed;
  fs::rename(part, target, renamed);
  if (renamed) return errno_error(renamed.value(), fmt::format("{} cannot be written", target));
  return ok();
}

}  // namespace

int out_ls_verb(Session& session) {
  auto id = session.select_one(session.arguments().arguments[0]);
  if (!id) return session.fail(id.error());
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto answer = (*head)->outputs(*id);
  if (!answer) return session.fail(answer.error());
  const auto& outputs = list_of(*answer, "outputs");
  auto& out = session.out();
  if (auto note = text_of(*answer, "note"); !note.empty()) out.talk("warning: " + note);
  if (out.wants_json()) {
    out.json(outputs);
    if (is_complete(*answer)) return 0;
    out.talk("warning: " + not_all(*id, "listed").what);
    return 0;
  }
  Table table{{{"PATH", false, true}, {"SIZE", true}, {"MODIFIED", true}}};
  for (const auto& entry : outputs) {
    auto path = text_of(entry, "path");
    if (out.quiet()) {
      out.line(path);
      continue;
    }
    if (auto target = text_of(entry, "target"); !target.empty()) path += " -> " + target;
    auto modified = text_of(entry, "modified");
    table.row({{path},
               {bytes_text(static_cast<uint64_t>(int_of(entry, "size"))), text_of(entry, "size")},
               {ago(modified, session.clock().now()), modified}});
  }
  if (!table.empty()) out.raw(table.text(out.out()));
  if (!is_complete(*answer)) out.talk("warning: " + not_all(*id, "listed").what);
  return 0;
}

int out_get_verb(Session& session) {
  const auto& arguments = session.arguments();
  auto id = session.select_one(arguments.arguments[0]);
  if (!id) return session.fail(id.error());
  auto wanted = arguments.arguments.size() > 1 ? arguments.arguments[1] : "";
  while (wanted.size() > 1 && wanted.ends_with('/')) wanted.pop_back();
  if (!wanted.empty() && !stays_inside(wanted)) return session.fail(outside(wanted));
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto answer = (*head)->outputs(*id);
  if (!answer) return session.fail(answer.error());
  auto folder = arguments.has("dir") ? arguments.get("dir") : std::string{"."};
  ValueList fetched;
  auto& out = session.out();
  if (auto note = text_of(*answer, "note"); !note.empty()) out.talk("warning: " + note);
  for (const auto& entry : list_of(*answer, "outputs")) {
    auto path = text_of(entry, "path");
    bool below = wanted.empty() || path == wanted || path.starts_with(wanted + "/");
    const auto* link = entry.find("is_link");
    if (!below || (link != nullptr && link->is_bool() && link->as_bool())) continue;
    if (!stays_inside(path)) return session.fail(outside(path));
    // One file by name lands in the folder itself, a folder or everything keeps its paths.
    auto name = path == wanted ? fs::path{path}.filename().string() : path;
    auto target = (fs::path{folder} / name).string();
    if (auto done = fetch(**head, *id, path, target); !done) return session.fail(done.error());
    if (!out.wants_json()) out.line(target);
    fetched.emplace_back(
        ValueMap{{"path", path}, {"file", target}, {"size", int_of(entry, "size")}});
  }
  if (!is_complete(*answer)) {
    bool exact = fetched.size() == 1 && text_of(fetched.front(), "path") == wanted;
    if (wanted.empty() || (!fetched.empty() && !exact))
      return session.fail(not_all(*id, "fetched"));
    if (fetched.empty()) {  // perhaps one of those that no list names
      auto target = (fs::path{folder} / fs::path{wanted}.filename()).string();
      if (auto done = fetch(**head, *id, wanted, target); !done) return session.fail(done.error());
      if (!out.wants_json()) out.line(target);
      fetched.emplace_back(ValueMap{{"path", wanted}, {"file", target}});
    }
  }
  if (fetched.empty() && !wanted.empty())
    return session.fail({Errc::not_found,
                         fmt::format("{} has no output {}", to_string(*id), wanted), "",
                         fmt::format("see `troupe out ls {}`", to_string(*id))});
  if (out.wants_json()) out.json(fetched);
  return 0;
}

int code_get_verb(Session& session) {
  const auto& arguments = session.arguments();
  auto id = session.select_one(arguments.arguments[0]);
  if (!id) return session.fail(id.error());
  if (!arguments.has("dir"))
    return session.fail({Errc::invalid, "where to?", "", "give a folder: -o DIR"});
  auto folder = arguments.get("dir");
  std::error_code none;
  if (fs::exists(folder, none) && !fs::is_empty(folder, none))
    return session.fail({Errc::conflict, fmt::format("{} is not empty", folder), "",
                         "give a folder that is empty or does not exist"});
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto entry = (*head)->show(*id);
  if (!entry) return session.fail(entry.error());
  auto digest = text_of(Value{map_of(*entry, "code")}, "digest");
  if (digest.empty())
    return session.fail({Errc::not_found, fmt::format("{} has no code", to_string(*id)),
                         "it was submitted with --no-code", ""});
  auto text = (*head)->get_manifest(digest);
  if (!text) return session.fail(text.error());
  auto manifest = parse_manifest(*text);
  if (!manifest) return session.fail(manifest.error());
  for (const auto& file : manifest->entries) {
    auto target = (fs::path{folder} / file.path).string();
    if (auto made = make_dirs(fs::path{target}.parent_path().string()); !made)
      return session.fail(made.error());
    if (file.is_link) {
      std::error_code failure;
      fs::create_symlink(file.target, target, failure);
      if (failure) return session.fail(errno_error(failure.value(), "cannot link " + target));
      continue;
    }
    auto bytes = (*head)->get_blob(file.digest);
    if (!bytes) return session.fail(bytes.error());
    if (sha256_hex(*bytes) != file.digest)
      return session.fail({Errc::corrupt, fmt::format("{} arrived damaged", file.path), "",
                           "try again; if it stays, see the head's log"});
    auto mode = file.executable ? 0755u : 0644u;
    if (auto written = replace_file(target, *bytes, mode, false); !written)
      return session.fail(written.error());
  }
  auto& out = session.out();
  if (out.wants_json())
    out.json(ValueMap{{"digest", digest}, {"dir", folder}, {"files", manifest->entries.size()}});
  else
    out.line(folder);
  return 0;
}

}  // namespace troupe::cli
