// The members of a set as what plots are made of, and what of it stands in a terminal. Main thread.
#pragma once

#include "client/cli/session.hpp"
#include "client/plot/study.hpp"

#include <functional>
#include <string>
#include <vector>

namespace troupe::cli {

/// A number of an answer, also one that JSON has only as a text ("NaN"); none: `plot::nothing`.
double number_of(const Value* value);

/// Replaces a file as a whole; into what is no file (a pipe, /dev/null) it is written.
Result<void> write_output(const std::string& file, std::string_view text);

/// Calls `each` for all members that were made, lowest first, page after page, as lists show them.
Result<void> visit_members(client::Client& head, const Value& set,
                           const std::function<void(const Value& member)>& each);

/// Members one after the other into a study. Keeps of each what is plotted, not its record.
class StudyMaker {
 public:
  /// `set`: an answer of show. `metric`: "min.loss,max.accuracy"; empty: the set's own.
  static Result<StudyMaker> make(const Value& set, const std::string& metric);

  /// A member as lists or as its set show it.
  void add(const Value& member);
  /// Axes of what was added.
  plot::Study finish() &&;
  /// Names of all metrics that a member had.
  const std::vector<std::string>& metrics() const { return metrics_; }

 private:
  plot::Axis axis_of(const std::string& name, std::vector<const Value*>& values) const;
  double value_of(const Value& member, size_t goal) const;

  Value set_;
  plot::Study study_;
  std::vector<std::string> names_;  // of parameters, as written
  std::vector<std::vector<Value>> params_;
  std::vector<std::string> metrics_;
};

/// Series of up to so many members, the best and an even part of the others: bounded however many
/// members and points there are.
Result<void> add_curves(client::Client& head, plot::Study& study, const std::string& metric);

/// Best so far and importance below the table of `show`, as wide as the terminal.
std::string terminal_plots(const Value& set, const Output& out);

}  // namespace troupe::cli
