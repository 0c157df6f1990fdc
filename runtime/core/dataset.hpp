// Datasets by name: what the head knows of each version, and how people name one: "digits" (the
// newest), "digits:3", "digits:clean" (a tag), "41/out" (the outputs of an experiment). Values; any
// thread.
#pragma once

#include "runtime/core/checkpoint.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/ids.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

/// One version. Nothing of it ever changes; numbers count from 1 and are never given again.
struct DatasetVersion {
  std::string name;
  uint32_t version = 0;
  std::string digest;    // of the manifest, 64 hexadecimal digits
  uint64_t bytes = 0;    // of all files
  uint64_t payload = 0;  // of all blocks: what is stored and travels
  uint64_t files = 0;
  uint64_t records = 0;  // of all tables
  uint32_t blocks = 0;
  std::string user;  // who pushed it
  Timestamp created;
  std::string source;  // what was pushed, in the words of the pusher
  std::string from;    // the experiment whose outputs it is made of; empty: none
  std::optional<CheckpointMark> checkpoint;  // which one of that experiment it is
  bool operator==(const DatasetVersion&) const = default;
};

/// What stands behind `data` and on command lines.
struct DatasetRef {
  std::string name;   // empty where it is an output
  std::string which;  // a number, a tag; empty: the newest
  std::optional<ExperimentId> output;

  /// The name below the data root where none is given.
  std::string default_mount() const;
  bool operator==(const DatasetRef&) const = default;
};

/// invalid, with what is allowed. Whether it exists is another question.
Result<DatasetRef> parse_dataset_ref(std::string_view text);
std::string to_string(const DatasetRef& ref);
/// "41/out": as which the outputs of an experiment are kept; no name that people can give.
std::string outputs_name(ExperimentId id);

/// Letters, digits, '.', '_' and '-', beginning with a letter or digit: they stand in paths,
/// variables and URLs. `what` names it in the error.
Result<void> check_dataset_name(std::string_view name, std::string_view what = "dataset name");
/// The same, and no number: that would be a version.
Result<void> check_dataset_tag(std::string_view tag);

}  // namespace troupe
