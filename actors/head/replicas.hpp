// Where dataset versions lie, as each node said last. Written by the registry; read by whoever
// looks for a version: the gateway, and workers that ask for sources. Any thread.
#pragma once

#include "client/api/dataset_service.hpp"
#include "runtime/wire/messages.hpp"

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

class Replicas {
 public:
  void put(const std::string& node, CacheReport report, Timestamp now);
  /// It was asked to fetch a version: what it said before of that is over.
  void expect(const std::string& node, const std::string& digest);
  /// Nodes with labels in common are near each other.
  void label(const std::string& node, std::map<std::string, std::string> labels);
  /// It is lost, or has left.
  void drop(const std::string& node);

  std::optional<api::NodeCache> of(const std::string& node) const;
  std::vector<api::CachedVersion> on_nodes(const std::string& digest) const;

  struct Source {
    std::string node;
    std::string address;  // HOST:PORT
    bool operator==(const Source&) const = default;
  };
  /// Others that have all of it and give it to workers, the nearest to `asker` first; among equals
  /// not everybody is sent to the same.
  std::vector<Source> sources(const std::string& digest, const std::string& asker) const;
  static constexpr size_t sources_max = 8;

 private:
  struct Node {
    CacheReport report;
    Timestamp at;
    std::map<std::string, std::string> labels;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Node> nodes_;
};

/// A list of sources as the answer of a bulk word.
std::string sources_text(const std::vector<Replicas::Source>& sources);

}  // namespace troupe::actors
