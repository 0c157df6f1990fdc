#include "client/cpp/remote_source.hpp"

#include "client/cpp/digest_cache.hpp"
#include "client/cpp/http_client.hpp"
#include "client/cpp/s3.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"
#include "storage/dataset/entry_path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <mutex>
#include <sys/file.h>
#include <thread>
#include <vector>

namespace troupe::client {

namespace {

namespace fs = std::filesystem;

constexpr size_t fetches_parallel = 6;
constexpr size_t objects_max = 2'000'000;

/// The name behind the last slash, as a file can have it.
Result<std::string> file_name_of(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  auto host = url.find("://") + 3;
  auto slash = url.rfind('/');
  auto encoded =
      slash == std::string_view::npos || slash < host ? std::string_view{} : url.substr(slash + 1);
  std::string name;
  for (size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] == '%' && i + 2 < encoded.size()) {
      name += static_cast<char>(
          std::strtol(std::string{encoded.substr(i + 1, 2)}.c_str(), nullptr, 16));
      i += 2;
    } else {
      name += encoded[i];
    }
  }
  if (!name.empty() && name.find('/') == std::string::npos && dataset::check_entry_path(name))
    return name;
  return Error{Errc::invalid, fmt::format("{} names no file", url),
               "the part behind its last slash is to be the file's name",
               "give the address of a file, or fetch it yourself and push that"};
}

class Fetcher {
 public:
  Fetcher(std::string folder, const std::function<bool(uint64_t)>& progress)
      : folder_{std::move(folder)}, progress_{progress} {}

  Result<LocalCopy> web(const std::string& url) {
    auto name = file_name_of(url);
    if (!name) return std::move(name).error();
    auto path = folder_ + "/file/" + *name;
    TROUPE_TRY(fetch_to_file({url, {}, progress_}, path, mark_of(*name)));
    return LocalCopy{path, folder_};
  }

  Result<LocalCopy> s3(const std::string& url) {
    auto name = parse_s3_url(url);
    if (!name) return std::move(name).error();
    place_ = s3_place([](const char* variable) { return std::getenv(variable); });
    if (name->key.empty() || name->key.ends_with('/')) return prefix(*name);
    auto file =
        file_name_of("s3://" + url_encode(name->bucket) + "/" + url_encode(name->key, true));
    if (!file) return std::move(file).error();
    auto path = folder_ + "/file/" + *file;
    auto object = s3_object_url(place_, name->bucket, name->key);
    auto whole = fetch_to_file({object, place_.signature, progress_}, path, mark_of(*file));
    if (whole) return LocalCopy{path, folder_};
    if (whole.error().code != Errc::not_found) return std::move(whole).error();
    auto below = *name;
    below.key += '/';
    auto all = prefix(below);
    // Of nothing below it either: what was asked for is not there.
    if (!all && all.error().code == Errc::not_found) return std::move(whole).error();
    return all;
  }

 private:
  std::string mark_of(const std::string& name) const {
    return fmt::format("{}/marks/{}", folder_, sha256_hex(name));
  }

  Result<LocalCopy> prefix(const S3Name& name) {
    std::vector<S3Object> objects;
    std::string token;
    do {
      auto text = fetch_text({s3_list_url(place_, name, token), place_.signature});
      if (!text) return std::move(text).error();
      auto page = parse_s3_page(*text);
      if (!page) return std::move(page).error();
      for (auto& object : page->objects)
        if (!object.key.ends_with('/')) objects.push_back(std::move(object));
      if (objects.size() > objects_max)
        return Error{Errc::refused, "there are too many objects",
                     fmt::format("more than {} below {}", objects_max, name.key),
                     "push a tar file of them"};
      token = page->next_token;
    } while (!token.empty());
    if (objects.empty())
      return Error{Errc::not_found,
                   fmt::format("there is nothing in s3://{}/{}", name.bucket, name.key),
                   "no object's name begins so", "is the bucket right?"};
    auto tree = folder_ + "/tree";
    std::error_code none;
    fs::remove_all(folder_ + "/file", none);  // what was tried as one object
    TROUPE_TRY(fetch_all(name, objects, tree));
    return LocalCopy{tree, folder_};
  }

