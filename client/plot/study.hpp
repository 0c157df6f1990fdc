// What is plotted: the members of a set as numbers, and the axes on which they stand. Made by
// whoever has the set (client/cli/set_study.hpp); pure values.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::plot {

inline constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

struct Axis {
  std::string name;
  bool log = false;
  bool whole = false;               // ints only
  double low = 0, high = 1;         // ends; of categories 0 and their number less one
  std::vector<std::string> labels;  // of categories, which stand at 0, 1, 2, ...; none: numbers
  bool ordered = false;             // categories that are sorted numbers

  bool is_category() const { return !labels.empty(); }
  bool varies() const { return high > low; }
};

struct Goal {
  std::string name;
  bool maximize = false;

  bool better(double a, double b) const { return maximize ? a > b : a < b; }
};

enum class Fate : uint8_t { running, finished, stopped, failed };

struct Member {
  std::string id;
  uint64_t number = 0;
  Fate fate = Fate::running;
  std::vector<double> params;  // by axis; `nothing` where it has none
  std::vector<double> values;  // by goal; `nothing` where there is no finite one

  bool has(size_t goal) const { return goal < values.size() && std::isfinite(values[goal]); }
  /// Whether its value of the goal counts: it ended well.
  bool counts(size_t goal) const {
    return has(goal) && (fate == Fate::finished || fate == Fate::stopped);
  }
};

/// A metric of one member, sorted by step.
struct Curve {
  size_t member = 0;  // its place in the study
  std::vector<std::pair<double, double>> points;
};

struct Study {
  std::string title, subtitle;
  std::vector<Axis> axes;
  std::vector<Goal> goals;      // the first is what most plots show
  std::vector<Member> members;  // by number
  std::vector<Curve> curves;
  std::string curve_metric;
  uint64_t curves_of = 0;  // members that have one, shown or not

  /// Places of members that count for a goal, the best first; of equals the first.
  std::vector<size_t> ranked(size_t goal = 0) const;
  std::optional<size_t> best(size_t goal = 0) const;
  /// By the member that counts: 0 the worst to 1 the best, by rank; others `nothing`.
  std::vector<double> standing(size_t goal = 0) const;
  /// The axis of a goal's values, logarithmic where they span more than three decades.
  Axis value_axis(size_t goal = 0) const;
  /// Places of the members that none that counts beats in both goals, by the first goal.
  std::vector<size_t> front(size_t first, size_t second) const;
  /// "lr=0.01 hidden=64", for people.
  std::string params_text(const Member& member) const;
};

/// A few digits, as few as say it: "0.001", "12k", "3.2e-9".
std::string number_text(double value);

/// At most 2 x `buckets` points: of each bucket the lowest and the highest, so that no spike is
/// lost; the first and the last stay.
std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& points,
                                               size_t buckets);

}  // namespace troupe::plot
