// The space a sweep searches: one axis per parameter. Both ends of a range belong to it; steps are
// counted in decimals, so 0.1..0.3 by 0.1 is three points. Pure values, immutable once made.
#pragma once

#include "hpo/random.hpp"
#include "hpo/space_point.hpp"
#include "hpo/space_rules.hpp"
#include "runtime/core/decimal.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/spec.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace troupe::hpo {

class Axis {
 public:
  /// The parameter must be valid in itself (check_parameter); what is not is `invalid` here too.
  static Result<Axis> make(const Parameter& parameter);

  const std::string& name() const { return name_; }
  bool is_constant() const { return points_ == uint64_t{1}; }

  /// How many values there are; none for a continuous range. UINT64_MAX: that many or more.
  std::optional<uint64_t> points() const { return points_; }
  /// The k-th of them, k below points().
  Value at(uint64_t k) const;
  /// Which of them a value is; none where it is none of them, or the axis is continuous.
  std::optional<uint64_t> index_of(const Value& value) const;
  const std::optional<ParameterRange>& range() const { return range_; }
  /// Whether the values of the range are ints.
  bool is_int() const { return is_int_; }
  /// How many points a grid takes: `count` where it is given, else all; none where it cannot.
  std::optional<uint64_t> grid_points() const;
  Value grid_at(uint64_t k) const;

  /// Whether a random draw takes each of points() with the same chance.
  bool is_even() const { return !(range_ && range_->log); }
  /// A draw of a finite axis as the index for at().
  uint64_t draw_index(Draws& draws) const;
  Value draw(Draws& draws) const;

 private:
  void make_count_points();
  double draw_real(Draws& draws) const;

  std::string name_;
  std::vector<Value> choices_;
  std::optional<ParameterRange> range_;
  bool is_int_ = false;
  Decimal min_, max_, step_;
  std::optional<uint64_t> points_;
  std::optional<std::vector<Value>> count_points_;
};

class Space {
 public:
  /// A space that was taken may have been lucky in what was tried of it: so many draws, some tenths
  /// of a second, before there is no other point.
  static constexpr uint64_t draws_max = 200'000;
  /// Where any other point does as well.
  static constexpr uint64_t draws_few = 10'000;

  /// `invalid` also where no point keeps the constraints, as far as a bounded search can tell.
  static Result<Space> make(const std::vector<Parameter>& parameters, const RuleTexts& rules = {});

  const std::vector<Axis>& axes() const { return axes_; }
  const SpaceRules& rules() const { return rules_; }
  /// All points; none where an axis is continuous. UINT64_MAX: that many or more. Where parameters
  /// depend on each other points that these leave are counted, up to some ten thousands; none where
  /// there are more.
  std::optional<uint64_t> size() const;
  /// The k-th point, the last-named axis fastest.
  Point at(uint64_t k) const;
  /// The same over the grid's points.
  std::optional<uint64_t> grid_size() const;
  Point grid_at(uint64_t k) const;
  /// Where rules leave a finite number of points: those of the k-th, by axis; `inactive` where one
  /// has no value.
  static constexpr uint32_t inactive = UINT32_MAX;
  std::span<const uint32_t> digits_at(uint64_t k) const;
  std::optional<uint64_t> find_digits(std::span<const uint32_t> digits) const;

  /// A random point; each axis draws from its own numbers, and only where it is active. None where
  /// that breaks a constraint.
  std::optional<Point> draw(const std::function<Draws(size_t axis)>& draws) const;
  /// The first such that breaks none, of a bounded number of tries: tries are counted from 0.
  std::optional<Point> draw_allowed(
      const std::function<Draws(size_t axis, uint64_t attempt)>& draws,
      uint64_t tries = draws_max) const;

 private:
  Point point_of(std::span<const uint32_t> digits, bool grid) const;
  Result<void> check_satisfiable() const;

  std::vector<Axis> axes_;
  SpaceRules rules_;
  // Shared by copies. Null where there are no rules, or more points than are counted.
  std::shared_ptr<const std::vector<uint32_t>> points_, grid_points_;
};

/// One text for equal points: canonical JSON.
std::string identity(const Point& point);

}  // namespace troupe::hpo
