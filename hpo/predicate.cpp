#include "hpo/predicate.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

namespace troupe::hpo {

namespace {

constexpr size_t text_bytes_max = 4096;
constexpr int depth_max = 50;

bool is_name_start(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_';
}
bool is_name_part(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
}

bool same(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return a.as_number() == b.as_number();
  return a == b;
}

void add_once(std::vector<std::string>& to, const std::string& name) {
  if (std::find(to.begin(), to.end(), name) == to.end()) to.push_back(name);
}

}  // namespace

/// Recursive descent; the first problem ends it.
class PredicateParser {
 public:
  explicit PredicateParser(std::string_view text) : text_{text} {}

  Result<Predicate> parse() {
    if (text_.size() > text_bytes_max)
      return Error{Errc::invalid, "a condition is too long", fmt::format("{} bytes", text_.size()),
                   fmt::format("at most {}", text_bytes_max)};
    out_.text_ = text_;
    out_.root_ = either();
    skip();
    if (at_ < text_.size()) fail("an operator was expected");
    if (problem_.empty()) return std::move(out_);
    return Error{Errc::invalid, fmt::format("the condition `{}` cannot be read", text_), problem_,
                 "such as: optimizer == \"sgd\" and layers in [2, 3], or a * b <= 512"};
  }

 private:
  using Op = Predicate::Op;

