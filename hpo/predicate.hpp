// Conditions on the parameters of a point: when one of them is active, what they keep between them.
//
//   optimizer == "sgd" and layers in [2, 3]
//   batch * accumulate <= 512
//
// Numbers, texts in quotes, true, false, null; + - * / %, comparisons, in [...], not in [...], and,
// or, not, ( ), min(...), max(...), abs(x), log2(x). A name that holds other signs than letters,
// digits, '_' and '.' stands in `backquotes`. Pure values, immutable once made.
#pragma once

#include "hpo/space_point.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::hpo {

class Predicate {
 public:
  /// `invalid` with the place where it cannot be read.
  static Result<Predicate> parse(std::string_view text);

  const std::string& text() const { return text_; }
  /// The parameters that it looks at, each once.
  const std::vector<std::string>& names() const { return names_; }
  /// Of these the ones that must be numbers.
  const std::vector<std::string>& numeric_names() const { return numeric_; }
  /// None where that depends on a parameter that the point has not.
  std::optional<bool> holds(const Point& point) const;

 private:
  friend class PredicateParser;
  enum class Op : uint8_t {
    literal,
    name,
    either,
    both,
    negation,
    equal,
    unequal,
    less,
    at_most,
    one_of,
    plus,
    minus,
    times,
    over,
    remainder,
    least,
    most,
    absolute,
    log2,
  };
  struct Node {
    Op op = Op::literal;
    Value value{};  // of a literal; the choices of one_of
    size_t name = 0;
    std::vector<size_t> parts{};
  };

  std::optional<Value> value_of(size_t node, const Point& point) const;
  std::optional<Value> logic(const Node& node, const Point& point) const;
  std::optional<Value> number(const Node& node, const Point& point) const;

  std::string text_;
  std::vector<std::string> names_, numeric_;
  std::vector<Node> nodes_;
  size_t root_ = 0;
};

}  // namespace troupe::hpo
