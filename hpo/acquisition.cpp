#include "hpo/acquisition.hpp"

#include "hpo/lbfgs.hpp"
#include "hpo/log_ei.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace troupe::hpo {
namespace {

using Kind = Coordinate::Kind;

// Along a whole coordinate with more values than this, L-BFGS goes first and rounding last; with
// fewer every value is tried.
constexpr uint64_t few_values = 24;

double log_mean_exp(const Eigen::ArrayXd& logs) {
  const double largest = logs.maxCoeff();
  return largest + std::log((logs - largest).exp().mean());
}

bool is_smooth(const Coordinate& coordinate) {
  return coordinate.kind() == Kind::real ||
         (coordinate.kind() == Kind::whole && *coordinate.points() > few_values);
}

/// One climb: row and value move upwards until nothing helps.
struct Climb {
  const Acquisition& acquisition;
  const GpColumns& columns;
  Eigen::VectorXd row;
  double value = -HUGE_VAL;

  /// Along the numbers, the rest held; true where it rose.
  bool by_slope(int iterations) {
    const auto n = columns.size();
    std::vector<double> start(row.data(), row.data() + row.size()), low = start, high = start;
    bool any = false;
    for (size_t i = 0; i < n; ++i)
      if (is_smooth(columns[i])) low[i] = 0, high[i] = 1, any = true;
    if (!any) return false;
    Smooth loss = [&](const std::vector<double>& x, std::vector<double>& gradient) {
      Eigen::VectorXd slope;
      const double height = acquisition.at(
          Eigen::Map<const Eigen::VectorXd>(x.data(), static_cast<Eigen::Index>(x.size())), &slope);
      gradient.resize(n);
      for (size_t i = 0; i < n; ++i) gradient[i] = -slope[static_cast<Eigen::Index>(i)];
      return -height;
    };
    LbfgsSettings settings;
    settings.iterations = iterations;
    auto found = minimise(loss, start, low, high, settings);
    Eigen::VectorXd next = Eigen::Map<const Eigen::VectorXd>(found.x.data(), row.size());
    columns.snap(next);
    const double height = acquisition.at(next, nullptr);
    if (!(height > value)) return false;
    row = next;
    value = height;
    return true;
  }

  /// Along each other coordinate in turn, to its best value; true where it rose.
  bool by_values() {
    bool rose = false;
    for (size_t i = 0; i < columns.size(); ++i) {
      auto entries = neighbours(i);
      if (entries.empty()) continue;
      Eigen::MatrixXd rows(static_cast<Eigen::Index>(entries.size()), row.size());
      for (size_t k = 0; k < entries.size(); ++k) {
        rows.row(static_cast<Eigen::Index>(k)) = row;
        rows(static_cast<Eigen::Index>(k), static_cast<Eigen::Index>(i)) = entries[k];
      }
      Eigen::Index best = 0;
      const double height = acquisition.at_all(rows).maxCoeff(&best);
      if (!(height > value + 1e-12)) continue;
      row = rows.row(best);
      value = height;
      rose = true;
    }
    return rose;
  }

  std::vector<double> neighbours(size_t column) const {
    std::vector<double> entries;
    const auto& coordinate = columns[column];
    if (coordinate.kind() == Kind::real) return entries;
    const double now = row[static_cast<Eigen::Index>(column)];
    const auto points = *coordinate.points();
    auto entry = [&](uint64_t k) {
      return columns.is_category(column) ? static_cast<double>(k)
                                         : coordinate.to_unit(coordinate.position_at(k));
    };
    if (points <= few_values) {
      for (uint64_t k = 0; k < points; ++k)
        if (entry(k) != now) entries.push_back(entry(k));
    } else if (!columns.is_category(column)) {
      const auto k = coordinate.index(coordinate.from_unit(now));
      if (k > 0) entries.push_back(entry(k - 1));
      if (k + 1 < points) entries.push_back(entry(k + 1));
    }
    return entries;
  }
};

}  // namespace

GpColumns::GpColumns(const Encoding& encoding) : encoding_{&encoding} {
  for (size_t i = 0; i < encoding.size(); ++i)
    if (encoding[i].kind() != Kind::constant) free_.push_back(i);
}

bool GpColumns::is_category(size_t column) const {
  return (*this)[column].kind() == Kind::category;
}

std::vector<bool> GpColumns::categories() const {
  std::vector<bool> out;
  for (size_t i = 0; i < size(); ++i) out.push_back(is_category(i));
  return out;
}

