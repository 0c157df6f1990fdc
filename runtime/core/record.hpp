// What is known about an experiment or a set: the spec and what became of it. Stored in the ledger,
// shown by the API.
#pragma once

#include "runtime/core/checkpoint.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/error.hpp"
#include "runtime/core/ids.hpp"
#include "runtime/core/receipt.hpp"
#include "runtime/core/spec.hpp"
#include "runtime/core/state.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// How a job was shown the files of a dataset.
struct MountRecord {
  std::string mount;   // its name below the data root
  std::string method;  // "erofs": see mount_method.hpp
  std::string place;   // "private": in mounts of the job's own; "link" into those of its node
  bool writable = false;
  bool operator==(const MountRecord&) const = default;
};

/// Where a job ran on its node: lists of numbers are "0-3,8".
struct BindingRecord {
  std::string cpus;               // empty: wherever its node had room
  std::string memory;             // NUMA nodes
  bool own = false;               // its cores were nobody else's
  std::vector<std::string> gpus;  // UUIDs, or PCI bus ids
  std::vector<std::string> nics;  // the nearest of each rank
  std::string note;               // why it is not bound as it was wished
  bool operator==(const BindingRecord&) const = default;
};

/// One process group on one node, in the attempt it belongs to.
struct JobRecord {
  std::string role = "worker";
  uint32_t index = 0;
  std::string node;
  State state = State::queued;
  std::optional<int32_t> exit_code;
  std::optional<int32_t> signal;
  std::vector<uint32_t> gpus;  // device indices on the node
  Timestamp started;
  Timestamp ended;
  std::vector<MountRecord> mounts;
  BindingRecord binding;
  bool operator==(const JobRecord&) const = default;
};

/// The moments of an attempt that tell what a restart cost; unset where it never came to one.
struct AttemptPace {
  Timestamp running;       // all its processes ran
  Timestamp first_report;  // of a metric, by its node's clock
  double first_step = 0;   // of that
  double last_step = 0;    // the highest it reported
  Timestamp failed;   // what ended it happened: by its node's clock, or when that was last heard of
  Timestamp noticed;  // and the head knew
  bool operator==(const AttemptPace&) const = default;
};

/// A rank that the others of its gang keep waiting for, as it was when that was noticed.
struct Straggler {
  uint32_t rank = 0;
  std::string node;
  uint64_t late_us = 0;  // in each collective call, on average; 0 where calls are not known
  double share = 0;      // of the time: how long the others wait for it
  bool operator==(const Straggler&) const = default;
};

/// "12ms", "1.5s": how late it is in a call; empty where that is not known.
std::string late_text(const Straggler& straggler);

/// One try at running an experiment.
struct AttemptRecord {
  uint32_t number = 1;  // counts from 1
  uint64_t epoch = 0;   // unique over all attempts of all heads: (head generation << 32) + counter
  State state = State::queued;
  Timestamp started;
  Timestamp ended;
  std::optional<Error> error;
  std::vector<JobRecord> jobs;
  std::string resumed;  // the checkpoint that it went on from; empty: none, or not yet
  AttemptPace pace;
  std::vector<Straggler> stragglers{};  // by rank; of an attempt that has ended: the last that were
  Receipt receipt{};                    // of its machines, where there are several
  bool operator==(const AttemptRecord&) const = default;
};

/// The lowest and the highest value of a metric, of all attempts; NaN is neither.
struct Extremes {
  double min = 0, max = 0;
  bool operator==(const Extremes&) const = default;
};

