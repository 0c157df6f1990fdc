// Checkpoints of experiments: which names below TROUPE_CHECKPOINTS are complete ones, how the
// newest is told, and which of them are kept. Values and pure functions; any thread.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/ids.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// What one more node wrote of a checkpoint.
struct CheckpointPart {
  std::string node;
  Timestamp made;
  bool operator==(const CheckpointPart&) const = default;
};

/// One that was renamed into place. Within an experiment, epoch, time and name tell it from others.
struct CheckpointMark {
  std::string name;  // of the file or folder directly below TROUPE_CHECKPOINTS
  uint64_t epoch = 0;
  uint32_t attempt = 0;
  Timestamp made;                     // as its file or folder says
  std::string node;                   // where it was made
  std::optional<double> value;        // of its rule's metric, as last reported before it was seen
  std::vector<CheckpointPart> parts;  // of one in shards: what other nodes than `node` wrote
  bool operator==(const CheckpointMark&) const = default;
};

/// The same for people: with what the head keeps of it.
struct CheckpointRecord {
  CheckpointMark mark;
  uint32_t version = 0;  // of "42/checkpoints"; 0: the head does not have it
  std::string digest;
  uint64_t bytes = 0;
  bool operator==(const CheckpointRecord&) const = default;
};

/// False for what is being written or is no checkpoint: names that begin with '.' or "tmp" (alone
/// or before '-', '_' or '.'), end with ".tmp", ".temp", ".part", ".partial" or '~', or hold
/// ".tmp."; and names that are no UTF-8 or too long for an entry of a dataset.
bool is_checkpoint_name(std::string_view name);
/// The last number in a name: 500 of "step-500.pt". None where there is no such, or it is too
/// large.
std::optional<uint64_t> checkpoint_step(std::string_view name);
/// "42/checkpoints": as which the head keeps those of an experiment; no name that people can give.
std::string checkpoints_name(ExperimentId id);

/// Whether that node wrote any of it.
bool is_from(const CheckpointMark& mark, const std::string& node);
/// "n1", "n1, n2".
std::string nodes_text(const CheckpointMark& mark);

/// Whether `a` was made after `b`. Epochs come first: within one attempt there is one clock.
bool is_newer(const CheckpointMark& a, const CheckpointMark& b);
/// Whether both are the same file or folder.
bool is_same(const CheckpointMark& a, const CheckpointMark& b);

/// Which of these stay: the newest `last`, and beside them the best `best` by value. Indices,
/// ascending. NaN and those without a value are never best; of equal ones the newer is.
std::vector<size_t> checkpoints_to_keep(const std::vector<CheckpointMark>& marks, uint32_t last,
                                        uint32_t best, bool maximize);

}  // namespace troupe
