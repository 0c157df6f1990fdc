// The one encoding of axes that every sampler uses: a value as a position on a line, with the
// bounds that give each value its full share, and as a number in [0, 1]. Kinds that a sampler sees
// are four, whatever was written: constant, real, whole (ints, steps, ordered numbers), category.
// Immutable once made; pure values.
#pragma once

#include "hpo/space.hpp"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace troupe::hpo {

class Coordinate {
 public:
  enum class Kind : uint8_t {
    constant,  // nothing to choose
    real,      // every position is a value
    whole,     // values at equal distances (of ints also of their logarithms), in their order
    category,  // positions 0, 1, 2, ... without order
  };

  explicit Coordinate(const Axis& axis);

  Kind kind() const { return kind_; }
  bool is_log() const { return log_; }
  /// Ends of the line. Half a step beyond the outer values where these are whole, so that rounding
  /// gives both their full share; logarithms of those where the axis is one.
  double low() const { return low_; }
  double high() const { return high_; }
  double width() const { return high_ - low_; }
  /// The distance of neighbours in the values' own unit; 0 for real and category.
  double step() const { return step_; }
  /// How many values; none where kind is real.
  std::optional<uint64_t> points() const { return axis_.points(); }

  /// The position of a value; none where the axis does not hold it.
  std::optional<double> encode(const Value& value) const;
  /// The value nearest to a position; beyond the ends that is the outer value.
  Value decode(double position) const;
  /// The position of that value.
  double snap(double position) const;
  /// The number of that value in its axis. Not for real ones.
  uint64_t index(double position) const;

  double position_at(uint64_t index) const;

  double to_unit(double position) const;
  /// A position from a number in [0, 1]; categories share it evenly.
  double from_unit(double unit) const;
  /// The part of [0, 1] that stands for one value. Not for real ones.
  std::pair<double, double> share(uint64_t index) const;

 private:
  Axis axis_;
  Kind kind_ = Kind::constant;
  bool log_ = false;
  double low_ = 0, high_ = 0, step_ = 0;
  double first_ = 0;  // value of index 0, in its own unit
};

/// A point as one position for each axis, in the space's order.
using Positions = std::vector<double>;

class Encoding {
 public:
  explicit Encoding(Space space);

  const Space& space() const { return space_; }
  size_t size() const { return coordinates_.size(); }
  const Coordinate& operator[](size_t axis) const { return coordinates_[axis]; }
  /// name_hash of each axis, for its draws.
  uint64_t name(size_t axis) const { return names_[axis]; }

  /// Without the parameters that are not active there.
  Point decode(const Positions& positions) const;
  /// None where the point lacks a parameter that is active, has one that is not, or a value outside
  /// the space. What is not active is at rest.
  std::optional<Positions> encode(const Point& point) const;
  /// With what it lacks at rest, and whatever is active; none where a value is outside the space.
  std::optional<Positions> fill(const Point& point) const;
  void snap(Positions& positions) const;

  /// Where an axis stands while it is not active: in its middle, so that models see no difference
  /// there.
  double rest(size_t axis) const;
  /// Whether an axis has a value, by the positions of those that it depends on.
  bool is_active(size_t axis, const Positions& positions) const;
  /// Whether the point breaks no constraint; positions need not be on values.
  bool allows(const Positions& positions) const;
  /// Axes that are always active together, those behind on which others depend.
  const std::vector<std::vector<size_t>>& groups() const { return groups_; }

  /// The point's number in a space that can be counted (as Space::at has it), else none.
  std::optional<uint64_t> index(const Positions& positions) const;
  /// How many points; none where they cannot be counted.
  std::optional<uint64_t> points() const { return points_; }
  Positions at(uint64_t index) const;

 private:
  Point values_of(const Positions& positions) const;

  Space space_;
  std::vector<Coordinate> coordinates_;
  std::vector<uint64_t> names_;
  std::optional<uint64_t> points_;
  std::vector<std::vector<size_t>> groups_;
};

}  // namespace troupe::hpo
