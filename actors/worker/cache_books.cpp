#include "actors/worker/cache_books.hpp"

#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace troupe::actors {

namespace {

// Of versions that could not be brought; the head shows them.
constexpr size_t failures_max = 32;

int64_t ms_since(CacheBooks::Time then, CacheBooks::Time now) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(now - then).count();
}

}  // namespace

void CacheBooks::found(const CachedVersion& one, Time now) {
  auto [at, fresh] = entries_.try_emplace(one.digest);
  auto& entry = at->second;
  if (!fresh && entry.state != State::known) return;
  bool whole = one.state == CachedVersion::State::here;
  entry.state = whole ? State::here : State::failed;
  entry.error = one.error;
  entry.bytes = one.bytes;
  if (whole) entry.since = now - std::chrono::milliseconds{one.age_ms};
  entry.used = now - std::chrono::milliseconds{one.idle_ms};
  entry.mount = one.mount;
}

void CacheBooks::hold(const std::string& digest, const JobKey& key, Time now) {
  auto& entry = entries_[digest];
  if (!entry.holders.insert(key).second) return;
  jobs_[key].insert(digest);
  entry.used = now;
  entry.stays = false;
  if (entry.state == State::here) ++entry.hits;
}

void CacheBooks::release(const JobKey& key, Time now) {
  auto job = jobs_.extract(key);
  if (!job) return;
  for (const auto& digest : job.mapped()) {
    auto& entry = entries_[digest];
    entry.holders.erase(key);
    entry.used = now;
    drop_if_nothing(digest);
  }
}

bool CacheBooks::is_held(const std::string& digest) const {
  auto at = entries_.find(digest);
  return at != entries_.end() && !at->second.holders.empty();
}

bool CacheBooks::is_here(const std::string& digest) const {
  auto at = entries_.find(digest);
  return at != entries_.end() && at->second.state == State::here;
}

bool CacheBooks::is_leaving(const std::string& digest) const {
  auto at = entries_.find(digest);
  return at != entries_.end() && at->second.state == State::leaving;
}

std::set<std::string> CacheBooks::held() const {
  std::set<std::string> digests;
  for (const auto& [digest, entry] : entries_)
    if (!entry.holders.empty()) digests.insert(digest);
  return digests;
}

bool CacheBooks::expect(const std::string& digest) {
  auto& entry = entries_[digest];
  if (entry.state == State::coming || entry.state == State::leaving) return false;
  entry.state = State::coming;
  entry.error.clear();
  entry.arrived = entry.total = 0;
  return true;
}

uint64_t CacheBooks::used() const {
  uint64_t sum = 0;
  for (const auto& [digest, entry] : entries_)
    if (entry.state != State::leaving) sum += entry.bytes;
  return sum;
}

uint64_t CacheBooks::held_bytes() const {
  uint64_t sum = 0;
  for (const auto& [digest, entry] : entries_)
    if (!entry.holders.empty() || entry.state == State::coming) sum += entry.bytes;
  return sum;
}

Error CacheBooks::no_room(const std::string& digest, uint64_t needed, uint64_t lacking) const {
  auto what = fmt::format("dataset {} was not brought to node {}", digest.substr(0, 12), node_);
  if (limit_ != 0 && needed > limit_)
    return {Errc::exhausted, std::move(what),
            fmt::format("needs {}, the limit of the cache there is {}", bytes_text(needed),
                        bytes_text(limit_)),
            "raise cache_limit in its worker.yaml, or run where there is more room"};
  auto others = held_bytes() - std::min(held_bytes(), needed);
  if (limit_ != 0 && needed + others > limit_)
    return {Errc::exhausted, std::move(what),
            fmt::format("needs {}; of the limit of {}, {} are held by jobs or on their way",
                        bytes_text(needed), bytes_text(limit_), bytes_text(others)),
            "wait until they have ended, or raise cache_limit in its worker.yaml"};
  return {Errc::exhausted, std::move(what),
          fmt::format("needs {}, of which the disk lacks {}, and nothing there may be removed",
                      bytes_text(needed), bytes_text(lacking)),
          "free some space on the node"};
}

Result<std::vector<std::string>> CacheBooks::make_room(const std::string& digest, uint64_t needed,
                                                       uint64_t lacking) {
  auto& coming = entries_[digest];
  coming.bytes = needed;
  auto all = used();
  auto excess = limit_ != 0 && all > limit_ ? all - limit_ : 0;
  excess = std::max(excess, lacking);
  if (limit_ != 0 && needed > limit_) return no_room(digest, needed, lacking);
  std::vector<std::tuple<bool, Time, std::string>> candidates;
  for (const auto& [other, entry] : entries_)
    if ((entry.state == State::here || entry.state == State::failed) && entry.bytes != 0 &&
        entry.holders.empty() && !entry.stays && other != digest)
      candidates.emplace_back(wanted_.contains(other), entry.used, other);
  std::sort(candidates.begin(), candidates.end());
  std::vector<std::string> victims;
  uint64_t freed = 0;
  for (const auto& [wanted, time, other] : candidates) {
    if (freed >= excess) break;
    freed += entries_[other].bytes;
    victims.push_back(other);
  }
  // Nothing goes for one that does not come anyway.
  if (freed < excess) return no_room(digest, needed, lacking);
  for (const auto& victim : victims) entries_[victim].state = State::leaving;
  return victims;
}