Eigen::VectorXd GpColumns::row(const Positions& positions) const {
  Eigen::VectorXd row(static_cast<Eigen::Index>(size()));
  for (size_t i = 0; i < size(); ++i) {
    const double position = positions[free_[i]];
    row[static_cast<Eigen::Index>(i)] = is_category(i) ? position : (*this)[i].to_unit(position);
  }
  return row;
}

Positions GpColumns::positions(const Eigen::VectorXd& row) const {
  Positions positions(encoding_->size(), 0);
  for (size_t i = 0; i < size(); ++i) {
    const double entry = row[static_cast<Eigen::Index>(i)];
    positions[free_[i]] = is_category(i) ? entry : (*this)[i].from_unit(entry);
  }
  return positions;
}

void GpColumns::snap(Eigen::VectorXd& row) const {
  for (size_t i = 0; i < size(); ++i) {
    auto& entry = row[static_cast<Eigen::Index>(i)];
    if ((*this)[i].kind() == Kind::whole)
      entry = (*this)[i].to_unit((*this)[i].snap((*this)[i].from_unit(entry)));
  }
}

double GpColumns::entry(size_t column, double unit) const {
  const auto& coordinate = (*this)[column];
  const double position = coordinate.from_unit(unit);
  if (coordinate.kind() == Kind::category) return position;
  return coordinate.kind() == Kind::whole ? coordinate.to_unit(coordinate.snap(position)) : unit;
}

Acquisition::Acquisition(const Gp& process, Eigen::VectorXd bests)
    : process_{&process}, bests_{std::move(bests)} {}

double Acquisition::at(const Eigen::VectorXd& row, Eigen::VectorXd* slope) const {
  const auto prediction = process_->at(row, slope != nullptr);
  const double deviation = std::sqrt(prediction.variance);
  const Eigen::ArrayXd z = (bests_ - prediction.means).array() / deviation;
  const Eigen::ArrayXd logs = z.unaryExpr([](double one) { return log_improvement(one); });
  const double height = log_mean_exp(logs);
  if (slope == nullptr) return height + std::log(deviation);
  // Each fantasy's share in the mean weighs its slope.
  const Eigen::ArrayXd shares = (logs - height).exp() / static_cast<double>(logs.size());
  const Eigen::VectorXd deviation_slope = prediction.variance_slope / (2 * deviation);
  *slope = deviation_slope / deviation;
  for (Eigen::Index s = 0; s < z.size(); ++s)
    *slope -= shares[s] * log_improvement_slope(z[s]) / deviation *
              (prediction.mean_slopes.col(s) + z[s] * deviation_slope);
  return height + std::log(deviation);
}

Eigen::VectorXd Acquisition::at_all(const Eigen::MatrixXd& rows) const {
  Eigen::MatrixXd means;
  Eigen::VectorXd variances, heights(rows.rows());
  process_->at_all(rows, means, variances);
  for (Eigen::Index k = 0; k < rows.rows(); ++k) {
    const double deviation = std::sqrt(variances[k]);
    const Eigen::ArrayXd z = (bests_ - means.row(k).transpose()).array() / deviation;
    heights[k] = log_mean_exp(z.unaryExpr([](double one) { return log_improvement(one); })) +
                 std::log(deviation);
  }
  return heights;
}

std::vector<Eigen::VectorXd> most_promising(const Acquisition& acquisition,
                                            const GpColumns& columns,
                                            const Eigen::MatrixXd& candidates,
                                            const ClimbSettings& settings) {
  constexpr int rounds_max = 4;
  const Eigen::VectorXd heights = acquisition.at_all(candidates);
  std::vector<Eigen::Index> order(static_cast<size_t>(candidates.rows()));
  std::iota(order.begin(), order.end(), Eigen::Index{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](Eigen::Index a, Eigen::Index b) { return heights[a] > heights[b]; });
  std::vector<std::pair<double, Eigen::VectorXd>> ends;
  for (auto k : order) {
    if (static_cast<int>(ends.size()) == settings.starts) break;
    Climb climb{acquisition, columns, candidates.row(k), heights[k]};
    for (int round = 0; round < rounds_max; ++round) {
      const bool rose = climb.by_slope(settings.iterations);
      if (!climb.by_values() && (round > 0 || !rose)) break;
    }
    ends.emplace_back(climb.value, std::move(climb.row));
  }
  std::stable_sort(ends.begin(), ends.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Eigen::VectorXd> rows;
  for (auto& [value, row] : ends) rows.push_back(std::move(row));
  for (auto k : order) rows.emplace_back(candidates.row(k));
  return rows;
}

}  // namespace troupe::hpo
