#include "hpo/expression.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

namespace troupe::hpo {
namespace {

constexpr size_t length_max = 4096;
constexpr int depth_max = 32;  // of parentheses and nots: the parser recurses that deep

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool continues_name(char c) {
  return begins_name(c) || is_digit(c) || c == '.' || c == '/' || c == '-';
}

}  // namespace

/// Recursive descent over the text; the first problem ends it.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::string_view text) { out_.text_ = text; }

  Result<Expression> run() {
    if (text().size() > length_max)
      return Error{Errc::invalid, "stop_when is too long",
                   fmt::format("{} bytes, at most {}", text().size(), length_max), "shorten it"};
    TROUPE_TRY(disjunction(0));
    skip_space();
    if (at_ != text().size()) return problem("expected \"and\", \"or\" or the end");
    return std::move(out_);
  }

 private:
  using Op = Expression::Op;
  using Kind = Expression::Kind;

  const std::string& text() const { return out_.text_; }
  char here() const { return at_ < text().size() ? text()[at_] : '\0'; }
  void skip_space() {
    while (is_space(here())) ++at_;
  }

  Error problem(std::string_view message) const {
    // A window around the column: a condition may be long, a line of an error should not be.
    constexpr size_t before = 40, after = 30;
    auto begin = at_ > before ? at_ - before : 0;
    auto window = text().substr(begin, before + after);
    for (char& c : window)
      if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) > '~') c = '?';
    return {Errc::invalid, "stop_when cannot be read",
            fmt::format("column {}: {}\n  {}\n  {}^", at_ + 1, message, window,
                        std::string(at_ - begin, ' ')),
            "write for example: accuracy >= 0.99 and loss < 0.1"};
  }

  std::string_view peek_word() {
    skip_space();
    size_t end = at_;
    if (begins_name(here()))
      while (end < text().size() && continues_name(text()[end])) ++end;
    return std::string_view{text()}.substr(at_, end - at_);
  }
  bool take_word(std::string_view word) {
    if (peek_word() != word) return false;
    at_ += word.size();
    return true;
  }

  Result<void> disjunction(int depth) {
    TROUPE_TRY(conjunction(depth));
    while (take_word("or")) {
      TROUPE_TRY(conjunction(depth));
      out_.steps_.push_back({Kind::disjunction, Op::less, "", 0});
    }
    return ok();
  }
  Result<void> conjunction(int depth) {
    TROUPE_TRY(negation(depth));
    while (take_word("and")) {
      TROUPE_TRY(negation(depth));
      out_.steps_.push_back({Kind::conjunction, Op::less, "", 0});
    }
    return ok();
  }
  Result<void> negation(int depth) {
    if (depth > depth_max) return problem(fmt::format("nested more than {} deep", depth_max));
    if (take_word("not")) {
      TROUPE_TRY(negation(depth + 1));
      out_.steps_.push_back({Kind::negation, Op::less, "", 0});
      return ok();
    }
    skip_space();
    if (here() != '(') return test();
    ++at_;
    TROUPE_TRY(disjunction(depth + 1));
    skip_space();
    if (here() != ')') return problem("expected \")\"");
    ++at_;
    return ok();
  }
  Result<void> test() {
    auto name = peek_word();
    if (name.empty() || name == "and" || name == "or")
      return problem("expected the name of a metric");
    Expression::Step step;
    step.name = name;
    at_ += name.size();
    TROUPE_TRY(comparison(step.op));
    TROUPE_TRY(number(step.number));
    out_.steps_.push_back(std::move(step));
    return ok();
  }
  Result<void> comparison(Op& op) {
    struct Sign {
      std::string_view text;
      Op op;
    };
    constexpr Sign signs[] = {{"<=", Op::less_equal}, {">=", Op::greater_equal},
                              {"==", Op::equal},      {"!=", Op::not_equal},
                              {"<", Op::less},        {">", Op::greater}};
    skip_space();
    for (const auto& sign : signs)
      if (std::string_view{text()}.substr(at_, sign.text.size()) == sign.text) {
        op = sign.op;
        at_ += sign.text.size();
        return ok();
      }
    return problem("expected one of < <= > >= == !=");
  }
  Result<void> number(double& value) {
    skip_space();
    const char* first = text().data() + at_;
    const char* last = text().data() + text().size();
    const char* digits = first;
    if (digits != last && (*digits == '+' || *digits == '-')) ++digits;
    // from_chars also reads "nan" and "inf", which compare to nothing sensible.
    if (digits == last || (!is_digit(*digits) && *digits != '.'))
      return problem("expected a number");
    auto [end, failed] = std::from_chars(*first == '+' ? digits : first, last, value);
    if (failed != std::errc{}) return problem("expected a number that a double can hold");
    if (end != last && continues_name(*end)) {
      at_ += static_cast<size_t>(end - first);
      return problem("this does not belong to a number");
    }
    at_ += static_cast<size_t>(end - first);
    return ok();
  }

  Expression out_;
  size_t at_ = 0;
};

Result<Expression> Expression::parse(std::string_view text) {
  return ExpressionParser{text}.run();
}

bool Expression::holds(const std::map<std::string, double>& metrics) const {
  auto test = [&](const Step& step) {
    auto at = metrics.find(step.name);
    if (at == metrics.end() || std::isnan(at->second)) return false;
    double value = at->second;
    switch (step.op) {
      case Op::less:
        return value < step.number;
      case Op::less_equal:
        return value <= step.number;
      case Op::greater:
        return value > step.number;
      case Op::greater_equal:
        return value >= step.number;
      case Op::equal:
        return value == step.number;
      case Op::not_equal:
        return value != step.number;
    }
    return false;
  };
  std::vector<bool> stack;
  for (const auto& step : steps_) {
    if (step.kind == Kind::test) {
      stack.push_back(test(step));
    } else if (step.kind == Kind::negation) {
      stack.back() = !stack.back();
    } else {
      bool right = stack.back();
      stack.pop_back();
      bool left = stack.back();
      stack.back() = step.kind == Kind::conjunction ? left && right : left || right;
    }
  }
  return !stack.empty() && stack.back();
}

std::vector<std::string> Expression::names() const {
  std::set<std::string> names;
  for (const auto& step : steps_)
    if (step.kind == Kind::test) names.insert(step.name);
  return {names.begin(), names.end()};
}

}  // namespace troupe::hpo
