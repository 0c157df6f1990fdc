#include "hpo/cma_sampler.hpp"

#include "hpo/normal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace troupe::hpo {
namespace {

using Kind = Coordinate::Kind;

constexpr double sigma_start = 1.0 / 6;  // of the unit box, from its middle
constexpr int redraws_max = 100;
constexpr double end = 1 - 0x1p-53;  // the last number of the box

class CmaSampler final : public AdaptiveSampler {
 public:
  CmaSampler(Space space, SearchSettings settings, CmaSettings cma)
      : AdaptiveSampler{std::move(space), std::move(settings)}, cma_settings_{cma} {
    for (size_t i = 0; i < encoding().size(); ++i)
      if (encoding()[i].kind() != Kind::constant) free_.push_back(i);
    // A generation smaller than what runs at a time would be over before most of it has ended.
    population_ = 4 + static_cast<size_t>(
                          3 * std::log(static_cast<double>(std::max<size_t>(free_.size(), 1))));
    population_ = std::max<size_t>(population_, AdaptiveSampler::settings().parallel);
    if (!free_.empty()) begin(Cma::Vector(free_.size(), 0.5));
  }

 protected:
  Positions propose(uint64_t trial, uint64_t attempt) override {
    Positions positions(encoding().size(), 0);
    if (free_.empty()) return positions;
    return positions_of(draw(trial, attempt));
  }

  std::string method(uint64_t) const override {
    if (free_.empty()) return "there is one point";
    return fmt::format("drawn from distribution {} of its kind, {} of {} of whose results are in",
                       epoch_ + 1, results_.size(), strategy_->population());
  }

  void learn(const Trial& trial) override {
    if (free_.empty()) return;
    auto made = made_.find(trial.number);
    if (made == made_.end() && trial.is_running())
      made = made_.emplace(trial.number, find(trial)).first;
    if (trial.is_running()) return;
    if (made == made_.end() || made->second.x.empty()) start_from(trial);
    if (made == made_.end()) return;
    auto own = std::move(made->second);
    made_.erase(made);
    // One from an earlier generation says nothing about this one's distribution.
    if (own.epoch != epoch_ || own.x.empty() || trial.outcome == Outcome::cancelled) return;
    const bool has_value = trial.has_result();
    results_.push_back(
        {std::move(own.x), has_value ? trial.values[0] : HUGE_VAL, std::max(trial.violation, 0.0)});
    if (results_.size() == strategy_->population()) next_generation();
  }

 private:
  struct Made {
    uint64_t epoch = 0;
    Cma::Vector x;  // as the strategy takes it back; empty: the point came from elsewhere
  };

  void begin(Cma::Vector mean) {
    const auto shape =
        free_.size() >= cma_settings_.separable_from ? Cma::Shape::separable : Cma::Shape::full;
    strategy_.emplace(std::move(mean), sigma_start, population_, shape);
    scales_.assign(free_.size(), 1);
    ++epoch_;
    results_.clear();
    correct();
  }

  /// A point in the unit box, with the scales of the margin.
  Cma::Vector draw(uint64_t trial, uint64_t attempt) const {
    auto numbers = draws(trial, attempt, name_hash("cma"));
    Cma::Vector normals(free_.size()), x;
    for (int i = 0; i <= redraws_max; ++i) {
      for (auto& normal : normals) normal = normal_quantile(std::max(numbers.uniform(), 0x1p-60));
      x = strategy_->sample(normals);
      bool inside = true;
      for (size_t k = 0; k < x.size(); ++k) {
        x[k] = strategy_->mean()[k] + scales_[k] * (x[k] - strategy_->mean()[k]);
        inside = inside && x[k] >= 0 && x[k] <= end;
      }
      if (inside) return x;
    }
    for (auto& number : x) number = std::clamp(number, 0.0, end);
    return x;
  }

  Positions positions_of(const Cma::Vector& x) const {
    Positions positions(encoding().size(), 0);
    for (size_t k = 0; k < x.size(); ++k)
      positions[free_[k]] = encoding()[free_[k]].from_unit(x[k]);
    return positions;
  }

  /// What was drawn for a trial that has just been made: the numbers depend on its own alone, so
  /// they are drawn once more. A point that none of them gives came from elsewhere.
  Made find(const Trial& trial) const {
    constexpr uint64_t attempts = 16;
    for (uint64_t attempt = 0; attempt < attempts; ++attempt) {
      auto x = draw(trial.number, attempt);
      auto positions = positions_of(x);
      encoding().snap(positions);
      if (positions != trial.positions &&
          encoding().decode(positions) != encoding().decode(trial.positions)) {
        // A next attempt is made only where this one was a point tried before.
        if (!is_used(positions)) break;
        continue;
      }
      for (size_t k = 0; k < x.size(); ++k)
        x[k] = strategy_->mean()[k] + (x[k] - strategy_->mean()[k]) / scales_[k];
      return {epoch_, std::move(x)};
    }
    return {epoch_, {}};
  }

