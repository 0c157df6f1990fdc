// Digests of files that have not changed since they were last read, one cache file a project root.
#pragma once

#include <cstdint>
#include <string>
#include <sys/stat.h>
#include <unordered_map>

namespace troupe::client {

/// Of this user, for all that can be had again; empty where there is none.
std::string user_cache_folder();

class DigestCache {
 public:
  /// An empty `dir` means the user's cache folder; none at all makes a cache that keeps nothing.
  DigestCache(const std::string& dir, const std::string& root);

  /// Empty where the file is not known as it stands.
  std::string find(const std::string& path, const struct stat& info) const;
  void put(const std::string& path, const struct stat& info, const std::string& digest);
  /// Writes what was put or found again; forgets the rest.
  void save() const;

 private:
  struct Known {
    std::string stamp;  // size, times, inode
    std::string digest;
  };

  std::string file_;
  std::unordered_map<std::string, Known> known_;
  std::unordered_map<std::string, Known> kept_;
};

}  // namespace troupe::client
