#include "hpo/pbt.hpp"

#include "hpo/random.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::hpo {

namespace {

constexpr double up = 1.2, down = 0.8;
constexpr uint64_t attempts_max = 64;  // to keep the constraints

/// Where a value goes when it is multiplied; a whole one to a neighbour at least.
double moved(const Coordinate& coordinate, double position, bool upwards) {
  auto step = upwards ? 1.0 : -1.0;
  switch (coordinate.kind()) {
    case Coordinate::Kind::constant:
      return position;
    case Coordinate::Kind::category:
      return std::clamp(position + step, 0.0, coordinate.high() - 1);
    case Coordinate::Kind::real:
    case Coordinate::Kind::whole:
      break;
  }
  double factor = upwards ? up : down;
  auto target = coordinate.is_log() ? position + std::log(factor) : position * factor;
  target = coordinate.snap(std::clamp(target, coordinate.low(), coordinate.high()));
  if (coordinate.kind() == Coordinate::Kind::real || target != position) return target;
  auto last = static_cast<double>(*coordinate.points() - 1);
  auto index = static_cast<double>(coordinate.index(position));
  return coordinate.position_at(static_cast<uint64_t>(std::clamp(index + step, 0.0, last)));
}

}  // namespace

std::vector<std::pair<double, uint64_t>> Pbt::ranking() const {
  std::vector<std::pair<double, uint64_t>> ranking;
  for (const auto& [trial, value] : standings_) ranking.emplace_back(value, trial);
  std::sort(ranking.begin(), ranking.end());
  return ranking;
}

Verdict Pbt::judge(uint64_t trial, double resource, double value) {
  auto interval = std::floor(resource / rule().interval);
  auto [known, is_first] = intervals_.try_emplace(trial, 0);
  if (is_first && copies_.erase(trial) != 0) {
    known->second = interval;
    return {true, false, "", {}};
  }
  if (interval <= known->second) return {};
  known->second = interval;
  standings_[trial] = value;
  Verdict verdict;
  verdict.heard = true;
  if (resource < rule().min || (rule().max && resource >= *rule().max)) return verdict;
  auto all = ranking();
  auto few = static_cast<size_t>(static_cast<double>(all.size()) * rule().quantile);
  auto rank =
      static_cast<size_t>(std::find(all.begin(), all.end(), std::pair{value, trial}) - all.begin());
  if (few == 0 || rank + few < all.size()) return verdict;
  Draws draws{seed_, trial, name_hash("pbt donor") + static_cast<uint64_t>(interval)};
  auto [best, donor] = all[draws.below(few)];
  verdict.stop = true;
  verdict.copies = donor;
  verdict.reason =
      fmt::format("pbt: {} is number {} of {}; a copy of member {}, which has {}, takes its place",
                  at(resource, value), rank + 1, all.size(), donor, shown(best));
  // It is out from here on, however long it takes to end.
  standings_.erase(trial);
  return verdict;
}

void Pbt::ended(uint64_t trial, Outcome) {
  standings_.erase(trial);
  intervals_.erase(trial);
  copies_.erase(trial);
}

Point perturbed(const Encoding& encoding, const Point& donor, double resample, uint64_t seed,
                uint64_t trial, std::string& how) {
  auto from = encoding.encode(donor);
  how = "unchanged";
  if (!from) return donor;
  for (uint64_t attempt = 0; attempt < attempts_max; ++attempt) {
    auto positions = *from;
    std::string text;
    for (size_t axis = 0; axis < encoding.size(); ++axis) {
      const auto& coordinate = encoding[axis];
      if (coordinate.kind() == Coordinate::Kind::constant || !encoding.is_active(axis, *from))
        continue;
      Draws draws{seed, trial, encoding.name(axis) ^ (name_hash("pbt") + attempt)};
      bool redraws = draws.uniform() < resample;
      bool upwards = draws.below(2) == 1;
      positions[axis] = redraws ? coordinate.snap(coordinate.from_unit(draws.uniform()))
                                : moved(coordinate, positions[axis], upwards);
      if (positions[axis] == (*from)[axis]) continue;
      auto name = encoding.space().axes()[axis].name();
      bool is_listed = coordinate.kind() == Coordinate::Kind::category;
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name,
                          redraws     ? "drawn anew"
                          : is_listed ? "to its neighbour"
                          : upwards   ? "up by a fifth"
                                      : "down by a fifth");
    }
    if (!encoding.allows(positions)) continue;
    if (!text.empty()) how = text;
    return encoding.decode(positions);
  }
  return donor;
}

}  // namespace troupe::hpo
