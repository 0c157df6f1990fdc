#include "hpo/gp_sampler.hpp"

#include "hpo/acquisition.hpp"
#include "hpo/gp.hpp"
#include "hpo/normal.hpp"
#include "hpo/sobol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace troupe::hpo {
namespace {

using Index = Eigen::Index;

// Its cost is cubic: beyond so many the process knows the best half and the newest half of them.
constexpr size_t points_max = 1000;
// The kernel's parameters change slowly; so many points fix them well enough.
constexpr size_t fit_points_max = 200;
// Rows times rows times candidates: what screening may cost a suggestion.
constexpr double screening_max = 1.3e8;
constexpr uint64_t exhaustive_max = 2000;  // spaces that are screened point by point

class GpSampler final : public AdaptiveSampler {
 public:
  GpSampler(Space space, SearchSettings settings, GpSettings gp, std::vector<SobolAxis> axes)
      : AdaptiveSampler{std::move(space), std::move(settings)},
        gp_{gp},
        columns_{encoding()},
        plain_{std::move(axes)} {
    for (size_t i = 0; i < columns_.size(); ++i)
      start_.push_back(
          plain_[i].scrambled(AdaptiveSampler::settings().seed, encoding().name(columns_.axis(i))));
  }

 protected:
  Positions propose(uint64_t trial, uint64_t attempt) override {
    if (columns_.size() == 0) return Positions(encoding().size(), 0);
    if (ledger().results() < gp_.start_trials || attempt > 0) {
      if (attempt > 0 || trial - 1 >= sobol_max) return uniform(trial, attempt);
      return start_point(trial - 1);
    }
    build();
    ClimbSettings climb;
    // The larger the process the dearer a step; its landscape is the smoother for it.
    const double n = rows_;
    climb.starts = std::clamp(static_cast<int>(gp_.starts * 40'000 / (n * n)), 3, gp_.starts);
    climb.iterations = n < 300 ? 50 : 20;
    auto rows = most_promising(*acquisition_, columns_, candidates(trial), climb);
    for (const auto& row : rows) {
      auto positions = columns_.positions(row);
      if (!is_used(positions)) return positions;
    }
    return uniform(trial, attempt);
  }

  std::string method(uint64_t) const override {
    if (columns_.size() == 0) return "there is one point";
    if (ledger().results() < gp_.start_trials)
      return fmt::format(
          "one of the points spread evenly over the space, until there are {} "
          "results",
          gp_.start_trials);
    return "where a Gaussian process over the results expects to gain most";
  }

  void learn(const Trial&) override { process_.reset(); }

 private:
  static constexpr uint64_t sobol_max = uint64_t{1} << 40;

  Positions start_point(uint64_t index) const {
    Positions positions(encoding().size(), 0);
    for (size_t i = 0; i < columns_.size(); ++i)
      positions[columns_.axis(i)] = columns_[i].from_unit(start_[i].at(index));
    return positions;
  }

  /// Up to so many of the first `count` ended trials: the best half of them and the newest half.
  std::vector<const Trial*> chosen(size_t count, size_t most) const {
    std::vector<const Trial*> all;
    for (size_t i = 0; i < count; ++i) all.push_back(&ledger().trials()[ledger().ended()[i]]);
    if (all.size() <= most) return all;
    auto middle = all.end() - static_cast<std::ptrdiff_t>(most / 2);
    std::stable_sort(all.begin(), middle, [](const Trial* a, const Trial* b) {
      return std::pair{is_bad(*a), value_of(*a)} < std::pair{is_bad(*b), value_of(*b)};
    });
    std::vector<const Trial*> out(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(most / 2));
    out.insert(out.end(), middle, all.end());
    return out;
  }

  static bool is_bad(const Trial& trial) { return !trial.has_result() || trial.violation > 0; }
  static double value_of(const Trial& trial) {
    return trial.has_result() ? trial.values[0] : HUGE_VAL;
  }

  GpData data_of(const std::vector<const Trial*>& trials) const {
    GpData data{
        Eigen::MatrixXd(static_cast<Index>(trials.size()), static_cast<Index>(columns_.size())),
        columns_.categories()};
    for (size_t i = 0; i < trials.size(); ++i)
      data.x.row(static_cast<Index>(i)) = columns_.row(trials[i]->positions);
    return data;
  }

  /// Standardised; what failed or breaks constraints is as bad as the worst that did not.
  static Eigen::VectorXd values_of(const std::vector<const Trial*>& trials) {
    Eigen::VectorXd y(static_cast<Index>(trials.size()));
    double worst = -HUGE_VAL;
    for (const auto* trial : trials)
      if (!is_bad(*trial)) worst = std::max(worst, trial->values[0]);
    if (worst == -HUGE_VAL) worst = 0;
    for (size_t i = 0; i < trials.size(); ++i)
      y[static_cast<Index>(i)] = is_bad(*trials[i]) ? worst : trials[i]->values[0];
    // To the size of 1 first: sums of values near the largest double overflow.
    const double scale = y.cwiseAbs().maxCoeff();
    if (scale > 0) y /= scale;
    y.array() -= y.mean();
    const double deviation = std::sqrt(y.squaredNorm() / static_cast<double>(y.size()));
    if (deviation > 1e-12) y /= deviation;
    return y;
  }

  /// The kernel is fitted anew whenever the ended trials have grown by a twentieth, to those that
  /// had ended then: what is fitted depends on the ledger, not on when it was asked.
  void fit() {
    const size_t ended = ledger().ended().size();
    size_t count = gp_.start_trials;
    for (size_t next = count; next <= ended; next += std::max<size_t>(1, next / 20)) count = next;
    count = std::min(count, ended);
    if (fitted_at_ == count) return;
    auto trials = chosen(count, fit_points_max);
    const int starts = trials.size() <= 120 ? 2 : 1;
    kernel_ = gp_fit(data_of(trials), values_of(trials), starts, trials.size() <= 120 ? 60 : 30);
    fitted_at_ = count;
  }

  void build() {
    if (process_) return;
    fit();
    known_ = chosen(ledger().ended().size(), points_max);
    known_values_ = values_of(known_);
    std::vector<const Trial*> running;
    for (const auto& trial : ledger().trials())
      if (trial.is_running() && !trial.positions.empty()) running.push_back(&trial);
    if (running.size() > points_max / 4) running.resize(points_max / 4);
    Eigen::MatrixXd y = known_values_;
    auto trials = known_;
    if (!running.empty()) {
      y = with_fantasies(running);
      trials.insert(trials.end(), running.begin(), running.end());
    }
    rows_ = static_cast<double>(trials.size());
    const Eigen::VectorXd bests = y.colwise().minCoeff().transpose();
    process_.emplace(kernel_, data_of(trials), std::move(y));
    acquisition_.emplace(*process_, bests);
    incumbents_.clear();
    auto by_value = known_;
    std::stable_sort(by_value.begin(), by_value.end(), [](const Trial* a, const Trial* b) {
      return std::pair{is_bad(*a), value_of(*a)} < std::pair{is_bad(*b), value_of(*b)};
    });
    by_value.resize(std::min<size_t>(by_value.size(), 4));
    for (const auto* trial : by_value) incumbents_.push_back(columns_.row(trial->positions));
  }

  /// The values known, and below them in each column one draw of those of running trials.
  Eigen::MatrixXd with_fantasies(const std::vector<const Trial*>& running) const {
    Gp process{kernel_, data_of(known_), known_values_};
    const auto data = data_of(running);
    Eigen::MatrixXd means;
    Eigen::VectorXd variances;
    process.at_all(data.x, means, variances);
    Eigen::MatrixXd covariance = process.covariance_at(data.x);
    covariance.diagonal().array() += kernel_.noise + 1e-8;
    const Eigen::LLT<Eigen::MatrixXd> factor{covariance};
    const auto n = static_cast<Index>(known_.size()), m = static_cast<Index>(running.size());
    Eigen::MatrixXd normals(m, gp_.fantasies);
    for (Index k = 0; k < m; ++k) {
      auto numbers = draws(running[static_cast<size_t>(k)]->number, 0, name_hash("gp fantasy"));
      for (Index s = 0; s < normals.cols(); ++s)
        normals(k, s) = normal_quantile(numbers.uniform() + 0x1p-60);
    }
    Eigen::MatrixXd y(n + m, normals.cols());
    y.topRows(n) = known_values_.replicate(1, normals.cols());
    y.bottomRows(m) = means.replicate(1, normals.cols());
    // Rounding may spoil what should be positive definite; the means alone do then.
    if (factor.info() == Eigen::Success) y.bottomRows(m) += factor.matrixL() * normals;
    return y;
  }

  Eigen::MatrixXd candidates(uint64_t trial) {
    const auto d = static_cast<Index>(columns_.size());
    if (auto points = encoding().points(); points && *points <= exhaustive_max) {
      std::vector<Eigen::VectorXd> rows;
      for (uint64_t k = 0; k < *points; ++k)
        if (auto positions = encoding().at(k); !is_used(positions))
          rows.push_back(columns_.row(positions));
      Eigen::MatrixXd out(static_cast<Index>(rows.size()), d);
      for (size_t k = 0; k < rows.size(); ++k) out.row(static_cast<Index>(k)) = rows[k];
      return out;
    }
    const auto count = static_cast<Index>(
        std::clamp(screening_max / (rows_ * rows_), 256.0, static_cast<double>(gp_.candidates)));
    const Index near = count / 4;
    Eigen::MatrixXd out(count, d);
    for (Index j = 0; j < d; ++j) {
      const auto column = static_cast<size_t>(j);
      auto numbers = draws(trial, 1, encoding().name(columns_.axis(column)));
      // The same net for all suggestions, each turned by its own random shift.
      const double shift = numbers.uniform();
      for (Index k = 0; k < count - near; ++k) {
        const double unit = plain_[column].at(static_cast<uint64_t>(k)) + shift;
        out(k, j) = columns_.entry(column, unit - std::floor(unit));
      }
      for (Index k = count - near; k < count; ++k) {
        const auto& from = incumbents_[static_cast<size_t>(k) % incumbents_.size()];
        out(k, j) = moved(column, from[j], k, numbers);
      }
    }
    return encoding().space().rules().has_constraints() ? allowed(out) : out;
  }

  /// The rows that break no constraint; all where each does.
  Eigen::MatrixXd allowed(const Eigen::MatrixXd& rows) const {
    std::vector<Index> good;
    for (Index k = 0; k < rows.rows(); ++k)
      if (encoding().allows(columns_.positions(rows.row(k).transpose()))) good.push_back(k);
    if (good.empty()) return rows;
    Eigen::MatrixXd out(static_cast<Index>(good.size()), rows.cols());
    for (size_t k = 0; k < good.size(); ++k) out.row(static_cast<Index>(k)) = rows.row(good[k]);
    return out;
  }

  /// Somewhere near an entry: half of the coordinates move, by little or more.
  double moved(size_t column, double from, Index k, Draws& numbers) const {
    const double unit = numbers.uniform(), choice = numbers.uniform();
    if (columns_.is_category(column)) {
      const bool moves = choice * static_cast<double>(columns_.size()) < 1.5;
      return moves ? columns_.entry(column, unit) : from;
    }
    if (choice < 0.3) return from;
    const double reach = k % 3 == 0 ? 0.2 : k % 3 == 1 ? 0.05 : 0.01;
    const double to = from + reach * normal_quantile(unit + 0x1p-60);
    return columns_.entry(column, std::clamp(to, 0.0, 1.0));
  }

  GpSettings gp_;
  GpColumns columns_;
  std::vector<SobolAxis> plain_, start_;
  size_t fitted_at_ = 0;
  GpKernel kernel_;
  std::vector<const Trial*> known_;
  Eigen::VectorXd known_values_;
  std::optional<Gp> process_;
  std::optional<Acquisition> acquisition_;
  std::vector<Eigen::VectorXd> incumbents_;
  double rows_ = 0;
};

}  // namespace

Result<std::unique_ptr<Sampler>> make_gp_sampler(Space space, SearchSettings settings,
                                                 GpSettings gp) {
  if (settings.maximize.size() != 1)
    return Error{Errc::invalid, "strategy gp searches for one objective",
                 fmt::format("{} were given", settings.maximize.size()),
                 "use strategy nsga2 or tpe for several"};
  auto axes = sobol_axes(space.axes().size());
  if (!axes) return std::move(axes).error();
  return std::unique_ptr<Sampler>{
      std::make_unique<GpSampler>(std::move(space), std::move(settings), gp, std::move(*axes))};
}

}  // namespace troupe::hpo
