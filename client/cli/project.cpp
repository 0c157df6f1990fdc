#include "client/cli/project.hpp"

#include "client/cpp/code_tree.hpp"
#include "hpo/expression.hpp"
#include "hpo/import.hpp"
#include "runtime/config/yaml_tree.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <map>
#include <set>

namespace troupe::cli {

namespace {

namespace fs = std::filesystem;

constexpr size_t uploads_parallel = 8;  // enough to hide the head's fsync, few enough to be polite

Result<std::string> current_folder() {
  std::error_code failure;
  auto folder = fs::current_path(failure).string();
  if (failure) return errno_error(failure.value(), "the current folder cannot be read");
  return folder;
}

/// The project file to read; empty where there is none.
Result<std::string> project_file(const Arguments& arguments, const std::string& folder) {
  if (arguments.has("file")) {
    std::error_code none;
    return fs::absolute(arguments.get("file"), none).lexically_normal().string();
  }
  auto root = config::find_project_root(folder);
  return root ? fmt::format("{}/{}", *root, config::project_file_name) : std::string{};
}

std::string shown_path(const std::string& file, const std::string& folder) {
  auto relative = fs::path{file}.lexically_relative(folder).string();
  return relative.empty() ? file : relative;
}

bool is_sweep_option(std::string_view name) {
  constexpr std::array names{"strategy",  "trials",     "concurrency", "metric",
                             "stop-when", "early-stop", "budget"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The condition that ends a sweep is a language of its own, which the project file's reader does
/// not know: its errors get the place of the file here.
Result<void> check_stop_when(const config::ProjectFile& file, const std::string& file_name) {
  const auto& sweep = file.submission.sweep;
  if (!sweep || sweep->stop_when.empty()) return ok();
  auto parsed = hpo::Expression::parse(sweep->stop_when);
  if (parsed) return ok();
  auto error = std::move(parsed).error();
  if (auto at = file.positions.find("sweep.stop_when"); at != file.positions.end()) {
    const auto& [line, column, option] = at->second;
    auto place = option.empty() ? fmt::format("{}:{}:{}", file_name, line, column) : option;
    error.what = fmt::format("{}: {}", place, error.what);
  }
  return error;
}

/// "lr=0.01": a value as --param takes it, of the type it has.
Result<std::string> pair_text(const std::string& name, const Value& value,
                              const std::string& file) {
  if (value.is_list() || value.is_map() || value.is_null())
    return Error{Errc::invalid, fmt::format("{} of {} is {}", name, file, value.kind()),
                 "a parameter of a run is a number, a text or a bool", "leave it out"};
  if (!value.is_string()) return name + "=" + value.to_text();
  std::string quoted = "'";
  for (auto c : value.as_string()) quoted += c == '\'' ? std::string{"''"} : std::string{c};
  return name + "=" + quoted + "'";
}

/// The parameters of a file as `troupe best -o json` writes it, or of a map alone.
Result<std::vector<std::string>> params_from(const std::string& file) {
  auto text = read_file(file == "-" ? "/dev/stdin" : file, limits::project_file_bytes_max);
  if (!text)
    return Error{text.error().code, text.error().what, text.error().detail,
                 "troupe best 42 -o json > best.json"};
  auto value = parse_json(*text);
  const auto* params = !value                             ? nullptr
                       : value->find("params") == nullptr ? &*value
                                                          : value->find("params");
  if (params == nullptr || !params->is_map())
    return Error{Errc::invalid, fmt::format("{} has no parameters", file),
                 value ? "a JSON map is wanted, or one with `params`" : value.error().detail,
                 "troupe best 42 -o json > best.json"};
  std::vector<std::string> pairs;
  for (const auto& [name, one] : params->as_map()) {
    auto pair = pair_text(name, one, file);
    if (!pair) return std::move(pair).error();
    pairs.push_back(std::move(*pair));
  }
  return pairs;
}

/// The search space of another program as a piece of a project file.
Result<std::string> space_from(const std::string& file) {
  auto about = [&](const Error& error) {
    auto detail = error.detail.empty() ? error.what : error.what + ": " + error.detail;
    return Error{error.code, fmt::format("--space {}", file), detail, error.hint};
  };
  auto text = read_file(file == "-" ? "/dev/stdin" : file, limits::project_file_bytes_max);
  if (!text) {
    auto failure = std::move(text).error();
    if (failure.hint.empty())
      failure.hint = "name a file of Determined, Katib or ConfigSpace, of at most 1 MiB";
    return about(failure);
  }
  auto tree = config::parse_yaml(*text, file, {.bytes_max = limits::project_file_bytes_max});
  if (!tree) return about(tree.error());
  auto document = config::plain_value(*tree);
  if (!document) return about(document.error());
  auto space = hpo::import_space(*document);
  if (!space) return about(space.error());
  return hpo::project_text(*space);
}

/// Each parameter once: of two the first would be lost without a word.
Result<void> check_params_once(const std::vector<std::string>& pairs) {
  std::set<std::string> names;
  for (const auto& pair : pairs)
    if (auto name = pair.substr(0, pair.find('=')); !names.insert(name).second)
      return Error{Errc::invalid, fmt::format("--param {} is given twice", name), "",
                   fmt::format("give all its values at once: --param {}=1,2,3", name)};
  return ok();
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> override_options(
    const Arguments& arguments, bool sweep) {
  constexpr std::array names{"project",     "name",
                             "param",       "cpus",
                             "mem",         "gpus",
                             "gpu-type",    "gpu-mem",
                             "node-label",  "preemptible",
                             "exclusive",   "workers",
                             "processes",   "data",
                             "env",         "setup",
                             "priority",    "retries",
                             "max-time",    "max-processes",
                             "watchdog",    "watchdog-action",
                             "label",       "after",
                             "seed",        "strategy",
                             "trials",      "metric",
                             "concurrency", "stop-when",
                             "early-stop",  "mount-method",
                             "launch",      "budget",
                             "receipt"};
  TROUPE_TRY(check_params_once(arguments.all("param")));
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& file : arguments.all("space")) {
    auto space = space_from(file);
    if (!space) return std::move(space).error();
    out.emplace_back("space", std::move(*space));
  }
  for (const auto& file : arguments.all("params-from")) {
    auto pairs = params_from(file);
    if (!pairs) return std::move(pairs).error();
    for (auto& pair : *pairs) out.emplace_back("param", std::move(pair));
  }
  for (const auto* name : names)
    if (sweep || !is_sweep_option(name))
      for (auto& value : arguments.all(name)) out.emplace_back(name, std::move(value));
  return out;
}

Result<std::string> project_here() {
  auto folder = current_folder();
  if (!folder) return folder;
  auto root = config::find_project_root(*folder);
  if (!root) return config::project_name_of(*folder);
  auto file = fmt::format("{}/{}", *root, config::project_file_name);
  auto text = read_file(file, limits::project_file_bytes_max);
  if (!text) return config::project_name_of(*root);
  config::Request request;
  request.default_project = config::project_name_of(*root);
  auto read = config::parse_project_file(*text, shown_path(file, *folder), request);
  if (!read) return std::move(read).error();
  return read->submission.experiment.project;
}

Result<Wanted> read_wanted(Session& session, config::Purpose purpose) {
  const auto& arguments = session.arguments();
  auto folder = current_folder();
  if (!folder) return std::move(folder).error();
  auto file = project_file(arguments, *folder);
  if (!file) return std::move(file).error();
  config::Request request;
  request.purpose = purpose;
  auto options = override_options(arguments, purpose == config::Purpose::sweep);
  if (!options) return std::move(options).error();
  request.options = std::move(*options);
  for (auto& [name, value] : request.options) {
    if (name != "after" || !value.starts_with("last")) continue;
    auto id = session.select_one(value);
    if (!id) return std::move(id).error();
    value = to_string(*id);
  }
  if (!arguments.arguments.empty()) request.task = arguments.arguments[0];
  if (arguments.has("ask")) request.options.emplace_back("ask", "true");
  if (arguments.command) request.command = Command{"", *arguments.command};
  Wanted wanted;
  wanted.root = file->empty() ? *folder : fs::path{*file}.parent_path().string();
  request.default_project = config::project_name_of(wanted.root);
  if (file->empty()) {
    if (!request.command && !arguments.has("ask"))
      return Error{Errc::invalid, "nothing to run",
                   fmt::format("there is no {} here or above, and no command was given",
                               config::project_file_name),
                   "troupe run -- CMD, or `troupe init` for a project file"};
    auto read = config::without_project_file(request);
    if (!read) return std::move(read).error();
    wanted.file = std::move(*read);
    TROUPE_TRY(check_stop_when(wanted.file, {}));
    return wanted;
  }
  auto text = read_file(*file, limits::project_file_bytes_max);
  if (!text)
    return Error{Errc::invalid, fmt::format("{} cannot be read", shown_path(*file, *folder)),
                 text.error().detail, "a project file is at most 1 MiB of YAML"};
  auto read = config::parse_project_file(*text, shown_path(*file, *folder), request);
  if (!read) return std::move(read).error();
  wanted.file = std::move(*read);
  TROUPE_TRY(check_stop_when(wanted.file, shown_path(*file, *folder)));
  return wanted;
}

Result<std::string> sync_code(Session& session, const std::string& root) {
  auto start = session.clock().monotonic();
  auto tree = client::scan_code_tree(root);
  if (!tree) return std::move(tree).error();
  auto& out = session.out();
  for (const auto& warning : tree->warnings) out.talk("warning: " + warning);
  if (tree->manifest.entries.empty()) return std::string{};
  std::map<std::string, const CodeEntry*> files;
  for (const auto& entry : tree->manifest.entries)
    if (!entry.is_link) files.emplace(entry.digest, &entry);
  std::vector<std::string> digests;
  for (const auto& [digest, entry] : files) digests.push_back(digest);
  auto head = session.head();
  if (!head) return std::move(head).error();
  auto missing = (*head)->missing_blobs(digests);
  if (!missing) return std::move(missing).error();
  uint64_t bytes = 0;
  auto upload = [&](size_t at) -> Result<client::HttpRequest> {
    auto found = files.find((*missing)[at]);
    if (found == files.end())
      return Error{Errc::bug, "the head asks for a file it was not told of", "", ""};
    if (found->second->size > limits::http_blob_body_max)
      return Error{Errc::invalid, fmt::format("{} is too large for code", found->second->path),
                   fmt::format("{}; one file may have {}", bytes_text(found->second->size),
                               bytes_text(limits::http_blob_body_max)),
                   "name it in .troupeignore and keep it where jobs can read it"};
    auto content = client::read_code_file(root, *found->second);
    if (!content) return std::move(content).error();
    bytes += content->size();
    return client::Client::blob_upload(found->first, std::move(*content));
  };
  auto sent = (*head)->http().send_all(missing->size(), uploads_parallel, upload);
  if (!sent) return sent.error();
  auto digest = (*head)->put_manifest(manifest_text(tree->manifest));
  if (!digest) return digest;
  if (!out.quiet() && !out.wants_json()) {
    auto ms = (session.clock().monotonic() - start).count() / 1'000'000;
    auto total = tree->manifest.entries.size();
    const auto* files_word = total == 1 ? "file" : "files";
    if (missing->empty())
      out.talk(fmt::format("code unchanged, {} {}, {} ms", total, files_word, ms));
    else
      out.talk(fmt::format("synced {} of {} {}, {}, {} ms", missing->size(), total, files_word,
                           bytes_text(bytes), ms));
  }
  return digest;
}

}  // namespace troupe::cli
