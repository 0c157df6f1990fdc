// stop_when: a condition over the last metrics, such as "accuracy >= 0.99 and not loss > 1". A
// small grammar of its own; nothing is ever run as code. Immutable once parsed; any thread.
//
//   or    = and { "or" and }        and  = not { "and" not }       not = "not" not | test
//   test  = "(" or ")" | name op number                            op  = < <= > >= == !=
//   name  = [A-Za-z_][A-Za-z0-9_./-]*
#pragma once

#include "runtime/core/result.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::hpo {

class Expression {
 public:
  /// `invalid` with the column and a caret under it. At most 4 KiB, nested at most 32 deep.
  static Result<Expression> parse(std::string_view text);

  /// A test of a name that is missing, or of a NaN, is false (also one with !=).
  bool holds(const std::map<std::string, double>& metrics) const;
  /// The metric names it tests, sorted, each once.
  std::vector<std::string> names() const;
  const std::string& text() const { return text_; }

 private:
  friend class ExpressionParser;
  enum class Op : uint8_t { less, less_equal, greater, greater_equal, equal, not_equal };
  enum class Kind : uint8_t { test, negation, conjunction, disjunction };
  struct Step {  // in postfix order: operands stand before what joins them
    Kind kind = Kind::test;
    Op op = Op::less;
    std::string name;
    double number = 0;
  };

  std::string text_;
  std::vector<Step> steps_;
};

}  // namespace troupe::hpo
