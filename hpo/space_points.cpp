// Space: all axes of a sweep together, and what holds between them.
#include "hpo/enumerate.hpp"
#include "hpo/space.hpp"
#include "runtime/core/assert.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

namespace troupe::hpo {

namespace {

constexpr auto uncountable = std::numeric_limits<uint64_t>::max();
// Enumerated at each submission, by the one actor that admits: some ten milliseconds.
constexpr size_t counted_max = 50'000;
constexpr size_t grid_counted_max = 200'000;
// A constraint that leaves a thousandth of the space is met with a chance of 1 - e^-10.
constexpr uint64_t tries_max = 10'000;

uint64_t times(uint64_t a, uint64_t b) {
  if (a != 0 && b > uncountable / a) return uncountable;
  return a * b;
}

}  // namespace

Result<Space> Space::make(const std::vector<Parameter>& parameters, const RuleTexts& rules) {
  Space space;
  std::set<std::string_view> names;
  for (const auto& parameter : parameters) {
    if (!names.insert(parameter.name).second)
      return Error{Errc::invalid, fmt::format("parameter {}", parameter.name),
                   "the name stands there twice", "give each parameter its own name"};
    auto axis = Axis::make(parameter);
    if (!axis) return std::move(axis).error();
    space.axes_.push_back(std::move(*axis));
  }
  auto made = SpaceRules::make(parameters, rules);
  if (!made) return std::move(made).error();
  space.rules_ = std::move(*made);
  if (space.rules_.empty()) return space;
  space.points_ = enumerate_points(space.axes_, space.rules_, false, counted_max);
  space.grid_points_ = enumerate_points(space.axes_, space.rules_, true, grid_counted_max);
  TROUPE_TRY(space.check_satisfiable());
  return space;
}

Result<void> Space::check_satisfiable() const {
  if (!rules_.has_constraints()) return ok();
  if (points_ && !points_->empty()) return ok();
  std::map<std::string, uint64_t> breaks;
  for (uint64_t attempt = 0; !points_ && attempt < tries_max; ++attempt) {
    Point point;
    for (auto place : rules_.order()) {
      Draws numbers{1, attempt, place};
      if (rules_.is_active(place, point)) point[axes_[place].name()] = axes_[place].draw(numbers);
    }
    const auto* broken = rules_.broken(point);
    if (broken == nullptr) return ok();
    ++breaks[*broken];
  }
  std::string worst = "the constraints leave none of its points";
  uint64_t most = 0;
  for (const auto& [text, count] : breaks)
    if (count > most)
      most = count, worst = fmt::format(
                        "{} points were tried, and each breaks a constraint, most "
                        "of them `{}`",
                        tries_max, text);
  return Error{Errc::invalid, "the space has no point", worst,
               "loosen the constraints, or narrow the ranges to where they hold"};
}

std::optional<uint64_t> Space::size() const {
  if (!rules_.empty())
    return points_ ? std::optional<uint64_t>{points_->size() / std::max<size_t>(1, axes_.size())}
                   : std::nullopt;
  uint64_t size = 1;
  for (const auto& axis : axes_) {
    if (!axis.points()) return std::nullopt;
    size = times(size, *axis.points());
  }
  return size;
}

std::optional<uint64_t> Space::grid_size() const {
  uint64_t size = 1;
  for (const auto& axis : axes_) {
    if (!axis.grid_points()) return std::nullopt;
    size = times(size, *axis.grid_points());
  }
  if (rules_.empty()) return size;
  return grid_points_ ? grid_points_->size() / std::max<size_t>(1, axes_.size()) : uncountable;
}

std::span<const uint32_t> Space::digits_at(uint64_t k) const {
  return std::span{*points_}.subspan(k * axes_.size(), axes_.size());
}

std::optional<uint64_t> Space::find_digits(std::span<const uint32_t> digits) const {
  uint64_t low = 0, high = *size();
  while (low < high) {
    auto middle = low + (high - low) / 2;
    auto there = digits_at(middle);
    if (std::lexicographical_compare(there.begin(), there.end(), digits.begin(), digits.end()))
      low = middle + 1;
    else
      high = middle;
  }
  if (low == *size() || !std::equal(digits.begin(), digits.end(), digits_at(low).begin()))
    return std::nullopt;
  return low;
}

Point Space::point_of(std::span<const uint32_t> digits, bool grid) const {
  Point point;
  for (size_t i = 0; i < axes_.size(); ++i)
    if (digits[i] != inactive)
      point[axes_[i].name()] = grid ? axes_[i].grid_at(digits[i]) : axes_[i].at(digits[i]);
  return point;
}

Point Space::at(uint64_t k) const {
  if (points_) return point_of(digits_at(k), false);
  Point point;
  for (auto axis = axes_.rbegin(); axis != axes_.rend(); ++axis) {
    point[axis->name()] = axis->at(k % *axis->points());
    k /= *axis->points();
  }
  return point;
}

Point Space::grid_at(uint64_t k) const {
  if (grid_points_)
    return point_of(std::span{*grid_points_}.subspan(k * axes_.size(), axes_.size()), true);
  Point point;
  for (auto axis = axes_.rbegin(); axis != axes_.rend(); ++axis) {
    point[axis->name()] = axis->grid_at(k % *axis->grid_points());
    k /= *axis->grid_points();
  }
  return point;
}

std::optional<Point> Space::draw(const std::function<Draws(size_t axis)>& draws) const {
  Point point;
  for (size_t i = 0; i < axes_.size(); ++i) {
    const auto place = rules_.empty() ? i : rules_.order()[i];
    if (!rules_.is_active(place, point)) continue;
    auto numbers = draws(place);
    point[axes_[place].name()] = axes_[place].draw(numbers);
  }
  if (!rules_.allows(point)) return std::nullopt;
  return point;
}

std::optional<Point> Space::draw_allowed(
    const std::function<Draws(size_t axis, uint64_t attempt)>& draws, uint64_t tries) const {
  for (uint64_t attempt = 0; attempt < tries; ++attempt)
    if (auto point = draw([&](size_t axis) { return draws(axis, attempt); })) return point;
  return std::nullopt;
}

std::string identity(const Point& point) {
  return json_text(ValueMap{point.begin(), point.end()});
}

}  // namespace troupe::hpo
