#include "hpo/encoding.hpp"

#include "runtime/core/assert.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace troupe::hpo {
namespace {

/// Three or more numbers in strict order are a scale (32, 64, 128), not names. Two could be either,
/// and order says nothing about them.
bool is_scale(const Axis& axis) {
  const uint64_t count = *axis.points();
  if (count < 3) return false;
  bool rises = true, falls = true;
  for (uint64_t k = 0; k < count; ++k) {
    if (!axis.at(k).is_number()) return false;
    if (k == 0) continue;
    rises = rises && axis.at(k).as_number() > axis.at(k - 1).as_number();
    falls = falls && axis.at(k).as_number() < axis.at(k - 1).as_number();
    if (!rises && !falls) return false;
  }
  return true;
}

}  // namespace

Coordinate::Coordinate(const Axis& axis) : axis_{axis} {
  if (axis_.is_constant()) return;
  if (!axis_.range()) {
    auto count = static_cast<double>(*axis_.points());
    if (is_scale(axis_)) {
      kind_ = Kind::whole;
      step_ = 1;
      low_ = -0.5;
      high_ = count - 0.5;
    } else {
      kind_ = Kind::category;
      high_ = count;
    }
    return;
  }
  const auto& range = *axis_.range();
  log_ = range.log;
  first_ = range.min.as_number();
  low_ = first_;
  high_ = range.max.as_number();
  kind_ = Kind::real;
  if (axis_.points()) {
    kind_ = Kind::whole;
    step_ = range.step ? range.step->as_number() : 1;
    // The last step may end below the upper bound.
    if (*axis_.points() != UINT64_MAX) high_ = axis_.at(*axis_.points() - 1).as_number();
    low_ -= step_ / 2;
    high_ += step_ / 2;
  }
  if (log_) {
    low_ = std::log(low_);
    high_ = std::log(high_);
  }
}

double Coordinate::position_at(uint64_t index) const {
  if (kind_ == Kind::constant) return 0;
  if (kind_ == Kind::category) return static_cast<double>(index);
  auto value = first_ + static_cast<double>(index) * step_;
  return log_ ? std::log(value) : value;
}

std::optional<double> Coordinate::encode(const Value& value) const {
  if (kind_ == Kind::real) {
    if (!value.is_number()) return std::nullopt;
    auto number = value.as_number();
    const auto& range = *axis_.range();
    if (!(number >= range.min.as_number() && number <= range.max.as_number())) return std::nullopt;
    return log_ ? std::log(number) : number;
  }
  auto k = axis_.index_of(value);
  if (!k) return std::nullopt;
  return position_at(*k);
}

uint64_t Coordinate::index(double position) const {
  TROUPE_ASSERT(kind_ != Kind::real, "an index on a real coordinate");
  if (kind_ == Kind::constant) return 0;
  auto value = log_ ? std::exp(position) : position;
  auto k = kind_ == Kind::category ? std::floor(value) : std::round((value - first_) / step_);
  if (!(k > 0)) return 0;  // NaN too
  auto last = *axis_.points() - 1;
  return k >= static_cast<double>(last) ? last : static_cast<uint64_t>(k);
}

Value Coordinate::decode(double position) const {
  if (kind_ != Kind::real) return axis_.at(index(position));
  const auto& range = *axis_.range();
  // The exponential of a logarithm is not always the number again.
  if (position <= low_) return range.min.as_number();
  if (position >= high_) return range.max.as_number();
  auto value = log_ ? std::exp(position) : position;
  return std::clamp(value, range.min.as_number(), range.max.as_number());
}

double Coordinate::snap(double position) const {
  switch (kind_) {
    case Kind::constant:
      return 0;
    case Kind::real:
      return std::clamp(position, low_, high_);
    case Kind::whole:
    case Kind::category:
      return position_at(index(position));
  }
  return position;
}

double Coordinate::to_unit(double position) const {
  if (kind_ == Kind::constant) return 0.5;
  // The middle of a category's share, so that from_unit gives it back.
  if (kind_ == Kind::category) return (std::floor(position) + 0.5) / high_;
  // Halves, because the width of a range of doubles may be more than a double holds.
  return (position / 2 - low_ / 2) / (high_ / 2 - low_ / 2);
}

double Coordinate::from_unit(double unit) const {
  if (kind_ == Kind::constant) return 0;
  if (kind_ == Kind::category) return std::min(std::floor(unit * high_), high_ - 1);
  return low_ * (1 - unit) + high_ * unit;
}

