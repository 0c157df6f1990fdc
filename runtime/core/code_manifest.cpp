#include "runtime/core/code_manifest.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <optional>
#include <unordered_set>

namespace troupe {

namespace {

constexpr size_t path_bytes_max = 4096;  // Linux's PATH_MAX
// A path, a digest and the names of the fields, with every byte of the path escaped.
constexpr size_t line_bytes_max = 16 * path_bytes_max;

Value entry_value(const CodeEntry& entry) {
  if (entry.is_link) return ValueMap{{"path", entry.path}, {"target", entry.target}};
  ValueMap map{{"digest", entry.digest}, {"path", entry.path}, {"size", entry.size}};
  if (entry.executable) map.emplace("executable", true);
  return map;
}

std::string entry_line(const CodeEntry& entry) {
  return json_text(entry_value(entry)) + "\n";
}

bool is_clean_path(std::string_view path) {
  if (path.empty() || path.size() > path_bytes_max || path.find('\0') != std::string_view::npos)
    return false;
  while (true) {
    auto slash = path.find('/');
    auto part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

Error bad_manifest(std::string detail) {
  return Error{Errc::invalid, "a code manifest was refused", std::move(detail),
               "submit again with a client of the same version"};
}

/// The entry of one line; nothing where the line is not exactly what manifest_text writes.
std::optional<CodeEntry> entry_from(std::string_view line) {
  auto value = parse_json(line, {.bytes_max = line_bytes_max, .depth_max = 2});
  if (!value) return std::nullopt;
  CodeEntry entry;
  const auto* path = value->find("path");
  if (path == nullptr || !path->is_string()) return std::nullopt;
  entry.path = path->as_string();
  if (const auto* target = value->find("target")) {
    if (!target->is_string()) return std::nullopt;
    entry.is_link = true;
    entry.target = target->as_string();
  } else {
    const auto* digest = value->find("digest");
    const auto* size = value->find("size");
    if (digest == nullptr || !digest->is_string() || size == nullptr || !size->is_int() ||
        size->as_int() < 0)
      return std::nullopt;
    entry.digest = digest->as_string();
    entry.size = static_cast<uint64_t>(size->as_int());
    entry.executable = value->find("executable") != nullptr;
  }
  // One text for one tree: unknown fields, spaces and other spellings are refused here.
  if (json_text(entry_value(entry)) != line) return std::nullopt;
  return entry;
}

std::optional<Error> check_entry(const CodeEntry& entry) {
  if (!is_clean_path(entry.path))
    return bad_manifest(fmt::format("\"{}\" is no path inside a tree", entry.path));
  if (entry.is_link && !link_stays_inside(entry.path, entry.target))
    return bad_manifest(fmt::format("the link {} -> {} leaves the tree", entry.path, entry.target));
  if (!entry.is_link && !is_digest(entry.digest))
    return bad_manifest(fmt::format("{} has no SHA-256 digest", entry.path));
  return std::nullopt;
}

std::optional<Error> check_whole(const CodeManifest& manifest) {
  uint64_t bytes = 0;
  std::unordered_set<std::string_view> paths;
  for (const auto& entry : manifest.entries) {
    if (entry.size > limits::code_bytes_max - bytes)
      return bad_manifest(
          fmt::format("the files are larger than {} together", bytes_text(limits::code_bytes_max)));
    bytes += entry.size;
    paths.insert(entry.path);
  }
  for (const auto& entry : manifest.entries)
    for (auto slash = entry.path.find('/'); slash != std::string::npos;
         slash = entry.path.find('/', slash + 1))
      if (auto above = std::string_view{entry.path}.substr(0, slash); paths.contains(above))
        return bad_manifest(fmt::format("{} lies below {}, which is no folder", entry.path, above));
  return std::nullopt;
}

}  // namespace

std::string manifest_text(const CodeManifest& manifest) {
  std::string text;
  for (const auto& entry : manifest.entries) text += entry_line(entry);
  return text;
}

Result<CodeManifest> parse_manifest(std::string_view text) {
  CodeManifest manifest;
  while (!text.empty()) {
    if (manifest.entries.size() == limits::code_files_max)
      return bad_manifest(fmt::format("more than {} files", limits::code_files_max));
    auto end = text.find('\n');
    auto number = manifest.entries.size() + 1;
    if (end == std::string_view::npos)
      return bad_manifest(fmt::format("line {} has no end", number));
    auto entry = entry_from(text.substr(0, end));
    if (!entry) return bad_manifest(fmt::format("line {} is not in canonical form", number));
    if (auto error = check_entry(*entry)) return *error;
    if (!manifest.entries.empty() && entry->path <= manifest.entries.back().path)
      return bad_manifest(fmt::format("line {} is out of order or there twice", number));
    manifest.entries.push_back(std::move(*entry));
    text.remove_prefix(end + 1);
  }
  if (auto error = check_whole(manifest)) return *error;
  return manifest;
}

std::string manifest_digest(const CodeManifest& manifest) {
  Sha256 hash;
  for (const auto& entry : manifest.entries) hash.add(entry_line(entry));
  return hash.finish();
}

bool link_stays_inside(std::string_view path, std::string_view target) {
  if (target.empty() || target.size() > path_bytes_max || target.front() == '/' ||
      target.find('\0') != std::string_view::npos)
    return false;
  size_t depth = 0;
  for (char c : path) depth += c == '/' ? 1 : 0;
  bool down = false;
  while (!target.empty()) {
    auto slash = target.find('/');
    auto part = target.substr(0, slash);
    target.remove_prefix(slash == std::string_view::npos ? target.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      down = true;
      continue;
    }
    // "a/.." is where a leads to and up from there, if a is a link: only leading ".." can be judged
    // by their text.
    if (down || depth == 0) return false;
    --depth;
  }
  return true;
}

}  // namespace troupe
