// What of a space depends on what: on which others a parameter is active, and what points keep
// between their parameters. Pure values, immutable once made.
#pragma once

#include "hpo/predicate.hpp"
#include "runtime/core/spec.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::hpo {

/// As a sweep has them.
struct RuleTexts {
  std::vector<std::string> constraints;
  std::vector<std::map<std::string, Value>> forbidden;
};

class SpaceRules {
 public:
  SpaceRules() = default;
  /// `invalid` for unknown names, texts where numbers are needed, conditions in a circle.
  static Result<SpaceRules> make(const std::vector<Parameter>& parameters, const RuleTexts& texts);

  bool empty() const { return !has_conditions_ && constraints_.empty(); }
  bool has_conditions() const { return has_conditions_; }
  bool has_constraints() const { return !constraints_.empty(); }
  /// Places of the parameters, each behind those that it depends on. Empty where there is no rule.
  const std::vector<size_t>& order() const { return order_; }
  /// Whether a parameter has a value, where the point has those that it depends on as far as they
  /// are active.
  bool is_active(size_t place, const Point& point) const;
  /// The parameters that one depends on, and those that these depend on: what is active together
  /// has the same text here. Empty where it always is.
  const std::string& condition(size_t place) const { return conditions_[place]; }
  void drop_inactive(Point& point) const;
  /// Whether it breaks no constraint. One on a parameter without a value is kept.
  bool allows(const Point& point) const { return broken(point) == nullptr; }
  /// The constraint that a point breaks; null where there is none.
  const std::string* broken(const Point& point) const;

 private:
  Result<void> add_conditions(const std::vector<Parameter>& parameters);
  Result<void> sort(const std::vector<Parameter>& parameters);
  Result<void> add_constraints(const std::vector<Parameter>& parameters, const RuleTexts& texts);

  struct Constraint {
    Predicate predicate;
    std::string text;      // as it was written
    bool forbids = false;  // it is broken where the predicate holds
  };
  bool has_conditions_ = false;
  std::vector<std::string> names_;
  std::vector<std::optional<Predicate>> when_;
  std::vector<std::string> conditions_;
  std::vector<size_t> order_;
  std::vector<Constraint> constraints_;
};

}  // namespace troupe::hpo
