#include "hpo/sobol.hpp"

#include "runtime/core/assert.hpp"

#include <boost/random/sobol.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_set>

namespace troupe::hpo {
namespace {

class SobolSampler final : public Sampler {
 public:
  SobolSampler(Encoding encoding, std::vector<SobolAxis> axes, uint64_t seed,
               std::optional<uint64_t> trials)
      : encoding_{std::move(encoding)}, axes_{std::move(axes)}, size_{trials} {
    if (auto points = encoding_.points()) {
      order_.emplace(seed, *points);
      size_ = std::min(trials.value_or(UINT64_MAX), *points);
    }
  }

  std::optional<uint64_t> size() const override { return size_; }

  Result<Point> suggest(uint64_t trial) override {
    if (trial == 0 || trial > size_.value_or(UINT64_MAX))
      return Error{Errc::invalid, fmt::format("no member {}", trial),
                   fmt::format("members are numbered 1 to {}", size_.value_or(UINT64_MAX)), ""};
    if (!order_ && encoding_.space().rules().has_constraints()) return allowed(trial);
    if (!order_) return encoding_.decode(positions(trial - 1));
    while (drawn_.size() < trial) drawn_.push_back(next_new());
    return encoding_.decode(encoding_.at(drawn_[trial - 1]));
  }

 private:
  Positions positions(uint64_t index) const {
    Positions positions(encoding_.size());
    for (size_t i = 0; i < positions.size(); ++i)
      positions[i] = encoding_[i].from_unit(axes_[i].at(index));
    return positions;
  }

  /// Points of the sequence that break a constraint are left out.
  Result<Point> allowed(uint64_t trial) {
    const auto end = next_ + Space::draws_max * (trial - std::min<uint64_t>(trial, drawn_.size()));
    for (; drawn_.size() < trial && next_ < end; ++next_)
      if (encoding_.allows(positions(next_))) drawn_.push_back(next_);
    if (drawn_.size() >= trial) return encoding_.decode(positions(drawn_[trial - 1]));
    return Error{Errc::exhausted, fmt::format("no point for member {}", trial),
                 "the sequence has none for long that keeps all constraints",
                 "loosen the constraints, or use strategy random"};
  }

  uint64_t next_new() {
    constexpr int tries = 64;  // then the space is nearly used up there: take any that is left
    for (int i = 0; i < tries; ++i) {
      auto index = encoding_.index(positions(next_++));
      if (index && used_.insert(*index).second) return *index;
    }
    auto index = (*order_)(next_left_++);
    while (!used_.insert(index).second) index = (*order_)(next_left_++);
    return index;
  }

  Encoding encoding_;
  std::vector<SobolAxis> axes_;
  std::optional<uint64_t> size_;
  // Of a space that can be counted:
  std::optional<Permutation> order_;
  std::vector<uint64_t> drawn_;
  std::unordered_set<uint64_t> used_;
  uint64_t next_ = 0, next_left_ = 0;
};

}  // namespace

SobolAxis SobolAxis::scrambled(uint64_t seed, uint64_t name) const {
  Draws draws{seed, 0, name};  // trials begin at 1: their draws are others
  // Row r of a lower triangular matrix over bits, the most significant first, ones on its diagonal.
  std::array<uint64_t, bits> rows;
  for (unsigned r = 0; r < bits; ++r) {
    const uint64_t diagonal = uint64_t{1} << (bits - 1 - r);
    const uint64_t above = ~((diagonal << 1) - 1) & ((uint64_t{1} << bits) - 1);
    rows[r] = diagonal | (draws.bits() & above);
  }
  SobolAxis out{{}};
  for (unsigned j = 0; j < bits; ++j)
    for (unsigned r = 0; r < bits; ++r)
      if (std::popcount(rows[r] & directions_[j]) % 2 == 1)
        out.directions_[j] |= uint64_t{1} << (bits - 1 - r);
  out.shift_ = draws.bits() >> (64 - bits);
  return out;
}

double SobolAxis::at(uint64_t index) const {
  TROUPE_ASSERT(index >> bits == 0, "an index beyond the sequence");
  auto sum = shift_;
  for (auto gray = index ^ (index >> 1); gray != 0; gray &= gray - 1)
    sum ^= directions_[static_cast<size_t>(std::countr_zero(gray))];
  return std::ldexp(static_cast<double>(sum), -static_cast<int>(bits));
}

Result<std::vector<SobolAxis>> sobol_axes(size_t dimensions) {
  using Engine = boost::random::sobol_engine<uint64_t, SobolAxis::bits>;
  if (dimensions > sobol_dimensions_max)
    return Error{Errc::invalid, "no Sobol sequence of so many parameters",
                 fmt::format("{} are more than {}", dimensions, sobol_dimensions_max),
                 "use strategy random"};
  std::vector<SobolAxis::Directions> directions(dimensions);
  if (dimensions != 0) {
    Engine engine{dimensions};
    // In Gray code, the points 2^j and 2^(j-1) differ by the j-th direction alone; Boost's engine
    // leaves out the zero point, so its n-th is point n + 1.
    for (unsigned j = 0; j < SobolAxis::bits; ++j) {
      engine.seed((uint64_t{1} << j) - 1);
      for (auto& axis : directions) axis[j] = engine();
    }
    for (auto& axis : directions)
      for (unsigned j = 1; j < SobolAxis::bits; ++j) axis[j] ^= axis[j - 1];
  }
  return std::vector<SobolAxis>(directions.begin(), directions.end());
}

Result<std::unique_ptr<Sampler>> make_sobol_sampler(Space space, uint64_t seed,
                                                    std::optional<uint64_t> trials) {
  Encoding encoding{std::move(space)};
  auto axes = sobol_axes(encoding.size());
  if (!axes) return std::move(axes).error();
  for (size_t i = 0; i < axes->size(); ++i)
    (*axes)[i] = (*axes)[i].scrambled(seed, encoding.name(i));
  return std::unique_ptr<Sampler>{
      std::make_unique<SobolSampler>(std::move(encoding), std::move(*axes), seed, trials)};
}

}  // namespace troupe::hpo