  void fail(std::string_view what) {
    if (!problem_.empty()) return;
    problem_ = at_ < text_.size() ? fmt::format("at `{}`: {}", text_.substr(at_, 20), what)
                                  : fmt::format("at its end: {}", what);
    at_ = text_.size();
  }
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool sign(std::string_view wanted) {
    skip();
    if (!text_.substr(at_).starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }
  bool word(std::string_view wanted) {
    skip();
    auto rest = text_.substr(at_);
    if (!rest.starts_with(wanted)) return false;
    if (rest.size() > wanted.size() && is_name_part(rest[wanted.size()])) return false;
    at_ += wanted.size();
    return true;
  }
  size_t add(Op op, std::vector<size_t> parts) {
    bool numbers = op == Op::less || op == Op::at_most || op >= Op::plus;
    for (auto part : parts)
      if (const auto& node = out_.nodes_[part]; numbers && node.op == Op::name)
        add_once(out_.numeric_, out_.names_[node.name]);
    out_.nodes_.push_back({op, {}, 0, std::move(parts)});
    return out_.nodes_.size() - 1;
  }
  size_t literal(Value value) {
    out_.nodes_.push_back({Op::literal, std::move(value), 0, {}});
    return out_.nodes_.size() - 1;
  }

  size_t either() {
    if (++depth_ > depth_max) fail("it is nested too deep");
    auto left = both();
    while (problem_.empty() && (word("or") || sign("||"))) left = add(Op::either, {left, both()});
    --depth_;
    return left;
  }
  size_t both() {
    auto left = negation();
    while (problem_.empty() && (word("and") || sign("&&")))
      left = add(Op::both, {left, negation()});
    return left;
  }
  size_t negation() {
    bool no = false;
    while (problem_.empty()) {
      skip();
      bool bang = at_ < text_.size() && text_[at_] == '!' && text_.substr(at_, 2) != "!=";
      if (bang)
        ++at_;
      else if (!word("not"))
        break;
      no = !no;
    }
    auto inner = comparison();
    return no ? add(Op::negation, {inner}) : inner;
  }
  size_t comparison() {
    auto left = sum();
    if (!problem_.empty()) return left;
    if (sign("==")) return add(Op::equal, {left, sum()});
    if (sign("!=")) return add(Op::unequal, {left, sum()});
    if (sign("<=")) return add(Op::at_most, {left, sum()});
    if (sign(">=")) return swapped(Op::at_most, left);
    if (sign("<")) return add(Op::less, {left, sum()});
    if (sign(">")) return swapped(Op::less, left);
    auto before = at_;
    bool no = word("not");
    if (word("in")) {
      auto chosen = choices(left);
      return no ? add(Op::negation, {chosen}) : chosen;
    }
    at_ = before;
    return left;
  }
  size_t swapped(Op op, size_t left) {
    auto right = sum();
    return add(op, {right, left});
  }
  size_t choices(size_t left) {
    ValueList values;
    if (!sign("[")) fail("a list such as [1, 2] was expected");
    do {
      auto node = sum();
      if (!problem_.empty()) break;
      if (out_.nodes_[node].op != Op::literal)
        fail("a plain value was expected");
      else
        values.push_back(out_.nodes_[node].value);
    } while (problem_.empty() && sign(","));
    if (problem_.empty() && !sign("]")) fail("`]` was expected");
    auto made = add(Op::one_of, {left});
    out_.nodes_[made].value = std::move(values);
    return made;
  }
  size_t sum() {
    auto left = product();
    while (problem_.empty()) {
      if (sign("+"))
        left = add(Op::plus, {left, product()});
      else if (sign("-"))
        left = add(Op::minus, {left, product()});
      else
        break;
    }
    return left;
  }
  size_t product() {
    auto left = unary();
    while (problem_.empty()) {
      if (sign("*"))
        left = add(Op::times, {left, unary()});
      else if (sign("/"))
        left = add(Op::over, {left, unary()});
      else if (sign("%"))
        left = add(Op::remainder, {left, unary()});
      else
        break;
    }
    return left;
  }
  size_t unary() {
    bool minus = false;
    while (sign("-")) minus = !minus;
    auto inner = primary();
    if (!minus || !problem_.empty()) return inner;
    auto& node = out_.nodes_[inner];
    if (node.op != Op::literal || !node.value.is_number())
      return add(Op::minus, {literal(0), inner});
    node.value = node.value.is_int() && node.value.as_int() != INT64_MIN
                     ? Value{-node.value.as_int()}
                     : Value{-node.value.as_number()};
    return inner;
  }
  size_t primary() {
    skip();
    if (at_ >= text_.size()) {
      fail("a value was expected");
      return literal({});
    }
    char c = text_[at_];
    if (sign("(")) {
      auto inner = either();
      if (problem_.empty() && !sign(")")) fail("`)` was expected");
      return inner;
    }
    if (c == '"' || c == '\'') return quoted(c);
    if (c == '`') return back_quoted();
    if (std::isdigit(static_cast<unsigned char>(c)) || c == '.') return digits();
    if (word("true") || word("True")) return literal(true);
    if (word("false") || word("False")) return literal(false);
    if (word("null") || word("None")) return literal({});
    if (is_name_start(c)) return name();
    fail("a value was expected");
    return literal({});
  }
  size_t quoted(char quote) {
    std::string out;
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out.push_back(text_[at_]);
    }
    if (at_ >= text_.size())
      fail("the text has no end");
    else
      ++at_;
    return literal(std::move(out));
  }
  size_t back_quoted() {
    auto end = text_.find('`', at_ + 1);
    if (end == std::string_view::npos || end == at_ + 1) {
      fail("the name has no end");
      return literal({});
    }
    auto found = std::string{text_.substr(at_ + 1, end - at_ - 1)};
    at_ = end + 1;
    return named(found);
  }
  size_t digits() {
    auto end = at_;
    while (end < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[end])) || text_[end] == '.' ||
            ((text_[end] == '-' || text_[end] == '+') && (text_[end - 1] | 0x20) == 'e')))
      ++end;
    std::string number{text_.substr(at_, end - at_)};
    if (number.front() == '.') number.insert(0, "0");
    auto value = parse_json(number);
    if (!value || !value->is_number()) {
      fail("this is no number");
      return literal({});
    }
    at_ = end;
    return literal(std::move(*value));
  }
  size_t name() {
    auto end = at_;
    while (end < text_.size() && is_name_part(text_[end])) ++end;
    std::string found{text_.substr(at_, end - at_)};
    at_ = end;
    skip();
    if (at_ >= text_.size() || text_[at_] != '(') return named(found);
    auto op = found == "min"    ? Op::least
              : found == "max"  ? Op::most
              : found == "abs"  ? Op::absolute
              : found == "log2" ? Op::log2
                                : Op::literal;
    if (op == Op::literal) {
      fail(fmt::format("there is no function {}: min, max, abs and log2 there are", found));
      return literal({});
    }
    return call(op);
  }
  size_t call(Op op) {
    std::vector<size_t> parts;
    ++at_;
    do parts.push_back(sum());
    while (problem_.empty() && sign(","));
    if (problem_.empty() && !sign(")")) fail("`)` was expected");
    if ((op == Op::absolute || op == Op::log2) && parts.size() != 1) fail("it takes one number");
    return add(op, std::move(parts));
  }
  size_t named(const std::string& found) {
    add_once(out_.names_, found);
    auto index = static_cast<size_t>(std::find(out_.names_.begin(), out_.names_.end(), found) -
                                     out_.names_.begin());
    out_.nodes_.push_back({Op::name, {}, index, {}});
    return out_.nodes_.size() - 1;
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  std::string problem_;
  Predicate out_;
};

