// The part of the public API by which people run the members of a set themselves: they ask for
// points and tell what came of them. Lives on the KJ thread of the gateway.
#pragma once

#include "runtime/core/record.hpp"
#include "runtime/core/result.hpp"

#include <kj/async.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe::api {

struct Caller;

/// A member of a set that is run elsewhere.
struct Trial {
  ExperimentId id;
  std::map<std::string, Value> params;
  State state = State::running;
  Timestamp asked;
};

struct AskRequest {
  static constexpr uint32_t count_max = 1000;
  uint32_t count = 1;
  std::string key;  // idempotency; empty: none
};
struct Asked {
  std::vector<Trial> trials;
  bool done = false;      // there will be no more
  std::string reason;     // why these are fewer than were asked for; empty: they are not
  bool repeated = false;  // the key was known: these are the trials that it got
};

struct TellRequest {
  uint32_t trial = 0;
  State state = State::finished;  // or failed, killed; running: what it reached so far
  ValueMap metrics;
  Value value;  // instead: of the set's metric, a list where there are several; null: none
};
struct Told {
  ExperimentId id;
  State state = State::finished;
  bool stop = false;  // it is to end: why is in `reason`
  std::string reason;
  bool best = false;      // it is the set's best now
  bool done = false;      // the set needs no more trials
  bool repeated = false;  // it was told so before
};

/// What somebody wants of a set that runs: all of it, or nothing.
struct SetChange {
  static constexpr size_t add_max = 1000, skip_max = 10'000;
  ValueMap changes;  // trials, concurrency, budget, stop_when, early_stop; null: none any more
  std::vector<std::map<std::string, Value>> add;  // points to be tried next
  std::vector<uint32_t> skip;                     // members that are not to be tried, or to end
};

class TrialService {
 public:
  virtual ~TrialService() = default;

  /// Durable when answered, as is tell().
  virtual kj::Promise<Result<Asked>> ask(const Caller& caller, ExperimentId set,
                                         AskRequest request);
  /// conflict where the trial has ended otherwise; saying the same again is none.
  virtual kj::Promise<Result<Told>> tell(const Caller& caller, ExperimentId set,
                                         TellRequest request);
  /// Asked for and not yet told, lowest first; at most limits::trials_running_max.
  virtual Result<std::vector<Trial>> pending_trials(const Caller& caller, ExperimentId set);
  /// Durable when answered.
  virtual kj::Promise<Result<bool>> change_set(const Caller& caller, ExperimentId set,
                                               SetChange change);
};

}  // namespace troupe::api
