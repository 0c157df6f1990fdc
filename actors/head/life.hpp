// The life of one experiment from its placement to its end, as a pure state machine: job updates,
// kills and limits go in, state changes with their events and the orders to give come out. Owned by
// the experiment actor; no clock, no I/O, no actors.
#pragma once

#include "runtime/core/record.hpp"
#include "runtime/wire/messages.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

/// What the owner has to do after an input.
struct Effects {
  enum class Next {
    none,
    ended,    // the record is terminal
    requeue,  // the record is QUEUED again; enqueue it after `backoff`
  };

  std::vector<Event> events;   // in order
  std::vector<uint32_t> stop;  // indices of jobs to stop
  Duration grace{0};
  std::vector<uint32_t> released;  // indices of jobs whose resources are free again
  std::vector<std::pair<std::string, std::string>> blamed;  // nodes, and what they did to it
  std::optional<uint32_t> go_phase;                         // all jobs may begin this phase
  Next next = Next::none;
  Duration backoff{0};
  /// Nobody saw a job of the attempt end, which is exclusive: it may run on until its lease ends.
  bool awaits_lease = false;
  bool changed = false;           // the record is another, also where no event says so
  bool checkpoints_told = false;  // its node has said which it has
  bool checkpoint_came = false;   // and one of them is new
  bool receipt_came = false;      // all its nodes have told what they measured
  std::map<std::string, std::vector<CheckpointSeen>>
      drop_checkpoints;  // by node, which removes them
};

/// An attempt that ran so long met nothing broken where it was: machines of a training of weeks die
/// one after the other, and each of them by chance.
inline constexpr int64_t steady_us = std::chrono::microseconds{std::chrono::minutes{10}}.count();

class ExperimentLife {
 public:
  /// A record in QUEUED, or, after a restart of the head, in any live state.
  explicit ExperimentLife(ExperimentRecord record);

  const ExperimentRecord& record() const { return record_; }
  uint64_t epoch() const;

  /// Begins an attempt: one job for each place. `gpus` as the scheduler gave them.
  struct Place {
    std::string node;
    std::vector<uint32_t> gpus;
  };
  Effects place(const std::vector<Place>& places, uint64_t epoch, Timestamp now);
  /// After a restart of the head: an attempt that runs although the ledger does not know it.
  Effects adopt(const std::vector<Place>& places, uint64_t epoch, uint32_t number, Timestamp now);

  /// The nodes of its newest attempt, each once, in the order of its jobs.
  std::vector<std::string> nodes() const;
  /// They measure what they do together before its first line; or that is known already.
  void expect_receipt();
  void take_receipt(Receipt known);
  /// What of that is far below usual.
  void note_drift(std::vector<std::string> notes);

  Effects update(const JobUpdate& update, Timestamp now);
  Effects kill(const std::string& cause, Timestamp now);
  /// Early stopping of its set sees no hope in it: that is an end as good as its own.
  Effects stop(const std::string& cause, Timestamp now);
  /// Likewise, but its turn may come again: it goes on from its checkpoint then.
  Effects pause(const std::string& cause, Timestamp now);
  /// The running limit fired.
  Effects running_limit(Timestamp now);
  /// Its ranks stand still, as its watchdog sees: what is done then is the spec's.
  Effects stands_still(const Error& error, Timestamp now);
  /// They do not, or no more.
  Effects goes_on(Timestamp now);
  /// The others wait for these of its ranks, and for no more.
  Effects straggles(std::vector<Straggler> late, Timestamp now);
  /// The node and what ran there are gone, and were last heard of at `heard`; its jobs end here.
  Effects lost_node(const std::string& node, const std::string& cause, Timestamp heard,
                    Timestamp now);
  /// Stops the attempt and queues the experiment again (the head is being stopped in order).
  Effects preempt(const std::string& cause, Timestamp now);
  /// Why its newest attempt does not go on from the newest checkpoint there was.
  Effects resume_noted(const std::string& note, Timestamp now);
  /// Keeps the last value of each metric for the record, and its extremes.
  void metric(const std::string& name, double value);
  /// Its newest attempt reported metrics for that step. Its first report after a restart says what
  /// that cost.
  Effects reported(double step, Timestamp time, Timestamp now);

  /// Whether the attempt's failures so far leave room for another try.
  static constexpr uint32_t infrastructure_restarts_max = 5;
  /// An attempt that stands still costs its patience each time, and mostly what held it up is still
  /// there.
  static constexpr uint32_t hang_restarts_max = 3;

 private:
  enum class Outcome { none, failed, infrastructure, killed, preempted, stalled, stopped };

  AttemptRecord& attempt() { return record_.attempts.back(); }
  JobRecord* job(uint32_t index);
  void become(State to, const std::string& cause, Timestamp now, Effects& effects,
              const Error* error = nullptr);
  void advance_to(State to, const std::string& cause, Timestamp now, Effects& effects);
  uint32_t least_done() const;
  void passed(uint32_t index, uint32_t lines, bool waits, Effects& effects);

  // life_outcome.cpp
  void recall_failure();
  Error job_error(const JobUpdate& update) const;
  void end_job(const JobUpdate& update, Timestamp now, Effects& effects);
  void stop_others(Effects& effects, Duration grace);
  bool all_ended() const;
  bool is_undecided() const;
  bool only_servers_left() const;
  void finish_attempt(State state, Timestamp now);
  void settle(Timestamp now, Effects& effects);
  void settle_failed(Timestamp now, Effects& effects);
  void settle_stalled(Timestamp now, Effects& effects);
  void start_again(const std::string& cause, Timestamp now, Effects& effects);
  void requeue(State through, const std::string& cause, Timestamp now, Effects& effects);

  // life_checkpoints.cpp
  void note_checkpoints(const JobUpdate& update, Timestamp now, Effects& effects);
  bool find_parts(CheckpointMark& mark) const;
  void tell_strays(const JobUpdate& update, Timestamp now, Effects& effects);
  void note_resume(const JobUpdate& update, Timestamp now, Effects& effects);
  void expire_checkpoints(Effects& effects);

  // What else its nodes say: life_launch.cpp, life_receipt.cpp, life_recovery.cpp,
  // life_watchdog.cpp
  void note_world(const JobUpdate& update, Timestamp now, Effects& effects);
  void note_receipt(const JobUpdate& update, const std::string& from, Timestamp now,
                    Effects& effects);
  void note_failure(Timestamp happened, Timestamp now);
  /// An event of its own, with the state that it is in.
  Event note_of(const char* kind, std::string cause, Timestamp now) const;

  ExperimentRecord record_;
  Outcome outcome_ = Outcome::none;
  std::string outcome_cause_;
  std::optional<Error> outcome_error_;
  bool unseen_ = false;     // a job of the attempt counts as ended although nobody saw its end
  std::string world_note_;  // that its ranks do not find each other
  bool wound_up_ = false;   // whom its parameter servers serve have ended well: they end now
  std::map<uint32_t, uint32_t> phase_done_;  // job index -> 1 + lines of the order it has done
  std::map<uint32_t, std::vector<CheckpointSeen>> seen_;  // job index -> what its node has
  uint64_t seen_epoch_ = 0;                               // of the attempt that has seen them
  uint64_t strays_told_ = 0;  // epoch of the attempt that said that some do not count
  uint64_t resume_told_ = 0;  // epoch of the attempt that said why it begins anew
  uint32_t announced_ = 0;    // 1 + the newest line that all were told to begin
};

}  // namespace troupe::actors
