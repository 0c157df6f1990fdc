// Which ranks of a gang the others wait for, from how long each of them waits. With synchronous
// training all ranks end a step together, so the slow one shows by this: it alone comes to its
// collective calls when all others are there, and waits for nobody. Pure; owned by the experiment's
// actor, which tells it what comes from nodes.
//
// Ranks say how many calls they have ended and how long they waited in them; of those that say
// nothing their nodes tell how long they seemed to wait in spans of some seconds, which count like
// calls as long as no rank has told anything itself. Every second or more
// the part between two calls that all have ended is looked at: a rank is late in it where it waited
// for a fifth of that time less than the median of the others. One that is late in most of the last
// eight such parts is a straggler until it is late in hardly any.
#pragma once

#include "runtime/core/record.hpp"
#include "runtime/wire/messages.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace troupe::actors {

class Stragglers {
 public:
  static constexpr int64_t part_us_min = 1'000'000;
  static constexpr double share_min = 0.2;
  static constexpr size_t parts_kept = 8, late_to_begin = 5, late_to_end = 2;

  /// True where somebody became a straggler, or is one no more. Of another attempt it begins anew.
  bool update(const JobUpdate& update);
  /// By rank. Whose node is not in the record is left out.
  std::vector<Straggler> late(const AttemptRecord& attempt) const;

 private:
  struct Part {
    double late_us = 0;  // what it waited less than the others
    uint64_t calls = 0;
    double time_us = 0;
    bool is_late() const { return late_us > share_min * time_us; }
  };
  struct At {  // a rank when it had ended a call
    double waited_us = 0;
    double time_us = 0;
  };
  struct Rank {
    uint32_t job = 0;
    std::deque<RankPace> seen;  // by calls, from the last part's end on
    std::deque<Part> parts;     // the newest last
    bool straggles = false;
  };

  static std::optional<At> at(const Rank& rank, uint64_t calls);
  void take(uint32_t job, const RankPace& pace);
  bool look();

  uint64_t epoch_ = 0;
  bool seen_ = true;     // their nodes look at them; nobody has told anything himself so far
  uint64_t looked_ = 0;  // calls at which the last part ended
  std::map<uint32_t, Rank> ranks_;
};

}  // namespace troupe::actors
