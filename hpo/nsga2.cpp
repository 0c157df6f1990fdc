#include "hpo/nsga2.hpp"

#include "hpo/pareto.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace troupe::hpo {
namespace {

class Nsga2Sampler final : public AdaptiveSampler {
 public:
  Nsga2Sampler(Space space, SearchSettings settings, Nsga2Settings nsga2)
      : AdaptiveSampler{std::move(space), std::move(settings)}, nsga2_{nsga2} {
    for (size_t i = 0; i < encoding().size(); ++i)
      if (encoding()[i].kind() != Coordinate::Kind::constant) ++free_;
  }

 protected:
  Positions propose(uint64_t trial, uint64_t attempt) override {
    if (parents_.empty()) return uniform(trial, attempt);
    auto numbers = draws(trial, attempt, name_hash("nsga2"));
    auto child = positions_of(tournament(numbers));
    if (numbers.uniform() < nsga2_.crossover) {
      const auto& other = positions_of(tournament(numbers));
      for (size_t i = 0; i < child.size(); ++i)
        if (numbers.uniform() < nsga2_.swap) child[i] = other[i];
    }
    const auto fresh = uniform(trial, attempt);
    for (size_t i = 0; i < child.size(); ++i)
      if (numbers.uniform() * static_cast<double>(free_) < 1) child[i] = fresh[i];
    return child;
  }

  std::string method(uint64_t) const override {
    if (parents_.empty())
      return fmt::format("drawn at random until {} have ended", nsga2_.population);
    return fmt::format("a child of two of the {} fittest", parents_.size());
  }

  void learn(const Trial& trial) override {
    if (trial.is_running() || trial.outcome == Outcome::cancelled || trial.positions.empty())
      return;
    ended_.push_back(static_cast<size_t>(&trial - ledger().trials().data()));
    if (ended_.size() >= nsga2_.population) choose_parents();
  }

 private:
  struct Parent {
    size_t place;  // in the ledger
    uint32_t rank;
    double crowding;
  };

  const Positions& positions_of(const Parent& parent) const {
    return ledger().trials()[parent.place].positions;
  }

  const Parent& tournament(Draws& numbers) const {
    const auto& a = parents_[numbers.below(parents_.size())];
    const auto& b = parents_[numbers.below(parents_.size())];
    if (a.rank != b.rank) return a.rank < b.rank ? a : b;
    return a.crowding >= b.crowding ? a : b;
  }

  void choose_parents() {
    std::vector<Parent> all;
    for (const auto& parent : parents_) all.push_back(parent);
    for (auto place : ended_) all.push_back({place, 0, 0});
    ended_.clear();
    std::vector<Candidate> candidates;
    for (const auto& parent : all) {
      const auto& trial = ledger().trials()[parent.place];
      candidates.push_back({trial.has_result() ? trial.values : Values{}, trial.violation});
    }
    const auto ranks = domination_ranks(candidates);
    std::map<uint32_t, std::vector<size_t>> fronts;
    for (size_t i = 0; i < all.size(); ++i) fronts[all[i].rank = ranks[i]].push_back(i);
    for (const auto& [rank, front] : fronts) {
      std::vector<Values> values;
      for (auto i : front) values.push_back(candidates[i].values);
      if (values[0].empty()) continue;  // failed ones are all alike
      const auto crowding = crowding_distances(values);
      for (size_t k = 0; k < front.size(); ++k) all[front[k]].crowding = crowding[k];
    }
    std::stable_sort(all.begin(), all.end(), [](const Parent& a, const Parent& b) {
      return std::pair{a.rank, -a.crowding} < std::pair{b.rank, -b.crowding};
    });
    all.resize(std::min(all.size(), nsga2_.population));
    parents_ = std::move(all);
  }

  Nsga2Settings nsga2_;
  size_t free_ = 0;
  std::vector<Parent> parents_;
  std::vector<size_t> ended_;  // since the last choice; places in the ledger
};

}  // namespace

std::unique_ptr<Sampler> make_nsga2_sampler(Space space, SearchSettings settings,
                                            Nsga2Settings nsga2) {
  return std::make_unique<Nsga2Sampler>(std::move(space), std::move(settings), nsga2);
}

}  // namespace troupe::hpo
