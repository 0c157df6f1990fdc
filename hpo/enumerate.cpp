#include "hpo/enumerate.hpp"

#include <algorithm>
#include <numeric>

namespace troupe::hpo {

namespace {

// Steps for each point that may be counted: how much is tried in vain where constraints leave few.
constexpr size_t steps_a_point = 20;

class Walk {
 public:
  Walk(const std::vector<Axis>& axes, const SpaceRules& rules, bool grid, size_t most)
      : axes_{axes}, rules_{rules}, grid_{grid}, most_{most}, digits_(axes.size()) {}

  bool run() { return from(0); }
  std::vector<uint32_t> take() { return std::move(found_); }

 private:
  /// False where there are too many. As deep as there are axes.
  bool from(size_t depth) {
    if (depth == axes_.size()) {
      if (count_++ == most_) return false;
      found_.insert(found_.end(), digits_.begin(), digits_.end());
      return true;
    }
    const auto place = rules_.order()[depth];
    const auto& axis = axes_[place];
    if (!rules_.is_active(place, point_)) {
      digits_[place] = Space::inactive;
      return from(depth + 1);
    }
    const auto points = grid_ ? axis.grid_points() : axis.points();
    if (!points || *points >= Space::inactive) return false;
    auto value = point_.emplace(axis.name(), Value{}).first;
    for (uint64_t k = 0; k < *points; ++k) {
      if (++steps_ > most_ * steps_a_point) return false;
      value->second = grid_ ? axis.grid_at(k) : axis.at(k);
      digits_[place] = static_cast<uint32_t>(k);
      if (rules_.allows(point_) && !from(depth + 1)) return false;
    }
    point_.erase(value);
    return true;
  }

  const std::vector<Axis>& axes_;
  const SpaceRules& rules_;
  bool grid_;
  size_t most_, count_ = 0, steps_ = 0;
  Point point_;
  std::vector<uint32_t> digits_, found_;
};

}  // namespace

std::shared_ptr<const std::vector<uint32_t>> enumerate_points(const std::vector<Axis>& axes,
                                                              const SpaceRules& rules, bool grid,
                                                              size_t most) {
  if (axes.empty()) return nullptr;
  for (const auto& axis : axes)
    if (!(grid ? axis.grid_points() : axis.points())) return nullptr;
  Walk walk{axes, rules, grid, most};
  if (!walk.run()) return nullptr;
  const auto found = walk.take();
  const size_t width = axes.size();
  std::vector<size_t> order(found.size() / width);
  std::iota(order.begin(), order.end(), size_t{0});
  auto digits = [&](size_t k) { return found.begin() + static_cast<std::ptrdiff_t>(k * width); };
  const auto length = static_cast<std::ptrdiff_t>(width);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::lexicographical_compare(digits(a), digits(a) + length, digits(b),
                                        digits(b) + length);
  });
  std::vector<uint32_t> sorted;
  sorted.reserve(found.size());
  for (auto k : order) sorted.insert(sorted.end(), digits(k), digits(k) + length);
  return std::make_shared<const std::vector<uint32_t>>(std::move(sorted));
}

}  // namespace troupe::hpo
