#include "hpo/sampler.hpp"

#include "hpo/search.hpp"
#include "hpo/sobol.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

namespace troupe::hpo {
namespace {

Error outside(uint64_t trial, std::optional<uint64_t> size) {
  return {Errc::invalid, fmt::format("no member {}", trial),
          fmt::format("members are numbered 1 to {}", size.value_or(UINT64_MAX)), ""};
}

bool is_outside(uint64_t trial, std::optional<uint64_t> size) {
  return trial == 0 || (size && trial > *size);
}

std::optional<uint64_t> at_most(std::optional<uint64_t> size, std::optional<uint64_t> trials) {
  if (!size) return trials;
  return trials ? std::min(*size, *trials) : *size;
}

class GridSampler final : public Sampler {
 public:
  GridSampler(Space space, std::optional<uint64_t> trials)
      : space_{std::move(space)}, size_{at_most(space_.grid_size(), trials)} {}
  std::optional<uint64_t> size() const override { return size_; }
  Result<Point> suggest(uint64_t trial) override {
    if (is_outside(trial, size_)) return outside(trial, size_);
    return space_.grid_at(trial - 1);
  }

 private:
  Space space_;
  std::optional<uint64_t> size_;
};

class ListSampler final : public Sampler {
 public:
  ListSampler(std::vector<Parameter> parameters, const SweepSpec& sweep)
      : parameters_{std::move(parameters)}, points_{sweep.points} {
    uint64_t longest = points_.empty() ? 1 : points_.size();
    for (const auto& parameter : parameters_)
      longest = std::max<uint64_t>(longest, parameter.choices.size());
    size_ = *at_most(longest, sweep.trials);
  }
  std::optional<uint64_t> size() const override { return size_; }
  Result<Point> suggest(uint64_t trial) override {
    if (is_outside(trial, size_)) return outside(trial, size_);
    Point point;
    for (const auto& parameter : parameters_)
      point[parameter.name] = parameter.choices[parameter.is_constant() ? 0 : trial - 1];
    if (!points_.empty())
      for (const auto& [name, value] : points_[trial - 1]) point[name] = value;
    return point;
  }

 private:
  std::vector<Parameter> parameters_;
  std::vector<Point> points_;
  uint64_t size_ = 0;
};

class RandomSampler final : public Sampler {
 public:
  RandomSampler(Space space, uint64_t seed, std::optional<uint64_t> trials)
      : space_{std::move(space)}, seed_{seed}, size_{at_most(space_.size(), trials)} {
    for (const auto& axis : space_.axes()) {
      names_.push_back(name_hash(axis.name()));
      even_ = even_ && axis.is_even();
    }
    // A space too large to count is never drawn out: independent draws do not meet there. Where
    // parameters depend on each other draws are weighted by how they depend.
    if (auto all = space_.size(); all && *all != UINT64_MAX) order_.emplace(seed, *all);
  }
  std::optional<uint64_t> size() const override { return size_; }
  Result<Point> suggest(uint64_t trial) override {
    if (is_outside(trial, size_)) return outside(trial, size_);
    if (!space_.rules().empty()) return ruled(trial);
    if (order_ && even_) return space_.at((*order_)(trial - 1));
    if (order_) return space_.at(uneven(trial));
    Point point;
    for (size_t i = 0; i < space_.axes().size(); ++i) {
      Draws draws{seed_, trial, names_[i]};
      point[space_.axes()[i].name()] = space_.axes()[i].draw(draws);
    }
    return point;
  }

 private:
  /// A finite space with log axes: drawn by weight and without replacement, so trial k depends on
  /// those before it. They are drawn from the first on whatever is asked, and kept.
  uint64_t uneven(uint64_t trial) {
    constexpr int tries = 64;  // then the space is nearly used up there: take any that is left
    while (drawn_.size() < trial) {
      std::vector<Draws> draws;
      for (auto name : names_) draws.emplace_back(seed_, drawn_.size() + 1, name);
      uint64_t index = 0;
      bool fresh = false;
      for (int i = 0; i < tries && !fresh; ++i) {
        index = 0;
        for (size_t axis = 0; axis < draws.size(); ++axis)
          index =
              index * *space_.axes()[axis].points() + space_.axes()[axis].draw_index(draws[axis]);
        fresh = used_.insert(index).second;
      }
      while (!fresh) fresh = used_.insert(index = (*order_)(next_left_++)).second;
      drawn_.push_back(index);
    }
    return drawn_[trial - 1];
  }

  std::optional<Point> drawn_point(uint64_t trial, uint64_t round, uint64_t tries) const {
    auto draws = [&](size_t axis, uint64_t attempt) {
      return Draws{seed_, trial, names_[axis] ^ ((round << 32 | attempt) * 0x9E3779B97F4A7C15)};
    };
    return space_.draw_allowed(draws, tries);
  }

  Result<Point> ruled(uint64_t trial) {
    if (!order_) {
      if (auto point = drawn_point(trial, 0, Space::draws_max)) return std::move(*point);
      return Error{Errc::exhausted, fmt::format("no point for member {}", trial),
                   "no random point was found that keeps all constraints",
                   "loosen the constraints, or narrow the ranges to where they hold"};
    }
    constexpr uint64_t tries = 64;  // then the space is nearly used up there
    while (ruled_.size() < trial) {
      std::optional<Point> fresh;
      for (uint64_t i = 0; i < tries && !fresh; ++i)
        if (auto point = drawn_point(ruled_.size() + 1, i, Space::draws_few))
          if (ruled_used_.insert(identity(*point)).second) fresh = std::move(point);
      while (!fresh) {
        auto point = space_.at((*order_)(next_left_++));
        if (ruled_used_.insert(identity(point)).second) fresh = std::move(point);
      }
      ruled_.push_back(std::move(*fresh));
    }
    return ruled_[trial - 1];
  }

