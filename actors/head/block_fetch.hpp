// Blocks of a manifest on their way from nodes into the head's store, a few at a time. Part of the
// dataset actor; its thread.
#pragma once

#include "actors/head/head_context.hpp"
#include "actors/head/node_answers.hpp"

#include <deque>
#include <functional>
#include <memory>

namespace troupe::actors {

class BlockFetch : public std::enable_shared_from_this<BlockFetch> {
 public:
  /// Asks whoever has it for one block; the answer goes to the second argument.
  using Ask = std::function<void(const dataset::ContentId&, NodeAnswers::Take)>;
  using Done = std::function<void(Result<void>)>;

  /// Those of a manifest that the store lacks; what it has stays there until the manifest is
  /// stored.
  BlockFetch(HeadContextRef context, const dataset::Manifest& manifest);
  /// Answers once: when all are here, or with what went wrong first. Nothing after stop().
  void start(size_t in_flight_max, Ask ask, Done done);
  /// What is on its way is not stored any more.
  void stop();

  size_t lacked() const { return lacked_; }  // in the beginning
  size_t left() const { return lacking_.size() + in_flight_; }
  uint64_t bytes_lacked() const { return bytes_lacked_; }

 private:
  void next();
  void came(const dataset::ContentId& id, Result<cluster::BulkAnswer> answer);
  void end(Result<void> result);

  HeadContextRef context_;
  std::deque<dataset::ContentId> lacking_;
  size_t lacked_ = 0, in_flight_ = 0, in_flight_max_ = 1;
  uint64_t bytes_lacked_ = 0;
  Ask ask_;
  Done done_;
};

/// A question for a manifest of what the node packs first, or for one block of it, with the time
/// and the size that either may take.
cluster::BulkQuestion manifest_question(cluster::BulkRequest request);
cluster::BulkQuestion block_question(cluster::BulkRequest request);

}  // namespace troupe::actors
