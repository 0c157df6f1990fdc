// Whether an attempt stands still, from what its nodes see of its ranks. Pure; owned by the
// experiment's actor, which tells it what comes from nodes and does what it says.
//
// A rank that reports metrics is judged by them. In an attempt without metrics, ranks that write
// lines or make collective calls regularly are judged by these. Most ranks do neither (rank 0
// speaks for all), so their silence says nothing by itself; but where no rank at all shows
// anything, all of them stand still.
#pragma once

#include "runtime/core/error.hpp"
#include "runtime/core/record.hpp"
#include "runtime/wire/messages.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

class HangWatch {
 public:
  using Time = std::chrono::nanoseconds;  // monotonic

  explicit HangWatch(Duration patience) : patience_{patience} {}

  /// What a job of this attempt says of itself. One of another attempt begins anew.
  void update(const JobUpdate& update, Time now);

  struct Verdict {
    bool known = false;  // not where a node is not heard of: a cut link says nothing about ranks
    std::optional<Error> hang;  // which ranks stand still, and what they do
  };
  Verdict look(const ExperimentRecord& record, Timestamp wall, Time now) const;

 private:
  struct Job {
    Time heard{0};
    bool waits = false;  // for the other jobs of its gang
    std::vector<RankPulse> ranks;
  };
  struct Seen {
    const RankPulse* rank;
    const JobRecord* job;
    Duration quiet;
  };

  std::optional<std::vector<Seen>> seen(const ExperimentRecord& record, Time now) const;
  std::vector<Seen> standing(const std::vector<Seen>& all) const;
  std::string held_up_by(const std::vector<Seen>& all) const;
  Error error(const ExperimentRecord& record, const std::vector<Seen>& all,
              const std::vector<Seen>& standing, Timestamp wall) const;

  Duration patience_;
  uint64_t epoch_ = 0;
  std::map<uint32_t, Job> jobs_;  // by index
};

}  // namespace troupe::actors
