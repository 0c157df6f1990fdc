#include "hpo/parzen.hpp"

#include "hpo/normal.hpp"
#include "tests/hpo/hpo_parts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

namespace troupe::hpo {
namespace {

TEST(Normal, QuantileUndoesTheDistribution) {
  for (double p : {1e-300, 1e-20, 1e-5, 0.02, 0.07, 0.4, 0.5, 0.6, 0.92, 0.99, 1 - 1e-10})
    EXPECT_NEAR(normal_below(normal_quantile(p)) / p, 1, 1e-12) << p;
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-14);
}

TEST(Normal, BetweenKeepsItsPrecisionInTheTails) {
  EXPECT_NEAR(normal_between(10, 11) / normal_between(-11, -10), 1, 1e-14);
  EXPECT_NEAR(normal_between(-1, 2), 0.8185946141203637, 1e-15);
  EXPECT_EQ(normal_between(-20, 20), 1);
}

/// The axes of a golden case: its distributions as our parameters.
std::vector<Parameter> parameters_of(const Value& space) {
  std::vector<Parameter> parameters;
  for (const auto& [name, distribution] : space.as_map()) {
    const auto& attributes = at(distribution, "attributes");
    if (const auto* given = attributes.find("choices")) {
      parameters.push_back(choices(name, given->as_list()));
      continue;
    }
    const bool is_int = at(distribution, "name").as_string() == "IntDistribution";
    const auto& step = at(attributes, "step");
    std::optional<Value> own_step;
    if (!is_int && !step.is_null()) own_step = step;
    parameters.push_back(range(name, at(attributes, "low"), at(attributes, "high"), own_step, {},
                               at(attributes, "log").as_bool()));
  }
  return parameters;
}

/// Row k of the columns of a case; categories stand there as indices.
std::vector<Positions> rows_of(const Encoding& encoding, const Value& columns) {
  std::vector<Positions> rows;
  for (size_t i = 0; i < encoding.size(); ++i) {
    const auto& column = at(columns, encoding.space().axes()[i].name()).as_list();
    rows.resize(column.size(), Positions(encoding.size()));
    for (size_t k = 0; k < column.size(); ++k) {
      const bool is_category = encoding[i].kind() == Coordinate::Kind::category;
      rows[k][i] = is_category ? column[k].as_number() : encoding[i].encode(column[k]).value();
    }
  }
  return rows;
}

void expect_near(const std::vector<double>& ours, const std::vector<double>& golden,
                 double tolerance, const std::string& what) {
  ASSERT_EQ(ours.size(), golden.size()) << what;
  for (size_t i = 0; i < ours.size(); ++i)
    EXPECT_NEAR(ours[i], golden[i], tolerance * std::max(1.0, std::abs(golden[i]))) << what << i;
}

struct Case {
  std::string name;
  Encoding encoding;
  std::vector<Positions> observations, points;
  Bandwidth bandwidth;

  explicit Case(const Value& golden)
      : name{at(golden, "name").as_string()},
        encoding{Space::make(parameters_of(at(golden, "space"))).value()},
        observations{rows_of(encoding, at(golden, "observations"))},
        points{rows_of(encoding, at(golden, "points"))},
        bandwidth{at(golden, "multivariate").as_bool() ? Bandwidth::scott : Bandwidth::neighbours} {
  }

