// What a node's cache knows of its versions, and who has to go where there is no room: first what
// was used longest ago and nothing in the queue needs, then what the queue needs; never what a job
// holds or what is on its way. Pure: no I/O; time is what the caller says.
//
//   (nothing) --expect--> coming --arrived--> here --choose--> leaving --gone--> (nothing)
//                           '--failed--> failed, until it is expected again
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/wire/messages.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace troupe::actors {

class CacheBooks {
 public:
  using Time = std::chrono::nanoseconds;

  explicit CacheBooks(std::string node = {}, uint64_t limit = 0)
      : node_{std::move(node)}, limit_{limit} {}

  /// Was on the disk when the worker started, whole or in part; nothing where it is known by now.
  void found(const CachedVersion& one, Time now);
  /// A job needs it from now on, here or not.
  void hold(const std::string& digest, const JobKey& key, Time now);
  /// It needs nothing any more.
  void release(const JobKey& key, Time now);
  bool is_held(const std::string& digest) const;

  /// Whether it has to be brought, or looked at: false where that is under way already, or has to
  /// wait until it is gone.
  bool expect(const std::string& digest);
  /// Sets bytes aside for one that comes, and chooses what must go for that: `lacking` bytes at
  /// least because the disk is full, more where the limit says so. Those are leaving then.
  /// exhausted, with numbers, where that cannot be.
  Result<std::vector<std::string>> make_room(const std::string& digest, uint64_t needed,
                                             uint64_t lacking);
  void progress(const std::string& digest, uint64_t arrived, uint64_t total);
  struct Arrival {
    uint64_t bytes = 0;
    std::string mount;  // how it is shown now; empty: no otherwise than before
    bool was_here = false;
    std::vector<std::string> sources, left;
  };
  void arrived(const std::string& digest, Arrival arrival, Time now);
  /// `bytes` of it are on the disk all the same.
  void failed(const std::string& digest, const Error& error, uint64_t bytes, Time now);
  /// One that was leaving; `removed` is false where it could not be. Whether somebody needs it
  /// again, so that it has to be brought.
  bool gone(const std::string& digest, bool removed);
  bool is_here(const std::string& digest) const;
  bool is_leaving(const std::string& digest) const;
  /// What nobody may unmount when the worker ends.
  std::set<std::string> held() const;

  /// What is left of fills that broke off, and that nobody has asked for since so long: they are
  /// leaving then.
  std::vector<std::string> abandoned(Time now, Time after);

  /// What the queue will need; `all`: and nothing else that was said before.
  void want(const std::vector<std::string>& digests, bool all);

  /// Without address and free space. The newest first, at most report_max.
  CacheReport report(Time now) const;
  static constexpr size_t report_max = 1000;

 private:
  enum class State { known, coming, here, leaving, failed };
  struct Entry {
    State state = State::known;
    uint64_t bytes = 0, total = 0, arrived = 0, hits = 0;
    Time since{0}, used{0};
    std::string mount;
    std::set<JobKey> holders;
    std::vector<std::string> sources, left;
    std::string error;
    bool stays = false;  // it could not be removed; until a job holds it again
  };

  uint64_t used() const;
  uint64_t held_bytes() const;
  Error no_room(const std::string& digest, uint64_t needed, uint64_t lacking) const;
  void drop_if_nothing(const std::string& digest);
  void forget_failures();

  std::string node_;
  uint64_t limit_ = 0;
  std::map<std::string, Entry> entries_;  // by digest
  std::map<JobKey, std::set<std::string>> jobs_;
  std::set<std::string> wanted_;
};

}  // namespace troupe::actors