  /// Before anything of its own was drawn, the search begins at the best point it is told of.
  void start_from(const Trial& trial) {
    if (has_own_ || !made_.empty() || !trial.has_result() || trial.violation > 0) return;
    if (best_before_ <= trial.values[0]) return;
    best_before_ = trial.values[0];
    Cma::Vector mean;
    for (auto axis : free_) mean.push_back(encoding()[axis].to_unit(trial.positions[axis]));
    begin(std::move(mean));
  }

  void next_generation() {
    has_own_ = true;
    strategy_->tell(std::move(results_));
    results_.clear();
    ++epoch_;
    if (cma_settings_.restart && !strategy_->stop_reason().empty()) {
      population_ *= 2;
      Draws numbers = draws(0, ++restarts_, name_hash("cma restart"));
      Cma::Vector mean;
      for (size_t k = 0; k < free_.size(); ++k) mean.push_back(numbers.uniform());
      return begin(std::move(mean));
    }
    correct();
  }

  /// Keeps the margin of coordinates whose values are whole.
  void correct() {
    const double least =
        1 / (static_cast<double>(strategy_->population()) * static_cast<double>(free_.size()));
    for (size_t k = 0; k < free_.size(); ++k) {
      const auto& coordinate = encoding()[free_[k]];
      if (coordinate.kind() == Kind::real) continue;
      const double mean = std::clamp(strategy_->mean()[k], 0.0, end);
      const auto value = coordinate.index(coordinate.from_unit(mean));
      auto [low, high] = coordinate.share(value);
      if (value == 0) low = -HUGE_VAL;
      if (value + 1 == *coordinate.points()) high = HUGE_VAL;
      auto kept = keep_margin(mean, strategy_->deviation(k), scales_[k], low, high, least);
      strategy_->move_mean(k, kept.mean);
      scales_[k] = kept.scale;
    }
  }

  CmaSettings cma_settings_;
  std::vector<size_t> free_;
  size_t population_ = 0;
  std::optional<Cma> strategy_;
  Cma::Vector scales_;
  uint64_t epoch_ = 0;  // of the distribution: counts generations and restarts
  uint64_t restarts_ = 0;
  std::vector<Cma::Solution> results_;
  std::unordered_map<uint64_t, Made> made_;
  bool has_own_ = false;
  double best_before_ = HUGE_VAL;
};

}  // namespace

Margin keep_margin(double mean, double deviation, double scale, double low, double high,
                   double least) {
  const double spread = deviation * scale;
  if (std::isinf(low) && std::isinf(high)) return {mean, scale};
  if (std::isinf(low) || std::isinf(high)) {
    const double border = std::isinf(low) ? high : low;
    const double reach = spread * normal_quantile(1 - least);
    if (std::abs(mean - border) <= reach) return {mean, scale};
    return {std::isinf(low) ? border - reach : border + reach, scale};
  }
  double below = normal_below((low - mean) / spread);
  double above = normal_below((mean - high) / spread);
  if (below >= least / 2 && above >= least / 2) return {mean, scale};
  const double inside = 1 - below - above;
  below = std::max(below, least / 2);
  above = std::max(above, least / 2);
  // What the two gained is taken from all in proportion to what each has above its least.
  const double share = (1 - below - above - inside) / (below + above + inside - 1.5 * least);
  below += share * (below - least / 2);
  above += share * (above - least / 2);
  const double to_low = normal_quantile(1 - below), to_high = normal_quantile(1 - above);
  return {(low * to_high + high * to_low) / (to_low + to_high),
          (high - low) / ((to_low + to_high) * deviation)};
}

Result<std::unique_ptr<Sampler>> make_cma_sampler(Space space, SearchSettings settings,
                                                  CmaSettings cma) {
  if (settings.maximize.size() != 1)
    return Error{Errc::invalid, "strategy cma-es searches for one objective",
                 fmt::format("{} were given", settings.maximize.size()),
                 "use strategy nsga2 or tpe for several"};
  if (space.rules().has_conditions())
    return Error{Errc::invalid, "strategy cma-es needs parameters that always have a value",
                 "some have a condition (when)", "use strategy tpe, gp, nsga2, random or auto"};
  for (const auto& axis : space.axes()) {
    Coordinate coordinate{axis};
    // Two choices are two ends of a line.
    if (coordinate.kind() == Kind::category && *coordinate.points() > 2)
      return Error{Errc::invalid, fmt::format("parameter {}", axis.name()),
                   fmt::format("strategy cma-es cannot search {} choices that have no order",
                               *coordinate.points()),
                   "use strategy tpe, gp or auto"};
  }
  return std::unique_ptr<Sampler>{
      std::make_unique<CmaSampler>(std::move(space), std::move(settings), cma)};
}

}  // namespace troupe::hpo