  Parzen estimator() const {
    std::vector<size_t> axes;
    for (size_t i = 0; i < encoding.size(); ++i) axes.push_back(i);
    std::vector<const Positions*> pointers;
    for (const auto& positions : observations) pointers.push_back(&positions);
    return {encoding, axes, pointers, bandwidth};
  }
};

TEST(Parzen, KernelsAreTheGoldenOnes) {
  TROUPE_GOLDEN(golden, "tpe_parzen.json");
  TROUPE_GOLDEN(density, "tpe_parzen_density.json");
  const auto& cases = at(golden, "cases").as_list();
  const auto& densities = at(density, "cases").as_list();
  ASSERT_EQ(cases.size(), 27u);
  ASSERT_EQ(densities.size(), 27u);
  for (size_t c = 0; c < cases.size(); ++c) {
    Case one{cases[c]};
    auto parzen = one.estimator();
    ASSERT_EQ(at(densities[c], "name").as_string(), one.name);
    expect_near(parzen.weights(), numbers(at(cases[c], "mixture_weights")), 1e-9, one.name);
    for (size_t i = 0; i < one.encoding.size(); ++i) {
      const auto& axis = one.encoding.space().axes()[i].name();
      if (one.encoding[i].kind() == Coordinate::Kind::category) {
        const auto& rows = at(at(cases[c], "categorical_weights"), axis).as_list();
        ASSERT_EQ(rows.size(), parzen.weights().size());
        for (size_t k = 0; k < rows.size(); ++k)
          for (size_t choice = 0; choice < rows[k].as_list().size(); ++choice)
            EXPECT_NEAR(parzen.choice_chance(i, k, static_cast<double>(choice)),
                        rows[k].as_list()[choice].as_number(), 1e-9);
        continue;
      }
      expect_near(parzen.axis(i).means, numbers(at(at(cases[c], "mus"), axis)), 1e-9, one.name);
      expect_near(parzen.axis(i).sigmas, numbers(at(at(densities[c], "sigmas"), axis)), 1e-9,
                  one.name);
    }
  }
}

TEST(Parzen, DensitiesAreTheGoldenOnes) {
  TROUPE_GOLDEN(golden, "tpe_parzen.json");
  TROUPE_GOLDEN(density, "tpe_parzen_density.json");
  for (size_t c = 0; c < 27; ++c) {
    Case one{at(golden, "cases").as_list()[c]};
    auto parzen = one.estimator();
    std::vector<double> ours;
    for (const auto& positions : one.points) ours.push_back(parzen.log_density(positions));
    expect_near(ours, numbers(at(at(density, "cases").as_list()[c], "log_density")), 1e-9,
                one.name);
  }
}

TEST(Parzen, WeightsAreTheGoldenOnes) {
  TROUPE_GOLDEN(golden, "tpe_parzen.json");
  for (const auto& [count, weights] : at(golden, "default_weights").as_map())
    expect_near(parzen_weights(static_cast<size_t>(std::stoi(count))), numbers(weights), 1e-15,
                count);
}

TEST(Parzen, DensitiesOverEveryKindSumToOne) {
  std::mt19937_64 random{17};
  for (const auto& parameter : {range("x", -5.0, 10.0), range("x", 1e-5, 0.1, {}, {}, true),
                                range("x", 1, 20), range("x", 1, 2000), range("x", 0.0, 1.0, 0.1),
                                choices("x", {"a", "b", "c"}), choices("x", {1, 2, 4})})
    for (auto bandwidth : {Bandwidth::neighbours, Bandwidth::scott})
      for (size_t count : {0, 1, 2, 7, 60}) {
        Encoding encoding{Space::make({parameter}).value()};
        std::vector<Positions> rows(count);
        std::vector<const Positions*> observations;
        for (auto& row : rows) {
          row = {encoding[0].snap(encoding[0].from_unit(std::ldexp(random() >> 11, -53)))};
          observations.push_back(&row);
        }
        Parzen parzen{encoding, {0}, observations, bandwidth};
        double sum = 0;
        if (auto points = encoding.points()) {
          for (uint64_t k = 0; k < *points; ++k)
            sum += std::exp(parzen.log_density(encoding.at(k)));
          EXPECT_NEAR(sum, 1, 1e-7) << parameter.range.has_value() << count;
        } else {
          constexpr int cells = 20000;
          for (int i = 0; i < cells; ++i)
            sum += std::exp(parzen.log_density({encoding[0].from_unit((i + 0.5) / cells)}));
          EXPECT_NEAR(sum * encoding[0].width() / cells, 1, 1e-5) << count;
        }
      }
}

TEST(Parzen, SamplesFollowTheDensity) {
  std::vector<Parameter> space{range("i", 1, 6), choices("c", {"a", "b", "c"})};
  Encoding encoding{Space::make(space).value()};
  std::vector<Positions> rows{{2, 1}, {5, 0}, {5, 0}, {6, 2}};
  std::vector<const Positions*> observations;
  for (auto& row : rows) observations.push_back(&row);
  Parzen parzen{encoding, {0, 1}, observations, Bandwidth::scott};
  std::vector<double> counts(18);
  Draws draws{1, 1, 1};
  Positions point(2);
  constexpr int count = 100000;
  for (int i = 0; i < count; ++i) {
    parzen.sample(draws, point);
    ++counts[*encoding.index(point)];
  }
  double sum = 0;
  for (uint64_t k = 0; k < 18; ++k) {
    double expected = count * std::exp(parzen.log_density(encoding.at(k)));
    sum += (counts[k] - expected) * (counts[k] - expected) / expected;
  }
  EXPECT_LT(sum, 40.8);  // chi-square, 17 degrees, 0.999
}

}  // namespace
}  // namespace troupe::hpo
