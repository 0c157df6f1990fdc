#include "hpo/tpe.hpp"

#include "hpo/parzen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace troupe::hpo {
namespace {

// A suggestion must not cost more the longer a search has run: the density of bad points is that of
// the newest ones, which tell where the search is now.
constexpr size_t bad_max = 2000;

/// The two densities over some axes.
struct Pair {
  Parzen good, bad;
};

class TpeSampler final : public AdaptiveSampler {
 public:
  TpeSampler(Space space, SearchSettings settings, TpeSettings tpe)
      : AdaptiveSampler{std::move(space), std::move(settings)}, tpe_{tpe} {}

 protected:
  Positions propose(uint64_t trial, uint64_t attempt) override {
    if (ledger().results() < tpe_.start_trials) return uniform(trial, attempt);
    build();
    Positions best(encoding().size());
    for (size_t i = 0; i < best.size(); ++i) best[i] = encoding().rest(i);
    for (size_t i = 0; i < densities_.size(); ++i) {
      const auto& axes = axes_[i];
      if (!encoding().is_active(axes[0], best)) continue;
      auto name = !tpe_.multivariate       ? encoding().name(axes[0])
                  : densities_.size() == 1 ? name_hash("tpe")
                                           : name_hash("tpe") ^ encoding().name(axes[0]);
      best_of(densities_[i], draws(trial, attempt, name), candidates(attempt), best);
    }
    return best;
  }

  std::string method(uint64_t) const override {
    if (ledger().results() < tpe_.start_trials)
      return fmt::format("drawn at random until there are {} results", tpe_.start_trials);
    return fmt::format("of {} draws near the best results the one least like the others",
                       candidates(0));
  }

  void learn(const Trial&) override { densities_.clear(); }

 private:
  void build() {
    if (!densities_.empty()) return;
    auto split = tpe_split(ledger(), tpe_.liar);
    if (split.bad.size() > bad_max)
      split.bad.erase(split.bad.begin(), split.bad.end() - static_cast<std::ptrdiff_t>(bad_max));
    std::vector<const Positions*> good, bad;
    for (const auto* trial : split.good) good.push_back(&trial->positions);
    for (const auto* trial : split.bad) bad.push_back(&trial->positions);
    const auto bandwidth = tpe_.multivariate ? Bandwidth::scott : Bandwidth::neighbours;
    axes_.clear();
    // Only trials in which a group had values say anything of it.
    for (const auto& group : encoding().groups()) {
      const auto near = having(group[0], good), far = having(group[0], bad);
      auto add = [&](std::vector<size_t> axes) {
        densities_.push_back(
            {Parzen{encoding(), axes, near, bandwidth}, Parzen{encoding(), axes, far, bandwidth}});
        axes_.push_back(std::move(axes));
      };
      if (tpe_.multivariate)
        add(group);
      else
        for (auto axis : group) add({axis});
    }
  }

  std::vector<const Positions*> having(size_t axis, std::vector<const Positions*> all) const {
    if (encoding().groups().size() > 1)
      std::erase_if(all, [&](const Positions* one) { return !encoding().is_active(axis, *one); });
    return all;
  }

  /// Where each parameter is chosen by itself, the best of many for each ends up at the same points
  /// again and again: fewer are drawn the more often that happens.
  uint64_t candidates(uint64_t attempt) const {
    if (tpe_.multivariate) return tpe_.candidates;
    return std::max<uint64_t>(1, tpe_.candidates >> std::min<uint64_t>(attempt, 63));
  }

  /// Writes the axes of the best candidate. Where candidates are whole points, those that were
  /// tried before come last.
  void best_of(const Pair& pair, Draws draws, uint64_t candidates, Positions& best) const {
    double best_score = 0;
    std::optional<bool> best_is_used;
    Positions candidate = best;
    for (uint64_t i = 0; i < candidates; ++i) {
      pair.good.sample(draws, candidate);
      const bool used = tpe_.multivariate && densities_.size() == 1 && is_used(candidate);
      if (used && best_is_used == false) continue;
      const double score = pair.good.log_density(candidate) - pair.bad.log_density(candidate);
      if (best_is_used && used == *best_is_used && !(score > best_score)) continue;
      best = candidate;
      best_score = score;
      best_is_used = used;
    }
  }

  TpeSettings tpe_;
  std::vector<Pair> densities_;            // empty: to be built from what is known now
  std::vector<std::vector<size_t>> axes_;  // of each of these
};

}  // namespace

std::unique_ptr<Sampler> make_tpe_sampler(Space space, SearchSettings settings, TpeSettings tpe) {
  return std::make_unique<TpeSampler>(std::move(space), std::move(settings), tpe);
}

}  // namespace troupe::hpo
