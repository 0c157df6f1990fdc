#include "hpo/adaptive.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::hpo {
namespace {

// Where so many proposals were all tried before, the model has nothing new to say there: any point
// that is left does.
constexpr uint64_t attempts_max = 16;
// What is given may leave few points: as many as are tried for a space.
constexpr uint64_t completions_max = 10'000;

}  // namespace

AdaptiveSampler::AdaptiveSampler(Space space, SearchSettings settings)
    : encoding_{std::move(space)}, settings_{std::move(settings)}, ledger_{settings_.maximize} {
  if (encoding_.points() && settings_.refuse_duplicates)
    order_.emplace(settings_.seed, *encoding_.points());
}

std::optional<uint64_t> AdaptiveSampler::size() const {
  if (!order_) return settings_.trials;
  return std::min(settings_.trials.value_or(UINT64_MAX), order_->size());
}

Result<Point> AdaptiveSampler::suggest(uint64_t trial) {
  if (trial == 0 || (settings_.trials && trial > *settings_.trials))
    return Error{Errc::invalid, fmt::format("no member {}", trial),
                 fmt::format("members are numbered 1 to {}", settings_.trials.value_or(UINT64_MAX)),
                 ""};
  if (auto* known = ledger_.find(trial); known && known->positions.size() == encoding_.size())
    return encoding_.decode(known->positions);
  if (order_ && used_.size() >= order_->size())
    return Error{Errc::exhausted, fmt::format("no point for member {}", trial),
                 fmt::format("all {} points of the space were tried", order_->size()),
                 "the search is complete; add values to a parameter to go on"};
  for (uint64_t attempt = 0; attempt < attempts_max; ++attempt) {
    auto positions = propose(trial, attempt);
    encoding_.snap(positions);
    if (!is_used(positions)) return encoding_.decode(positions);
  }
  if (order_) return encoding_.decode(*unused());
  if (encoding_.space().rules().has_constraints()) {
    if (auto positions = drawn(trial)) return encoding_.decode(*positions);
    return Error{Errc::exhausted, fmt::format("no point for member {}", trial),
                 "no random point was found that keeps all constraints",
                 "loosen the constraints, or narrow the ranges to where they hold"};
  }
  // Where points cannot be counted, one that comes again for so long is what the strategy wants.
  auto positions = propose(trial, 0);
  encoding_.snap(positions);
  return encoding_.decode(positions);
}

/// Any point that keeps the constraints.
std::optional<Positions> AdaptiveSampler::drawn(uint64_t trial) const {
  auto point = encoding_.space().draw_allowed([&](size_t axis, uint64_t attempt) {
    return draws(trial, attempt, encoding_.name(axis) ^ name_hash("allowed"));
  });
  return point ? encoding_.encode(*point) : std::nullopt;
}

Result<Point> AdaptiveSampler::complete(uint64_t trial, const Point& given) {
  if (ledger_.find(trial) != nullptr) return suggest(trial);
  std::optional<Positions> found;
  for (uint64_t attempt = 0; attempt < attempts_max && !found; ++attempt)
    if (auto positions = with(propose(trial, attempt), given); !is_used(positions))
      found = std::move(positions);
  if (!found) found = drawn_with(trial, given);
  if (found) {
    auto point = encoding_.decode(*found);
    // As they were written: a position on a log axis rounds.
    for (const auto& [name, value] : given)
      if (auto own = point.find(name); own != point.end()) own->second = value;
    return point;
  }
  return Error{Errc::exhausted, fmt::format("no point for member {}", trial),
               "each with the values given was tried, or breaks a constraint",
               "give other values, or fewer"};
}

bool AdaptiveSampler::can_complete(const Point& given) const {
  return drawn_with(UINT64_MAX, given).has_value();
}

std::optional<Positions> AdaptiveSampler::drawn_with(uint64_t trial, const Point& given) const {
  for (uint64_t attempt = 0; attempt < completions_max; ++attempt)
    if (auto positions = with(uniform(trial, attempts_max + attempt), given); !is_used(positions))
      return positions;
  return std::nullopt;
}

/// With the values of a point that was checked in their places.
Positions AdaptiveSampler::with(Positions positions, const Point& given) const {
  for (size_t i = 0; i < encoding_.size(); ++i)
    if (auto value = given.find(encoding_.space().axes()[i].name()); value != given.end())
      positions[i] = encoding_[i].encode(value->second).value_or(positions[i]);
  encoding_.snap(positions);
  return positions;
}

void AdaptiveSampler::observe(const Observation& observation) {
  auto positions = encoding_.encode(observation.point);
  // A point from outside the space says nothing that this search can use.
  if (!positions && !ledger_.find(observation.trial)) return;
  if (positions && settings_.refuse_duplicates)
    if (const auto of = key(*positions); !order_ || of != UINT64_MAX) used_.insert(of);
  auto* trial = ledger_.take(observation, positions ? std::move(*positions) : Positions{});
  if (trial != nullptr) learn(*trial);
}

std::string AdaptiveSampler::explain(uint64_t trial) const {
  return fmt::format("{}; known were {} result{}, {} failed, {} running", method(trial),
                     ledger_.results(), ledger_.results() == 1 ? "" : "s",
                     ledger_.ended().size() - ledger_.results(), ledger_.running());
}

Draws AdaptiveSampler::draws(uint64_t trial, uint64_t attempt, uint64_t name) const {
  // An attempt is a purpose of its own, so that its draws meet no other's.
  return {settings_.seed, trial, name ^ (attempt * 0x9E3779B97F4A7C15)};
}

Positions AdaptiveSampler::uniform(uint64_t trial, uint64_t attempt) const {
  Positions positions(encoding_.size());
  for (size_t i = 0; i < positions.size(); ++i)
    positions[i] = encoding_[i].from_unit(draws(trial, attempt, encoding_.name(i)).uniform());
  return positions;
}

bool AdaptiveSampler::is_used(const Positions& positions) const {
  if (!encoding_.allows(positions)) return true;
  if (!settings_.refuse_duplicates) return false;
  if (order_) return used_.contains(key(positions));
  auto snapped = positions;
  encoding_.snap(snapped);
  return used_.contains(key(snapped));
}

uint64_t AdaptiveSampler::key(const Positions& positions) const {
  // Points of another search may break constraints of this one: they are none of its own.
  if (order_) return encoding_.index(positions).value_or(UINT64_MAX);
  // No two points of so large a space have the same hash before they have filled a disk.
  return name_hash(
      {reinterpret_cast<const char*>(positions.data()), positions.size() * sizeof(positions[0])});
}

std::optional<Positions> AdaptiveSampler::unused() {
  // What was used stays used, so the walk never has to begin again.
  while (next_in_order_ < order_->size() && used_.contains((*order_)(next_in_order_)))
    ++next_in_order_;
  if (next_in_order_ == order_->size()) return std::nullopt;
  return encoding_.at((*order_)(next_in_order_));
}

}  // namespace troupe::hpo