/// An experiment: one by itself, or a member of a set (then `id.member` is not 0).
struct ExperimentRecord {
  ExperimentId id;
  std::string user;
  std::shared_ptr<const ExperimentSpec> spec;  // a member shares its set's
  std::map<std::string, Value> params;         // resolved; constants included
  State state = State::queued;
  std::string reason;                // why it is in this state, in words
  std::optional<Error> error;        // of a FAILED one, or of a RUNNING one that stands still
  std::optional<int32_t> exit_code;  // of the first job that failed, else of rank 0
  Timestamp created, queued, started, ended;
  std::vector<AttemptRecord> attempts;  // the newest last; at most limits::attempts_kept
  uint32_t failures = 0;                // attempts that failed by its own doing, dropped ones too
  uint32_t restarts = 0;                // attempts in a row that were lost for another
  uint32_t hangs = 0;  // attempts in a row that its watchdog ended and started again
  std::map<std::string, double> metrics;  // last value of each
  std::map<std::string, Extremes> extremes;
  std::string rerun_of;  // id text, or empty
  std::string stopped;   // why its set's early stopping ended it; empty: it did not
  /// Where it is QUEUED: why its set holds it back until its turn comes again. Empty: it does not.
  std::string paused;
  /// Why its newest attempt was stopped in favour of others, until the next. Empty: it was not.
  std::string preempted;
  /// Its first attempt goes on from the newest checkpoint of this member of its set; 0: of none.
  uint32_t branched_from = 0;
  /// The newest last, at most limits::checkpoints_max. What the head keeps of them is in no row of
  /// an experiment: it is filled in for people.
  std::vector<CheckpointRecord> checkpoints;
};

/// Where a set stands. Members that were not yet started exist by number only.
struct SetRecord {
  ExperimentId id;
  std::string user;
  std::shared_ptr<const ExperimentSpec> spec;
  SweepSpec sweep;  // as it is now; seed is always set here
  /// As it was submitted, where it was changed since; null: it was not.
  std::shared_ptr<const SweepSpec> submitted;
  State state = State::queued;
  std::string reason;
  std::optional<Error> error;
  Timestamp created, started, ended;
  uint64_t size = 0;  // members in all
  uint64_t next = 1;  // the lowest member number that has no record of its own
  uint64_t finished = 0, failed = 0, killed = 0;
  std::string stop_reason;       // why it starts no more members; empty: it goes on
  bool failures_passed = false;  // that reason is max_failures
  std::optional<uint32_t> best_member;
  double best_value = 0;
  std::map<std::string, Value> best_params;
  std::string rerun_of;
  uint64_t stopped = 0;         // of the finished ones: ended by early stopping
  std::string picked;           // the strategy that `auto` stands for
  std::string picked_reason;    // why that one
  std::vector<uint32_t> front;  // of several objectives: members that none beats in all of them
  uint64_t spent_us = 0;        // of its budget, as it was last counted

  const SweepSpec& as_submitted() const { return submitted ? *submitted : sweep; }
};

/// A decision of a search, or what one was based on, as the ledger keeps them: in the order in
/// which the search was told, so that it can be told again.
struct SearchEntry {
  enum class Kind : uint8_t {
    born = 1,  // a member was made; its parameters are in its record
    told,      // a point of another set, with what became of it
    ended,     // a member ended
    report,    // a member reached a resource that the rule of early stopping looks at
    stop,      // and was stopped for it
    change,    // somebody changed the set: the new values are in `params`
    add,       // a point that somebody wants to be tried
    skip,      // a member that is not to be made
    dismiss,   // one that lives is ended, by somebody or for the budget
    pause,     // a member that came to a rung gives its place away, until its turn comes
    promote,   // it goes on
  };
  /// Numbers are stable: they are stored.
  enum class Outcome : uint8_t { completed = 1, stopped, failed, cancelled };

  Kind kind = Kind::born;
  uint64_t trial = 0;  // the member's number; above limits::set_members_max of what was told
  Outcome outcome = Outcome::completed;
  double step = 0;  // the resource it reached
  std::vector<double> values;
  std::map<std::string, Value> params;  // of `told`, `change`, `add`
  std::string note;                     // why, in words
  bool operator==(const SearchEntry&) const = default;
};

/// One line of the event log: a state change of one experiment, set or job, or news of a node.
struct Event {
  uint64_t number = 0;  // counts from 1 without a gap
  Timestamp time;
  std::string kind;     // "state", "watchdog", "node", ...
  std::string subject;  // "42.7", "42.7.worker.0", a node's name
  std::string project;
  std::string from, to;  // states
  std::string cause;     // in words: "submitted", "exit 0", "killed by ada"
  std::optional<Error> error;
};

/// The event of a state change; `from` is empty where something comes into being.
Event state_event(ExperimentId id, const std::string& project, std::string_view from, State to,
                  std::string cause, Timestamp now, const Error* error = nullptr);

}  // namespace troupe
