// Checkpoints of experiments on their way to the head, block by block, from the nodes that made
// them: the newest of each first, a few experiments at a time, and nobody waits for them but an
// attempt that begins where its newest one is not. Part of the dataset actor; its thread.
#pragma once

#include "actors/head/checkpoint_books.hpp"
#include "actors/head/head_context.hpp"
#include "actors/head/node_answers.hpp"
#include "actors/head/output_versions.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace troupe::actors {

class Checkpoints {
 public:
  using Resumed = std::function<void(Resume)>;

  Checkpoints(HeadContextRef context, OutputVersions::Ports ports);

  /// Its record names these now.
  void noted(const ExperimentRecord& record);
  /// Answers at once or later: when the newest is here, or where the newest attempt runs, or cannot
  /// be had. What it answers stays until the next time, or until the experiment has ended.
  void resume(const RecordRef& record, Resumed done);
  /// Of a start that waits, in words; empty: none does.
  std::string waits_for(ExperimentId id) const;
  /// What was asked of that node is not waited for any more, nor anything else that it alone has.
  void lost_node(const std::string& node);
  void found_node(const std::string& node) { lost_.erase(node); }
  /// Takes in what nodes have answered.
  void arrived() { answers_.arrived(); }

  /// Versions of this experiment that stay although its rule would give them up.
  void pin(ExperimentId id, std::vector<uint32_t> versions);
  void unpin(ExperimentId id) { pinned_.erase(id); }

 private:
  struct Pull;
  using PullRef = std::shared_ptr<Pull>;
  using Take = NodeAnswers::Take;
  using Key = std::tuple<uint64_t, int64_t, std::string>;  // of a mark
  struct Known {
    RecordRef record;
    std::map<Key, Error> failed;  // those that could not be had
  };
  struct Start {
    RecordRef record;
    Resumed done;
  };

  static Key key_of(const CheckpointMark& mark) { return {mark.epoch, mark.made.us, mark.name}; }
  Known& know(const ExperimentRecord& record);
  std::optional<CheckpointMark> next_of(ExperimentId id);
  std::optional<Error> why_not(const Known& known, const CheckpointMark& mark) const;
  void line_up(ExperimentId id);
  void begin_pulls();
  void pull(ExperimentId id, const CheckpointMark& mark);
  void ask_part(const PullRef& pull);
  void ask(const std::string& node, cluster::BulkQuestion question, Take take);
  void part_came(const PullRef& pull, Result<cluster::BulkAnswer> answer);
  Result<void> check_room(uint64_t needed) const;
  void store(const PullRef& pull);
  void finish(const PullRef& pull, Result<DatasetVersion> version);
  bool try_start(const Start& start);
  void try_starts(ExperimentId id);
  void expire(ExperimentId id);
  void drop(const DatasetVersion& version);

  HeadContextRef context_;
  OutputVersions::Ports ports_;
  NodeAnswers answers_;
  std::map<ExperimentId, Known> known_;  // those with something left to bring
  std::deque<ExperimentId> queue_;       // of these, in turn
  std::map<ExperimentId, PullRef> pulls_;
  std::multimap<ExperimentId, Start> starts_;  // several begin from the same one
  std::map<ExperimentId, std::vector<uint32_t>> pinned_;
  std::set<std::string> lost_;  // nodes, since the head was started
};

}  // namespace troupe::actors