Result<Predicate> Predicate::parse(std::string_view text) {
  return PredicateParser{text}.parse();
}

std::optional<bool> Predicate::holds(const Point& point) const {
  auto value = value_of(root_, point);
  if (!value) return std::nullopt;
  if (value->is_bool()) return value->as_bool();
  return value->is_number() && value->as_number() != 0;
}

std::optional<Value> Predicate::value_of(size_t index, const Point& point) const {
  const auto& node = nodes_[index];
  switch (node.op) {
    case Op::literal:
      return node.value;
    case Op::name: {
      auto found = point.find(names_[node.name]);
      if (found == point.end()) return std::nullopt;
      return found->second;
    }
    case Op::one_of: {
      auto value = value_of(node.parts[0], point);
      if (!value) return std::nullopt;
      const auto& choices = node.value.as_list();
      return Value{std::any_of(choices.begin(), choices.end(),
                               [&](const Value& choice) { return same(choice, *value); })};
    }
    case Op::either:
    case Op::both:
    case Op::negation:
      return logic(node, point);
    default:
      return number(node, point);
  }
}

/// What is not known decides nothing where the other side does.
std::optional<Value> Predicate::logic(const Node& node, const Point& point) const {
  auto truth = [&](size_t part) -> std::optional<bool> {
    auto value = value_of(part, point);
    if (!value) return std::nullopt;
    return value->is_bool() ? value->as_bool() : value->is_number() && value->as_number() != 0;
  };
  auto left = truth(node.parts[0]);
  if (node.op == Op::negation) return left ? std::optional<Value>{Value{!*left}} : std::nullopt;
  const bool decides = node.op == Op::either;
  if (left && *left == decides) return Value{decides};
  auto right = truth(node.parts[1]);
  if (right && *right == decides) return Value{decides};
  if (!left || !right) return std::nullopt;
  return Value{!decides};
}

std::optional<Value> Predicate::number(const Node& node, const Point& point) const {
  std::vector<Value> values;
  for (auto part : node.parts) {
    auto value = value_of(part, point);
    if (!value) return std::nullopt;
    values.push_back(std::move(*value));
  }
  if (node.op == Op::equal) return Value{same(values[0], values[1])};
  if (node.op == Op::unequal) return Value{!same(values[0], values[1])};
  std::vector<double> numbers;
  for (const auto& value : values) {
    if (!value.is_number()) return Value{false};  // refused before, where it can be known
    numbers.push_back(value.as_number());
  }
  switch (node.op) {
    case Op::less:
      return Value{numbers[0] < numbers[1]};
    case Op::at_most:
      return Value{numbers[0] <= numbers[1]};
    case Op::plus:
      return Value{numbers[0] + numbers[1]};
    case Op::minus:
      return Value{numbers[0] - numbers[1]};
    case Op::times:
      return Value{numbers[0] * numbers[1]};
    case Op::over:
      return Value{numbers[0] / numbers[1]};
    case Op::remainder:
      return Value{std::fmod(numbers[0], numbers[1])};
    case Op::least:
      return Value{*std::min_element(numbers.begin(), numbers.end())};
    case Op::most:
      return Value{*std::max_element(numbers.begin(), numbers.end())};
    case Op::absolute:
      return Value{std::abs(numbers[0])};
    default:
      return Value{std::log2(numbers[0])};
  }
}

}  // namespace troupe::hpo
