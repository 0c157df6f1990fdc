#include "storage/code_store.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::storage {

namespace {

constexpr size_t manifest_bytes_max = 64u << 20;  // 100,000 entries with long paths
constexpr size_t named_max = 5;                   // missing blobs that an error names

Error no_digest(std::string_view text) {
  return Error{Errc::invalid, "this is no digest of a code snapshot",
               fmt::format("\"{}\"", text.substr(0, 80)), "give 64 hexadecimal digits"};
}

}  // namespace

Result<CodeStore> CodeStore::open(const std::string& dir) {
  auto root = dir + "/code";
  auto blobs = BlobStore::open(root + "/blobs", "code file");
  if (!blobs) return std::move(blobs).error();
  TROUPE_TRY(make_dirs(root + "/manifests", 0700));
  return CodeStore{root, std::move(*blobs)};
}

std::string CodeStore::manifest_path(const std::string& digest) const {
  return fmt::format("{}/manifests/{}", root_, digest);
}

Result<std::string> CodeStore::put_manifest(std::string_view text) const {
  auto manifest = parse_manifest(text);
  if (!manifest) return std::move(manifest).error();
  auto canonical = manifest_text(*manifest);
  auto digest = sha256_hex(canonical);
  {
    // From now on somebody counts on it.
    std::lock_guard guard{*touching_};
    if (::utimensat(AT_FDCWD, manifest_path(digest).c_str(), nullptr, 0) == 0) return digest;
  }
  std::unordered_set<std::string> seen;
  std::vector<std::string> digests, lacking;
  for (const auto& entry : manifest->entries) {
    if (entry.is_link || !seen.insert(entry.digest).second) continue;
    auto size = blobs_.touch(entry.digest) ? blobs_.size(entry.digest) : Result<uint64_t>{Error{}};
    if (!size) {
      lacking.push_back(entry.path);
    } else if (*size != entry.size) {
      return Error{Errc::invalid, "a code manifest was refused",
                   fmt::format("{} is said to have {} bytes, its content has {}", entry.path,
                               entry.size, *size),
                   "submit again"};
    }
    digests.push_back(entry.digest);
  }
  if (!lacking.empty()) {
    std::string names;
    for (size_t i = 0; i < std::min(lacking.size(), named_max); ++i)
      names += (i ? ", " : "") + lacking[i];
    return Error{Errc::conflict, "a code manifest was refused",
                 fmt::format("{} files were not sent yet: {}{}", lacking.size(), names,
                             lacking.size() > named_max ? ", ..." : ""),
                 "send these files first"};
  }
  TROUPE_TRY(blobs_.sync(digests));
  TROUPE_TRY(replace_file(manifest_path(digest), canonical, 0400));
  return digest;
}

Result<std::string> CodeStore::manifest(const std::string& digest) const {
  if (!is_digest(digest)) return no_digest(digest);
  auto text = read_file(manifest_path(digest), manifest_bytes_max);
  if (!text && text.error().code == Errc::not_found)
    return Error{Errc::not_found, fmt::format("code snapshot {} is not known", digest),
                 "no manifest of that digest was stored", "submit with the code again"};
  return text;
}

Result<std::vector<std::string>> CodeStore::manifests() const {
  std::vector<std::string> digests;
  std::error_code code;
  std::filesystem::directory_iterator it{root_ + "/manifests", code}, end;
  for (; !code && it != end; it.increment(code))
    if (auto name = it->path().filename().string(); is_digest(name)) digests.push_back(name);
  if (code) return errno_error(code.value(), fmt::format("{} cannot be listed", root_));
  return digests;
}

Result<void> CodeStore::check_manifest(const std::string& digest) const {
  auto text = manifest(digest);
  if (!text) return std::move(text).error();
  if (sha256_hex(*text) == digest) return ok();
  return Error{Errc::corrupt, fmt::format("code snapshot {} is damaged", digest),
               "its list of files has another digest", "submit with the code again"};
}

Result<void> CodeStore::set_aside_manifest(const std::string& digest) const {
  TROUPE_TRY(make_dirs(root_ + "/aside", 0700));
  auto to = fmt::format("{}/aside/{}", root_, digest);
  if (::rename(manifest_path(digest).c_str(), to.c_str()) == 0 || errno == ENOENT) return ok();
  return errno_error(errno, "a code snapshot cannot be moved aside");
}

Result<void> CodeStore::set_aside_blob(const std::string& digest) const {
  return blobs_.set_aside(digest, root_ + "/aside");
}

uint64_t CodeStore::drop_aside(FileTime than, bool dry_run) const {
  return storage::drop_aside(root_ + "/aside", than, dry_run);
}

Result<bool> CodeStore::remove_older(const std::string& digest, FileTime than, bool dry_run) const {
  std::lock_guard guard{*touching_};
  auto path = manifest_path(digest);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || time_of(info) >= than) return false;
  if (!dry_run && ::unlink(path.c_str()) != 0)
    return errno_error(errno, "a code snapshot cannot be removed");
  return true;
}

Result<CodeStore::Collected> CodeStore::collect(
    FileTime than, bool dry_run, const std::unordered_set<std::string>& named) const {
  auto stored = manifests();
  if (!stored) return std::move(stored).error();
  Collected collected;
  std::unordered_set<std::string> used;
  for (const auto& digest : *stored) {
    auto removed =
        named.contains(digest) ? Result<bool>{false} : remove_older(digest, than, dry_run);
    if (!removed) return std::move(removed).error();
    if (*removed) {
      ++collected.snapshots;
      continue;
    }
    auto text = manifest(digest);
    auto parsed = text ? parse_manifest(*text) : Result<CodeManifest>{text.error()};
    if (!parsed) {
      collected.kept = fmt::format("code snapshot {} cannot be read", digest);
      return collected;
    }
    for (const auto& entry : parsed->entries)
      if (!entry.is_link) used.insert(entry.digest);
  }
  std::vector<std::pair<std::string, uint64_t>> unused;
  TROUPE_TRY(blobs_.visit([&](const std::string& digest, uint64_t bytes, FileTime time) {
    if (time < than && !used.contains(digest)) unused.emplace_back(digest, bytes);
  }));
  for (const auto& [digest, bytes] : unused) {
    auto removed = dry_run ? Result<bool>{true} : blobs_.remove_older(digest, than);
    if (!removed) return std::move(removed).error();
    if (!*removed) continue;
    ++collected.files;
    collected.bytes += bytes;
  }
  return collected;
}

}  // namespace troupe::storage
