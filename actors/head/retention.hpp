// Which outputs of experiments go by the rules, and why. Pure: no I/O; time is what the caller
// says.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/ids.hpp"
#include "runtime/core/retention_rules.hpp"

#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

/// An experiment that has outputs.
struct OutputFacts {
  ExperimentId id;
  std::string project;
  bool ended = true;            // it, and the set that it belongs to
  std::string held;             // who needs them, in words; empty: nobody
  Timestamp end;                // when it ended
  std::optional<double> score;  // of a member by its set's metric: the larger the better
  bool ranked = false;          // it belongs to a set that has a metric
};

struct OutputVerdict {
  ExperimentId id;
  bool goes = false;
  std::string why;  // empty where no rule is about it
};

/// One for each, in the order given.
///
/// What has not ended or is held stays. Of a set with a metric, where `keep_best` is given, the
/// best stay and all others go. Of the rest of a project the newest `keep_last` stay, a set
/// counting as one; those behind them go, or where `age` is given those that are older; with `age`
/// alone all that are older.
std::vector<OutputVerdict> judge_outputs(const RetentionRules& rules,
                                         const std::vector<OutputFacts>& all, Timestamp now);

/// A copy of outputs on the head.
struct CopyFacts {
  std::string held;  // who needs it; empty: nobody
  Timestamp used;
  bool is_dataset = false;    // a dataset has the same content
  bool original = false;      // the outputs are still where they were written
  bool outputs_gone = false;  // they were removed by a rule, or are going
};
OutputVerdict judge_copy(const RetentionRules& rules, ExperimentId id, const CopyFacts& copy,
                         Timestamp now);

}  // namespace troupe::actors
