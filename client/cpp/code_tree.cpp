#include "client/cpp/code_tree.hpp"

#include "client/cpp/digest_cache.hpp"
#include "client/cpp/ignore_rules.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::client {

namespace {

constexpr size_t ignore_file_bytes_max = 1u << 20;
// Over the limit the walk goes on, to name the largest folder; but not over a whole disk.
constexpr size_t walk_factor = 10;
constexpr size_t depth_max = 256;

struct Found {
  CodeEntry entry;
  struct stat info;
};

class Walk {
 public:
  Walk(std::string root, const ScanOptions& options) : root_{std::move(root)}, options_{options} {}

  Result<void> run() {
    TROUPE_TRY(folder("", 0));
    TROUPE_TRY(check_limits());
    std::sort(found_.begin(), found_.end(),
              [](const Found& a, const Found& b) { return a.entry.path < b.entry.path; });
    return ok();
  }

  std::vector<Found>& found() { return found_; }
  std::vector<std::string>& warnings() { return warnings_; }

 private:
  struct Total {
    uint64_t bytes = 0;
    size_t files = 0;
  };

  std::string full(const std::string& path) const {
    return path.empty() ? root_ : root_ + "/" + path;
  }

  Result<std::vector<std::string>> names_in(const std::string& path) const {
    DIR* dir = ::opendir(full(path).c_str());
    if (dir == nullptr)
      return errno_error(errno, fmt::format("the folder {} could not be read", full(path)),
                         "make it readable, or name it in .troupeignore");
    std::vector<std::string> names;
    while (const auto* item = ::readdir(dir)) {
      std::string name{item->d_name};
      if (name != "." && name != ".." && name != ".git") names.push_back(std::move(name));
    }
    ::closedir(dir);
    return names;
  }

