#include "actors/head/replicas.hpp"

#include <algorithm>
#include <functional>
#include <tuple>

namespace troupe::actors {

namespace {

api::CachedVersion view_of(const std::string& node, const CachedVersion& version, Timestamp at) {
  using State = CachedVersion::State;
  api::CachedVersion view;
  view.node = node;
  view.digest = version.digest;
  view.state = version.state == State::here     ? "here"
               : version.state == State::coming ? "coming"
                                                : "failed";
  view.bytes = version.bytes;
  view.total = version.total;
  view.arrived = version.arrived;
  if (version.state == State::here) view.since = Timestamp{at.us - version.age_ms * 1000};
  view.used = Timestamp{at.us - version.idle_ms * 1000};
  view.hits = version.hits;
  view.mount = version.mount;
  for (const auto& job : version.holders) view.holders.push_back(to_string(job));
  view.wanted = version.wanted;
  view.sources = version.sources;
  view.left = version.left;
  view.error = version.error;
  return view;
}

size_t common_labels(const std::map<std::string, std::string>& a,
                     const std::map<std::string, std::string>& b) {
  return static_cast<size_t>(std::count_if(a.begin(), a.end(), [&](const auto& label) {
    auto other = b.find(label.first);
    return other != b.end() && other->second == label.second;
  }));
}

}  // namespace

void Replicas::put(const std::string& node, CacheReport report, Timestamp now) {
  std::lock_guard guard{mutex_};
  auto& here = nodes_[node];
  here.report = std::move(report);
  here.at = now;
}

void Replicas::expect(const std::string& node, const std::string& digest) {
  std::lock_guard guard{mutex_};
  auto at = nodes_.find(node);
  if (at == nodes_.end()) return;
  for (auto& version : at->second.report.versions) {
    if (version.digest != digest || version.state != CachedVersion::State::failed) continue;
    version.state = CachedVersion::State::coming;
    version.error.clear();
  }
}

void Replicas::label(const std::string& node, std::map<std::string, std::string> labels) {
  std::lock_guard guard{mutex_};
  nodes_[node].labels = std::move(labels);
}

void Replicas::drop(const std::string& node) {
  std::lock_guard guard{mutex_};
  nodes_.erase(node);
}

std::optional<api::NodeCache> Replicas::of(const std::string& node) const {
  std::lock_guard guard{mutex_};
  auto at = nodes_.find(node);
  if (at == nodes_.end() || !at->second.at) return std::nullopt;
  const auto& report = at->second.report;
  api::NodeCache cache;
  cache.limit = report.limit;
  cache.used = report.used;
  cache.disk_free = report.disk_free;
  cache.unlisted = report.unlisted;
  for (const auto& version : report.versions)
    cache.versions.push_back(view_of(node, version, at->second.at));
  return cache;
}

std::vector<api::CachedVersion> Replicas::on_nodes(const std::string& digest) const {
  std::vector<api::CachedVersion> views;
  std::lock_guard guard{mutex_};
  for (const auto& [name, node] : nodes_)
    for (const auto& version : node.report.versions)
      if (version.digest == digest) views.push_back(view_of(name, version, node.at));
  return views;
}

std::vector<Replicas::Source> Replicas::sources(const std::string& digest,
                                                const std::string& asker) const {
  std::vector<std::tuple<size_t, size_t, Source>> found;
  std::lock_guard guard{mutex_};
  auto own = nodes_.find(asker);
  const std::map<std::string, std::string> none;
  const auto& labels = own == nodes_.end() ? none : own->second.labels;
  for (const auto& [name, node] : nodes_) {
    if (name == asker || node.report.address.empty()) continue;
    bool whole = std::any_of(
        node.report.versions.begin(), node.report.versions.end(), [&](const auto& version) {
          return version.digest == digest && version.state == CachedVersion::State::here;
        });
    if (!whole) continue;
    auto spread = std::hash<std::string>{}(asker + " " + name);
    found.emplace_back(common_labels(labels, node.labels), spread,
                       Source{name, node.report.address});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    if (std::get<0>(a) != std::get<0>(b)) return std::get<0>(a) > std::get<0>(b);
    return std::tie(std::get<1>(a), std::get<2>(a).node) <
           std::tie(std::get<1>(b), std::get<2>(b).node);
  });
  std::vector<Source> sources;
  for (auto& [near, spread, source] : found)
    if (sources.size() < sources_max) sources.push_back(std::move(source));
  return sources;
}

std::string sources_text(const std::vector<Replicas::Source>& sources) {
  std::string text;
  for (const auto& source : sources) text += source.node + " " + source.address + "\n";
  return text;
}

}  // namespace troupe::actors
