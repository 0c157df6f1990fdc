#include "storage/code_store.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sys/stat.h>
#include <unordered_set>

namespace troupe::storage {

namespace {

constexpr size_t manifest_bytes_max = 64u << 20;  // 100,000 entries with long paths
constexpr size_t named_max = 5;                   // missing blobs that an error names

Error no_digest(std::string_view text) {
  return Error{Errc::invalid, "this is no digest of a code snapshot",
               fmt::format("\"{}\"", text.substr(0, 80)), "give 64 hexadecimal digits"};
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
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
  if (exists(manifest_path(digest))) return digest;
  std::unordered_set<std::string> seen;
  std::vector<std::string> digests, lacking;
  for (const auto& entry : manifest->entries) {
    if (entry.is_link || !seen.insert(entry.digest).second) continue;
    auto size = blobs_.size(entry.digest);
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

}  // namespace troupe::storage