  Result<void> add_rules(const std::string& path) {
    for (const auto* name : {".gitignore", ".troupeignore"}) {
      auto file = full(path) + "/" + name;
      struct stat info {};
      if (::lstat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
      auto text = read_file(file, ignore_file_bytes_max);
      if (!text) return std::move(text).error();
      rules_.add(*text, path);
    }
    return ok();
  }

  Result<void> folder(const std::string& path, size_t depth) {
    if (depth > depth_max)
      return Error{Errc::invalid, fmt::format("the folder {} lies too deep", full(path)),
                   fmt::format("more than {} levels below {}", depth_max, root_),
                   "name it in .troupeignore"};
    auto mark = rules_.mark();
    TROUPE_TRY(add_rules(path));
    auto names = names_in(path);
    if (!names) return std::move(names).error();
    for (const auto& name : *names) {
      if (found_.size() > options_.files_max * walk_factor) break;
      TROUPE_TRY(item(path.empty() ? name : path + "/" + name, depth));
    }
    rules_.cut_to(mark);
    return ok();
  }

  Result<void> item(const std::string& path, size_t depth) {
    struct stat info {};
    if (::lstat(full(path).c_str(), &info) != 0) {
      if (errno == ENOENT) return ok();  // gone since its name was read
      return errno_error(errno, fmt::format("{} could not be looked at", full(path)));
    }
    if (rules_.ignores(path, S_ISDIR(info.st_mode))) return ok();
    // The manifest's text is JSON, which would change such a name.
    if (auto same = parse_json(json_text(Value{path})); !same || same->to_text() != path)
      return Error{Errc::invalid, fmt::format("the name of {} is no UTF-8", json_text(full(path))),
                   "", "rename it, or name it in .troupeignore"};
    if (S_ISDIR(info.st_mode)) return folder(path, depth + 1);
    if (S_ISLNK(info.st_mode)) return link(path, info);
    if (!S_ISREG(info.st_mode)) {
      warnings_.push_back(fmt::format("{} is no file, folder or link: left out", path));
      return ok();
    }
    CodeEntry entry;
    entry.path = path;
    entry.executable = (info.st_mode & S_IXUSR) != 0;
    entry.size = static_cast<uint64_t>(info.st_size);
    add(std::move(entry), info);
    return ok();
  }

  Result<void> link(const std::string& path, const struct stat& info) {
    std::string target(PATH_MAX, '\0');
    auto size = ::readlink(full(path).c_str(), target.data(), target.size());
    if (size < 0) return errno_error(errno, fmt::format("{} could not be read", full(path)));
    target.resize(static_cast<size_t>(size));
    if (!link_stays_inside(path, target))
      return Error{Errc::invalid, fmt::format("the link {} leaves the project", path),
                   fmt::format("it leads to {}; a job sees only what lies below {}", target, root_),
                   fmt::format("make it a relative link that goes up only at its beginning, copy "
                               "what it leads to, or name it in .troupeignore: /{}",
                               path)};
    CodeEntry entry;
    entry.path = path;
    entry.is_link = true;
    entry.target = std::move(target);
    add(std::move(entry), info);
    return ok();
  }

  void add(CodeEntry entry, const struct stat& info) {
    total_.bytes += entry.size;
    ++total_.files;
    if (auto slash = entry.path.find('/'); slash != std::string::npos) {
      auto& folder_total = folders_[entry.path.substr(0, slash)];
      folder_total.bytes += entry.size;
      ++folder_total.files;
    }
    if (!entry.is_link && entry.size >= largest_size_) {
      largest_size_ = entry.size;
      largest_ = entry.path;
    }
    found_.push_back({std::move(entry), info});
  }

  Result<void> check_limits() const {
    const char* hint =
        "name what the job does not need in .troupeignore, push data with troupe "
        "data push, or leave the code out with --no-code";
    if (total_.files > options_.files_max)
      return Error{
          Errc::invalid, fmt::format("{} has too many files for a code snapshot", root_),
          fmt::format("{}{} files, at most {}{}", total_.files,
                      found_.size() > options_.files_max * walk_factor ? " or more" : "",
                      options_.files_max, largest_folder([](const Total& t) { return t.files; })),
          hint};
    if (total_.bytes > options_.bytes_max)
      return Error{
          Errc::invalid, fmt::format("{} is too large for a code snapshot", root_),
          fmt::format("{}, at most {}; the largest file is {} ({}){}", bytes_text(total_.bytes),
                      bytes_text(options_.bytes_max), largest_, bytes_text(largest_size_),
                      largest_folder([](const Total& t) { return t.bytes; })),
          hint};
    return ok();
  }

  template <class Measure>
  std::string largest_folder(Measure measure) const {
    auto most = std::max_element(
        folders_.begin(), folders_.end(),
        [&](const auto& a, const auto& b) { return measure(a.second) < measure(b.second); });
    if (most == folders_.end()) return {};
    return fmt::format("; the largest folder is {}/ ({} files, {})", most->first,
                       most->second.files, bytes_text(most->second.bytes));
  }

  std::string root_;
  const ScanOptions& options_;
  IgnoreRules rules_;
  std::vector<Found> found_;
  std::vector<std::string> warnings_;
  Total total_;
  std::map<std::string, Total> folders_;  // by the first part of the path
  uint64_t largest_size_ = 0;
  std::string largest_;
};

/// Fills in the digest, and the size as it was read: what is hashed is what is sent.
Result<void> hash_file(const std::string& file, CodeEntry& entry) {
  auto fd = open_file(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) {
    auto error = std::move(fd).error();
    error.hint = "make it readable, or name it in .troupeignore";
    return error;
  }
  Sha256 hash;
  entry.size = 0;
  std::string buffer(limits::chunk_bytes, '\0');
  while (true) {
    auto n = ::read(fd->get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, fmt::format("{} could not be read", file));
    if (n == 0) break;
    entry.size += static_cast<uint64_t>(n);
    hash.add(std::string_view{buffer}.substr(0, static_cast<size_t>(n)));
  }
  entry.digest = hash.finish();
  return ok();
}

}  // namespace

Result<CodeTree> scan_code_tree(const std::string& root, const ScanOptions& options) {
  Walk walk{root, options};
  TROUPE_TRY(walk.run());
  CodeTree tree;
  tree.warnings = std::move(walk.warnings());
  std::optional<DigestCache> cache;
  if (options.use_cache) cache.emplace(options.cache_dir, root);
  for (auto& [entry, info] : walk.found()) {
    if (!entry.is_link) {
      if (cache) entry.digest = cache->find(entry.path, info);
      if (entry.digest.empty()) {
        TROUPE_TRY(hash_file(root + "/" + entry.path, entry));
        ++tree.hashed;
      }
      // A size that moved while it was read says that the stamp is not that of the digest.
      if (cache && entry.size == static_cast<uint64_t>(info.st_size))
        cache->put(entry.path, info, entry.digest);
    }
    tree.manifest.entries.push_back(std::move(entry));
  }
  if (cache) cache->save();
  return tree;
}

Result<std::string> read_code_file(const std::string& root, const CodeEntry& entry) {
  auto bytes = read_file(root + "/" + entry.path, entry.size);
  if (!bytes || sha256_hex(*bytes) != entry.digest)
    return Error{Errc::conflict, fmt::format("{} changed while it was submitted", entry.path),
                 bytes ? "its bytes are not those that were listed" : bytes.error().detail,
                 "submit again"};
  return std::move(*bytes);
}

}  // namespace troupe::client