  Space space_;
  uint64_t seed_;
  std::optional<uint64_t> size_;
  std::vector<uint64_t> names_;
  bool even_ = true;
  std::optional<Permutation> order_;
  std::vector<uint64_t> drawn_;
  std::unordered_set<uint64_t> used_;
  uint64_t next_left_ = 0;
  std::vector<Point> ruled_;
  std::unordered_set<std::string> ruled_used_;
};

Result<void> check_list(const std::vector<Parameter>& parameters, const SweepSpec& sweep) {
  bool conditions = std::any_of(parameters.begin(), parameters.end(),
                                [](const Parameter& parameter) { return !parameter.when.empty(); });
  if (conditions || !sweep.constraints.empty() || !sweep.forbidden.empty())
    return Error{Errc::invalid, "strategy list takes points as they are listed",
                 "conditions, constraints and forbidden values choose among points",
                 "leave them out, or use strategy grid or random"};
  std::optional<uint64_t> length;
  if (!sweep.points.empty()) length = sweep.points.size();
  for (const auto& parameter : parameters) {
    auto what = fmt::format("parameter {}", parameter.name);
    if (parameter.range || parameter.choices.empty())
      return Error{Errc::invalid, what, "strategy list needs listed values",
                   "list the values, or use strategy grid or random"};
    if (parameter.is_constant()) continue;
    if (!length) length = parameter.choices.size();
    if (*length != parameter.choices.size())
      return Error{Errc::invalid, what,
                   fmt::format("{} values where others have {}", parameter.choices.size(), *length),
                   "make the lists equally long"};
  }
  return ok();
}

/// A strategy that learns: it needs to know from what.
Result<std::unique_ptr<Sampler>> adaptive(Space space, const SweepSpec& sweep) {
  const auto& names = adaptive_strategies();
  if (std::find(names.begin(), names.end(), sweep.strategy) == names.end())
    return Error{Errc::invalid, fmt::format("strategy {} is not known", sweep.strategy),
                 fmt::format("known are grid, list, random, sobol, {}", fmt::join(names, ", ")),
                 "use one of them"};
  if (!sweep.metric)
    return Error{Errc::invalid,
                 fmt::format("strategy {} has nothing to learn from", sweep.strategy),
                 "the sweep has no metric", "add metric: max.NAME or min.NAME"};
  if (!sweep.seed)
    return Error{Errc::bug, "a search without a seed", "the seed was not drawn at submit",
                 "please report this"};
  return make_search(sweep.strategy, std::move(space), search_settings(sweep));
}

}  // namespace

Result<Point> Sampler::complete(uint64_t trial, const Point& given) {
  auto point = suggest(trial);
  for (const auto& [name, value] : given)
    if (point) point->insert_or_assign(name, value);
  return point;
}

Result<std::unique_ptr<Sampler>> make_sampler(const std::vector<Parameter>& parameters,
                                              const SweepSpec& sweep) {
  if (sweep.strategy == "list") {
    TROUPE_TRY(check_list(parameters, sweep));
    return std::unique_ptr<Sampler>{std::make_unique<ListSampler>(parameters, sweep)};
  }
  auto space = Space::make(parameters, {sweep.constraints, sweep.forbidden});
  if (!space) return std::move(space).error();
  if (sweep.strategy == "grid") {
    for (const auto& axis : space->axes())
      if (!axis.grid_points())
        return Error{Errc::invalid, fmt::format("parameter {}", axis.name()),
                     "a grid cannot take points from a continuous range",
                     "add count: N or step: S to the range, or use strategy random"};
    return std::unique_ptr<Sampler>{std::make_unique<GridSampler>(std::move(*space), sweep.trials)};
  }
  if (sweep.strategy == "random") {
    if (!sweep.seed)
      return Error{Errc::bug, "random search without a seed", "the seed was not drawn at submit",
                   "please report this"};
    return std::unique_ptr<Sampler>{
        std::make_unique<RandomSampler>(std::move(*space), *sweep.seed, sweep.trials)};
  }
  if (sweep.strategy == "sobol") {
    if (!sweep.seed)
      return Error{Errc::bug, "a Sobol search without a seed", "the seed was not drawn at submit",
                   "please report this"};
    return make_sobol_sampler(std::move(*space), *sweep.seed, sweep.trials);
  }
  return adaptive(std::move(*space), sweep);
}

Result<uint64_t> set_size(const std::vector<Parameter>& parameters, const SweepSpec& sweep) {
  auto seeded = sweep;
  if (!seeded.seed) seeded.seed = 0;  // the size does not depend on it
  auto sampler = make_sampler(parameters, seeded);
  if (!sampler) return std::move(sampler).error();
  auto size = (*sampler)->size();
  if (!size)
    return Error{Errc::invalid, "the sweep would never end", "the space has no end",
                 "add trials: N"};
  if (*size == 0)
    return Error{Errc::invalid, "the sweep has no member", "trials is 0", "give at least 1"};
  if (*size > limits::set_members_max)
    return Error{Errc::invalid, "the sweep has too many members",
                 fmt::format("{} are more than {}", *size, limits::set_members_max),
                 "take fewer values, or trials: N with strategy random"};
  return *size;
}

}  // namespace troupe::hpo