  Result<void> fetch_all(const S3Name& name, const std::vector<S3Object>& objects,
                         const std::string& tree) {
    std::atomic<size_t> next{0};
    std::mutex mutex;
    Result<void> first = ok();
    auto failed = [&](Error error) {
      std::lock_guard guard{mutex};
      if (first) first = std::move(error);
      next = objects.size();
    };
    auto work = [&] {
      for (size_t i = next++; i < objects.size(); i = next++)
        if (auto done = fetch_one(name, objects[i], tree); !done) failed(done.error());
    };
    std::vector<std::thread> threads;
    for (size_t i = 0; i < std::min(fetches_parallel, objects.size()); ++i)
      threads.emplace_back(work);
    for (auto& thread : threads) thread.join();
    return first;
  }

  Result<void> fetch_one(const S3Name& name, const S3Object& object, const std::string& tree) {
    auto below = object.key.substr(name.key.size());
    TROUPE_TRY(dataset::check_entry_path(below));
    auto path = tree + "/" + below;
    TROUPE_TRY(make_dirs(fs::path{path}.parent_path()));
    auto url = s3_object_url(place_, name.bucket, object.key);
    return fetch_to_file({url, place_.signature, progress_}, path, mark_of(below));
  }

  std::string folder_;
  const std::function<bool(uint64_t)>& progress_;
  S3Place place_;
};

}  // namespace

bool is_remote(std::string_view source) {
  return source.starts_with("http://") || source.starts_with("https://") ||
         source.starts_with("s3://");
}

Result<std::string> local_source(std::string_view source) {
  auto scheme = source.find("://");
  if (scheme == std::string_view::npos || scheme > 10) return std::string{source};
  if (source.starts_with("file:///")) return std::string{source.substr(7)};
  std::error_code none;
  if (fs::exists(fs::path{source}, none)) return std::string{source};  // an odd name, but a name
  return Error{Errc::invalid, fmt::format("{} cannot be pushed", source.substr(0, 200)),
               "nobody knows how to fetch that",
               "give a path, or file://, http://, https://, s3://"};
}

std::string shown_source(const std::string& source) {
  if (!is_remote(source)) return source;
  auto shown = source.substr(0, source.find_first_of("?#"));
  auto host = shown.find("://") + 3;
  auto path = shown.find('/', host);
  auto at = shown.rfind('@', path);
  if (at != std::string::npos && at > host) shown.erase(host, at + 1 - host);
  return shown;
}

Result<LocalCopy> fetch_source(const std::string& url,
                               const std::function<bool(uint64_t bytes)>& progress) {
  auto cache = user_cache_folder();
  if (cache.empty())
    return Error{Errc::invalid, "there is no place for what is fetched", "HOME is not set",
                 "set XDG_CACHE_HOME to a folder with room for it"};
  auto folder = fmt::format("{}/downloads/{}", cache, sha256_hex(url).substr(0, 16));
  for (const auto* below : {"/marks", "/file"}) TROUPE_TRY(make_dirs(folder + below, 0700));
  auto lock = open_file(folder + ".lock", O_RDWR | O_CREAT, 0600);
  if (!lock) return std::move(lock).error();
  if (::flock(lock->get(), LOCK_EX | LOCK_NB) != 0)
    return Error{Errc::conflict, fmt::format("{} is being fetched", shown_source(url)),
                 "by another push of this user", "wait for that one"};
  Fetcher fetcher{folder, progress};
  return url.starts_with("s3://") ? fetcher.s3(url) : fetcher.web(url);
}

void drop_copy(const LocalCopy& copy) {
  std::error_code none;
  fs::remove_all(copy.folder, none);
  fs::remove(copy.folder + ".lock", none);
}

}  // namespace troupe::client
