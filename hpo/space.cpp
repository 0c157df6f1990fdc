#include "hpo/space.hpp"

#include "runtime/core/assert.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace troupe::hpo {
namespace {

constexpr auto uncountable = std::numeric_limits<uint64_t>::max();
constexpr uint64_t reals_max = uint64_t{1} << 53;  // that a double counts

int64_t rounded_into(double value, int64_t least, int64_t most) {
  // Compared as doubles first: a double above the largest int64 has no int64 to round to.
  if (value <= static_cast<double>(least)) return least;
  if (value >= static_cast<double>(most)) return most;
  return std::clamp<int64_t>(std::llround(value), least, most);
}

}  // namespace

Result<Axis> Axis::make(const Parameter& parameter) {
  if (auto problem = check_parameter(parameter))
    return Error{Errc::invalid, fmt::format("parameter {}: {}", parameter.name, problem->field),
                 problem->message, problem->hint};
  Axis axis;
  axis.name_ = parameter.name;
  axis.choices_ = parameter.choices;
  axis.range_ = parameter.range;
  if (!parameter.range) {
    axis.points_ = parameter.choices.size();
    return axis;
  }
  const auto& range = *parameter.range;
  axis.is_int_ = range.min.is_int() && range.max.is_int() && (!range.step || range.step->is_int());
  axis.min_ = Decimal::from(range.min).value();
  axis.max_ = Decimal::from(range.max).value();
  if (axis.is_int_ || range.step) {
    axis.step_ = range.step ? Decimal::from(*range.step).value() : Decimal{1};
    auto last = Decimal::steps(axis.min_, axis.max_, axis.step_);
    axis.points_ = last == uncountable ? last : last + 1;
    if (!axis.is_int_ && last > reals_max)
      return Error{Errc::invalid, fmt::format("parameter {}: step", parameter.name),
                   fmt::format("{} is too small: the range has more steps than numbers",
                               range.step->to_text()),
                   "take a larger step, or leave it out"};
    if (auto top = Decimal::at(axis.min_, axis.step_, last); !top)
      return Error{Errc::invalid, fmt::format("parameter {}: step", parameter.name),
                   top.error().detail, top.error().hint};
  } else if (axis.min_ == axis.max_) {
    axis.points_ = 1;
  }
  if (range.count && static_cast<uint64_t>(*range.count) > limits::set_members_max)
    return Error{Errc::invalid, fmt::format("parameter {}: count", parameter.name),
                 fmt::format("{} points are more than {}", *range.count, limits::set_members_max),
                 "take fewer points"};
  if (range.count && axis.points_ != uint64_t{1}) axis.make_count_points();
  return axis;
}

void Axis::make_count_points() {
  auto count = static_cast<uint64_t>(*range_->count);
  std::vector<Value> values;
  const double least = range_->min.as_number(), most = range_->max.as_number();
  auto real = [&](double share) {
    if (range_->log) return std::exp(std::log(least) + share * (std::log(most) - std::log(least)));
    return least * (1 - share) + most * share;  // no overflow where the width has one
  };
  for (uint64_t i = 0; i < count; ++i) {
    auto share = count == 1 ? 0.5 : static_cast<double>(i) / static_cast<double>(count - 1);
    Value value;
    if (count > 1 && i == 0 && !range_->step) {
      value = range_->min;
    } else if (count > 1 && i == count - 1 && !range_->step) {
      value = range_->max;
    } else if (range_->step) {
      auto last = static_cast<double>(*points_ - 1);
      value = at(std::min(*points_ - 1, static_cast<uint64_t>(std::llround(share * last))));
    } else if (is_int_) {
      value = rounded_into(real(share), range_->min.as_int(), range_->max.as_int());
    } else {
      value = std::clamp(real(share), least, most);
    }
    if (value.is_int() && !is_int_) value = value.as_number();
    if (values.empty() || values.back() != value) values.push_back(std::move(value));
  }
  count_points_ = std::move(values);
}

Value Axis::at(uint64_t k) const {
  TROUPE_ASSERT(points_ && k < *points_, "a point outside its axis");
  if (!range_) return choices_[k];
  if (!is_int_ && !range_->step) return min_.to_value(false);
  return Decimal::at(min_, step_, k).value().to_value(is_int_);
}

std::optional<uint64_t> Axis::index_of(const Value& value) const {
  if (!points_) return std::nullopt;
  auto same = [&](uint64_t k) {
    auto other = at(k);
    if (other == value) return true;
    return other.is_number() && value.is_number() && other.as_number() == value.as_number();
  };
  if (!range_) {
    for (uint64_t k = 0; k < choices_.size(); ++k)
      if (choices_[k] == value) return k;
    for (uint64_t k = 0; k < choices_.size(); ++k)
      if (same(k)) return k;
    return std::nullopt;
  }
  if (!value.is_number()) return std::nullopt;
  auto decimal = Decimal::from(value);
  if (!decimal || *decimal < min_) return std::nullopt;
  if (is_constant()) return same(0) ? std::optional<uint64_t>{0} : std::nullopt;
  auto k = Decimal::steps(min_, *decimal, step_);
  if (k >= *points_ || !same(k)) return std::nullopt;
  return k;
}

std::optional<uint64_t> Axis::grid_points() const {
  return count_points_ ? count_points_->size() : points_;
}

Value Axis::grid_at(uint64_t k) const {
  return count_points_ ? count_points_->at(k) : at(k);
}

double Axis::draw_real(Draws& draws) const {
  double least = range_->min.as_number(), most = range_->max.as_number();
  if (is_int_) least -= 0.5, most += 0.5;  // both ends get their full share after rounding
  // 2^53 steps from end to end, both included: a plain [0, 1) would never reach the upper one.
  auto share = static_cast<double>(draws.below((uint64_t{1} << 53) + 1)) * 0x1p-53;
  if (share == 0 || share == 1) return share == 0 ? least : most;
  if (range_->log) return std::exp(std::log(least) + share * (std::log(most) - std::log(least)));
  return least * (1 - share) + most * share;
}

uint64_t Axis::draw_index(Draws& draws) const {
  TROUPE_ASSERT(points_.has_value(), "an index on a continuous axis");
  if (is_even() || is_constant()) return draws.below(*points_ == uncountable ? 0 : *points_);
  auto least = range_->min.as_int();
  return static_cast<uint64_t>(rounded_into(draw_real(draws), least, range_->max.as_int())) -
         static_cast<uint64_t>(least);
}

Value Axis::draw(Draws& draws) const {
  if (points_) return at(draw_index(draws));
  return std::clamp(draw_real(draws), range_->min.as_number(), range_->max.as_number());
}

}  // namespace troupe::hpo
