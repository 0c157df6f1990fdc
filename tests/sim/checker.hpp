// What must hold in every history, whatever fails: see the list at each function. It believes only
// what became durable and what really ran; what actors hold in memory it does not look at.
//
//   acknowledged   what a client was told is durable, now and after every restart
//   one            an attempt begins when the one before it has ended; its results are its own
//   alone          of an exclusive experiment no two attempts run at once, whatever is cut off
//   legal          states follow the table; a terminal one never changes
//   room           nothing is given out twice, by the books and by what really runs
//   events         numbered without a gap, in the order of states
//   end            after the last fault everything ends, nothing runs on, all books are balanced
#pragma once

#include "actors/messages.hpp"
#include "runtime/process/launcher.hpp"
#include "tests/sim/machines.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace troupe::sim {

class Checker {
 public:
  explicit Checker(World& world) : world_{world} {}

  void add_machine(const std::string& name, MachineSize size) { machines_[name] = size; }

  // What happens.
  void committed(std::span<const storage::Mutation> mutations, const storage::Committed& range,
                 const storage::SeriesStore& series);
  void disk_failed() { books_behind_until_ = world_.now() + Nanos{std::chrono::seconds{5}}; }
  void head_started(const storage::Ledger& ledger);
  void head_crashed() { head_up_ = false; }
  void linked(const std::string& machine) { unsettled_until_[machine] = world_.now() + unsettled; }
  void run_began(const std::string& machine, const JobKey& key, uint32_t phase);
  void run_ended(const std::string& machine, const JobKey& key, uint32_t phase,
                 const process::RunStatus& status);
  void submitted(const Submission& submission, const api::Submitted& answer,
                 const storage::Ledger& ledger);
  void killed(ExperimentId id, const storage::Ledger& ledger);
  void books(const std::vector<api::NodeView>& nodes);
  /// After the last fault: whether all has ended.
  bool all_ended() const;
  void finished(const storage::Ledger& ledger, const storage::SeriesStore& series);

  void fail(const std::string& what);
  const std::vector<std::string>& failures() const { return failures_; }
  const std::map<ExperimentId, ExperimentRecord>& experiments() const { return experiments_; }
  const std::map<uint64_t, SetRecord>& sets() const { return sets_; }

 private:
  /// A node or a head that comes back finds jobs that were given up meanwhile: their end takes a
  /// moment, beside those that have got their places.
  static constexpr Nanos unsettled = std::chrono::seconds{15};
  static constexpr Nanos ending_takes = std::chrono::milliseconds{1500};

  struct Run {
    std::string machine;
    bool running = true;
    bool good = false;   // every rank ended with code 0
    bool whole = false;  // and nobody told it to
    int32_t code = 0;    // as a record shows it: 128 and more for signals
  };
  struct Promised {
    Submission submission;
    api::Submitted answer;
  };

  void put(const storage::PutExperiment& put, const storage::SeriesStore& series);
  void put(const storage::PutSet& put);
  void put(const storage::PutKey& put);
  void event(const Event& event);
  void check_attempts(const ExperimentRecord& before, const ExperimentRecord& now);
  void check_truth(const ExperimentRecord& record, const storage::SeriesStore& series);
  void check_points(const ExperimentRecord& record, const storage::SeriesStore& series);
  void check_points(const ExperimentRecord& record, const JobRecord& job,
                    const storage::SeriesStore& series);
  void check_ended_jobs(const ExperimentRecord& record, const storage::SeriesStore& series);
  void check_promise(const Promised& promised, const storage::Ledger& ledger);
  void check_room(const std::string& machine);
  void check_alone(const std::string& machine, const JobKey& key);
  std::string overfull(const std::string& machine) const;
  bool settled(const std::string& machine) const;
  bool approved(const JobKey& key) const;
  void check_events(const storage::Ledger& ledger);

  World& world_;
  std::map<std::string, MachineSize> machines_;
  std::map<ExperimentId, ExperimentRecord> experiments_;
  std::map<uint64_t, SetRecord> sets_;
  std::map<std::string, State> states_;  // by subject, as the events tell it
  std::map<std::pair<std::string, std::string>, storage::PutKey> keys_;
  std::map<std::pair<JobKey, uint32_t>, Run> runs_;
  std::vector<Promised> promised_;
  std::set<ExperimentId> to_be_killed_;
  uint64_t last_event_ = 0;
  uint64_t generation_ = 0;
  bool head_up_ = false;
  Nanos books_behind_until_{0}, adopting_until_{0};
  std::map<std::string, Nanos> unsettled_until_;
  std::vector<std::string> failures_;
};

}  // namespace troupe::sim
