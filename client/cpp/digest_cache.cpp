#include "client/cpp/digest_cache.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>

namespace troupe::client {

std::string user_cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/')
    return std::string{cache} + "/troupe";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/')
    return std::string{home} + "/.cache/troupe";
  return {};
}

namespace {

constexpr size_t digest_size = 64;

/// ctime cannot be set back, so that a file with its old mtime restored is read again.
std::string stamp_of(const struct stat& info) {
  return fmt::format("{},{}.{},{}.{},{},{}", info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec, info.st_ino,
                     info.st_dev);
}

}  // namespace

DigestCache::DigestCache(const std::string& dir, const std::string& root) {
  auto folder = dir.empty() ? user_cache_folder() : dir;
  if (folder.empty()) return;
  file_ = fmt::format("{}/code-{}", folder, sha256_hex(root).substr(0, 32));
  auto text = read_file(file_);
  if (!text) return;
  std::string_view rest{*text};
  while (!rest.empty()) {  // DIGEST STAMP PATH
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    auto space = line.find(' ', digest_size + 1);
    if (line.size() < digest_size + 2 || space == std::string_view::npos) continue;
    known_.insert_or_assign(
        std::string{line.substr(space + 1)},
        Known{std::string{line.substr(digest_size + 1, space - digest_size - 1)},
              std::string{line.substr(0, digest_size)}});
  }
}

std::string DigestCache::find(const std::string& path, const struct stat& info) const {
  auto it = known_.find(path);
  return it != known_.end() && it->second.stamp == stamp_of(info) ? it->second.digest : "";
}

void DigestCache::put(const std::string& path, const struct stat& info, const std::string& digest) {
  // A file changed again within the clock's grain keeps its stamp: what is this young is not kept.
  constexpr time_t young_s = 2;
  if (std::time(nullptr) - info.st_mtim.tv_sec < young_s) return;
  if (path.find('\n') != std::string::npos) return;
  kept_.insert_or_assign(path, Known{stamp_of(info), digest});
}

void DigestCache::save() const {
  if (file_.empty()) return;
  std::string text;
  for (const auto& [path, known] : kept_)
    text += fmt::format("{} {} {}\n", known.digest, known.stamp, path);
  auto folder = std::filesystem::path{file_}.parent_path().string();
  if (!make_dirs(folder, 0700)) return;
  // Only a cache: when it cannot be written, the next scan reads the files again.
  if (auto written = replace_file(file_, text, 0600, false); !written) return;
}

}  // namespace troupe::client