std::pair<double, double> Coordinate::share(uint64_t index) const {
  if (kind_ == Kind::constant) return {0, 1};
  if (kind_ == Kind::category) {
    auto k = static_cast<double>(index);
    return {k / high_, (k + 1) / high_};
  }
  auto value = first_ + static_cast<double>(index) * step_;
  auto unit = [&](double at) { return to_unit(log_ ? std::log(at) : at); };
  return {unit(value - step_ / 2), unit(value + step_ / 2)};
}

Encoding::Encoding(Space space) : space_{std::move(space)} {
  for (const auto& axis : space_.axes()) {
    coordinates_.emplace_back(axis);
    names_.push_back(name_hash(axis.name()));
  }
  points_ = space_.size();
  if (points_ == UINT64_MAX) points_.reset();
  const auto& rules = space_.rules();
  std::map<std::string, size_t> places;
  for (size_t k = 0; k < size(); ++k) {
    const auto axis = rules.empty() ? k : rules.order()[k];
    auto condition = rules.has_conditions() ? rules.condition(axis) : std::string{};
    auto [group, is_new] = places.emplace(std::move(condition), groups_.size());
    if (is_new) groups_.emplace_back();
    groups_[group->second].push_back(axis);
  }
  for (auto& group : groups_) std::sort(group.begin(), group.end());
}

Point Encoding::values_of(const Positions& positions) const {
  Point point;
  for (size_t i = 0; i < size(); ++i)
    point.emplace(space_.axes()[i].name(), coordinates_[i].decode(positions[i]));
  return point;
}

Point Encoding::decode(const Positions& positions) const {
  auto point = values_of(positions);
  space_.rules().drop_inactive(point);
  return point;
}

double Encoding::rest(size_t axis) const {
  const auto& coordinate = coordinates_[axis];
  return coordinate.snap(coordinate.from_unit(0.5));
}

bool Encoding::is_active(size_t axis, const Positions& positions) const {
  if (!space_.rules().has_conditions() || space_.rules().condition(axis).empty()) return true;
  return decode(positions).contains(space_.axes()[axis].name());
}

bool Encoding::allows(const Positions& positions) const {
  return !space_.rules().has_constraints() || space_.rules().allows(decode(positions));
}

std::optional<Positions> Encoding::fill(const Point& point) const {
  Positions positions;
  positions.reserve(size());
  for (size_t i = 0; i < size(); ++i) {
    auto value = point.find(space_.axes()[i].name());
    auto position = value == point.end() ? rest(i) : coordinates_[i].encode(value->second);
    if (!position) return std::nullopt;
    positions.push_back(*position);
  }
  return positions;
}

std::optional<Positions> Encoding::encode(const Point& point) const {
  auto positions = fill(point);
  if (!positions) return std::nullopt;
  const bool varies = space_.rules().has_conditions();
  const auto active = varies ? decode(*positions) : Point{};
  for (const auto& axis : space_.axes())
    if (point.contains(axis.name()) != (!varies || active.contains(axis.name())))
      return std::nullopt;
  return positions;
}

void Encoding::snap(Positions& positions) const {
  for (size_t i = 0; i < size(); ++i) positions[i] = coordinates_[i].snap(positions[i]);
  if (!space_.rules().has_conditions()) return;
  const auto point = decode(positions);
  for (size_t i = 0; i < size(); ++i)
    if (!point.contains(space_.axes()[i].name())) positions[i] = rest(i);
}

std::optional<uint64_t> Encoding::index(const Positions& positions) const {
  if (!points_) return std::nullopt;
  if (!space_.rules().empty()) {
    const auto point = decode(positions);
    std::vector<uint32_t> digits(size());
    for (size_t i = 0; i < size(); ++i)
      digits[i] = point.contains(space_.axes()[i].name())
                      ? static_cast<uint32_t>(coordinates_[i].index(positions[i]))
                      : Space::inactive;
    return space_.find_digits(digits);
  }
  uint64_t index = 0;
  for (size_t i = 0; i < size(); ++i)
    index = index * *coordinates_[i].points() + coordinates_[i].index(positions[i]);
  return index;
}

Positions Encoding::at(uint64_t index) const {
  TROUPE_ASSERT(points_ && index < *points_, "a point outside its space");
  Positions positions(size());
  if (!space_.rules().empty()) {
    const auto digits = space_.digits_at(index);
    for (size_t i = 0; i < size(); ++i)
      positions[i] =
          digits[i] == Space::inactive ? rest(i) : coordinates_[i].position_at(digits[i]);
    return positions;
  }
  for (size_t i = size(); i-- > 0;) {
    const auto& coordinate = coordinates_[i];
    auto k = index % *coordinate.points();
    index /= *coordinate.points();
    positions[i] = coordinate.position_at(k);
  }
  return positions;
}

}  // namespace troupe::hpo