void CacheBooks::progress(const std::string& digest, uint64_t arrived, uint64_t total) {
  auto at = entries_.find(digest);
  if (at == entries_.end() || at->second.state != State::coming) return;
  at->second.arrived = std::max(at->second.arrived, arrived);
  at->second.total = total;
}

void CacheBooks::arrived(const std::string& digest, Arrival arrival, Time now) {
  auto& entry = entries_[digest];
  bool was_here = entry.since != Time{0} && arrival.was_here;
  entry.state = State::here;
  entry.bytes = arrival.bytes;
  if (!arrival.mount.empty()) entry.mount = std::move(arrival.mount);
  if (was_here) return;
  entry.since = now;
  entry.used = std::max(entry.used, now);
  entry.sources = std::move(arrival.sources);
  entry.left = std::move(arrival.left);
}

void CacheBooks::failed(const std::string& digest, const Error& error, uint64_t bytes, Time now) {
  auto& entry = entries_[digest];
  entry.used = std::max(entry.used, now);
  entry.state = State::failed;
  entry.bytes = bytes;
  entry.arrived = entry.total = 0;
  entry.mount.clear();
  entry.error = to_string(error);
  forget_failures();
}

void CacheBooks::forget_failures() {
  auto is_one = [](const auto& one) {
    return one.second.state == State::failed && one.second.bytes == 0 && one.second.holders.empty();
  };
  auto count = static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(), is_one));
  for (auto at = entries_.begin(); count > failures_max && at != entries_.end();)
    at = is_one(*at) ? (--count, entries_.erase(at)) : std::next(at);
}

bool CacheBooks::gone(const std::string& digest, bool removed) {
  auto at = entries_.find(digest);
  if (at == entries_.end() || at->second.state != State::leaving) return false;
  auto& entry = at->second;
  entry.state = removed ? State::known : State::here;
  entry.stays = !removed;
  if (removed) {
    entry.bytes = entry.hits = 0;
    entry.since = Time{0};
    entry.mount.clear();
    entry.error.clear();
  }
  bool needed = !entry.holders.empty();
  drop_if_nothing(digest);
  return needed;
}

void CacheBooks::drop_if_nothing(const std::string& digest) {
  auto at = entries_.find(digest);
  if (at != entries_.end() && at->second.state == State::known && at->second.holders.empty())
    entries_.erase(at);
}

std::vector<std::string> CacheBooks::abandoned(Time now, Time after) {
  std::vector<std::string> digests;
  for (auto& [digest, entry] : entries_) {
    if (entry.state != State::failed || entry.bytes == 0 || entry.stays || !entry.holders.empty() ||
        wanted_.contains(digest) || now - entry.used < after)
      continue;
    entry.state = State::leaving;
    digests.push_back(digest);
  }
  return digests;
}

void CacheBooks::want(const std::vector<std::string>& digests, bool all) {
  if (all) wanted_.clear();
  wanted_.insert(digests.begin(), digests.end());
}

CacheReport CacheBooks::report(Time now) const {
  CacheReport out;
  out.limit = limit_;
  out.used = used();
  std::vector<std::pair<Time, const std::pair<const std::string, Entry>*>> newest;
  for (const auto& one : entries_)
    if (one.second.state != State::known && one.second.state != State::leaving)
      newest.emplace_back(one.second.used, &one);
  std::stable_sort(newest.begin(), newest.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [used, one] : newest) {
    if (out.versions.size() == report_max) {
      ++out.unlisted;
      continue;
    }
    const auto& [digest, entry] = *one;
    CachedVersion version;
    version.digest = digest;
    version.state = entry.state == State::here     ? CachedVersion::State::here
                    : entry.state == State::coming ? CachedVersion::State::coming
                                                   : CachedVersion::State::failed;
    version.bytes = entry.bytes;
    version.total = entry.total;
    version.arrived = entry.arrived;
    if (entry.since != Time{0}) version.age_ms = ms_since(entry.since, now);
    version.idle_ms = ms_since(entry.used, now);
    version.hits = entry.hits;
    version.mount = entry.mount;
    for (const auto& key : entry.holders) version.holders.push_back(key.job);
    version.wanted = wanted_.contains(digest);
    version.sources = entry.sources;
    version.left = entry.left;
    version.error = entry.error;
    out.versions.push_back(std::move(version));
  }
  return out;
}

}  // namespace troupe::actors
