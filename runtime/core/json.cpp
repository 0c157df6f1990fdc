#include "runtime/core/json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <set>

namespace troupe {

namespace {

/// Builds a Value from parse events; stops the parser at a limit and keeps the reason.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(size_t depth_max) : depth_max_{depth_max} {}

  bool null() override { return add(Value{}); }
  bool boolean(bool value) override { return add(Value{value}); }
  bool number_integer(number_integer_t value) override { return add(Value{int64_t{value}}); }
  bool number_unsigned(number_unsigned_t value) override { return add(Value{uint64_t{value}}); }
  bool number_float(number_float_t value, const string_t&) override { return add(Value{value}); }
  bool string(string_t& value) override { return add(Value{std::move(value)}); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Value{ValueMap{}}); }
  bool start_array(std::size_t) override { return open(Value{ValueList{}}); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    auto& map = stack_.back().value.as_map();
    if (map.contains(value)) {
      reason_ = fmt::format("key \"{}\" is given twice", value);
      return false;
    }
    stack_.back().key = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    reason_ = fmt::format("not valid JSON at byte {}", position);
    return false;
  }

  const std::string& reason() const { return reason_; }
  Value take() { return std::move(root_); }

 private:
  struct Frame {
    Value value;
    std::string key;
  };

  bool open(Value value) {
    if (stack_.size() >= depth_max_) {
      reason_ = fmt::format("nested deeper than {} levels", depth_max_);
      return false;
    }
    stack_.push_back({std::move(value), {}});
    return true;
  }
  bool close() {
    auto value = std::move(stack_.back().value);
    stack_.pop_back();
    return add(std::move(value));
  }
  bool add(Value value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return true;
    }
    auto& top = stack_.back();
    if (top.value.is_list())
      top.value.as_list().push_back(std::move(value));
    else
      top.value.as_map().insert_or_assign(std::move(top.key), std::move(value));
    return true;
  }

  size_t depth_max_;
  std::vector<Frame> stack_;
  Value root_;
  std::string reason_;
};

nlohmann::json to_nlohmann(const Value& value) {
  if (value.is_null()) return nullptr;
  if (value.is_bool()) return value.as_bool();
  if (value.is_int()) return value.as_int();
  if (value.is_double()) {
    auto number = value.as_number();
    if (!std::isfinite(number)) return shortest_text(number);
    return number;
  }
  if (value.is_string()) return value.as_string();
  if (value.is_list()) {
    auto list = nlohmann::json::array();
    for (const auto& item : value.as_list()) list.push_back(to_nlohmann(item));
    return list;
  }
  auto map = nlohmann::json::object();
  for (const auto& [key, item] : value.as_map()) map.emplace(key, to_nlohmann(item));
  return map;
}

}  // namespace

Result<Value> parse_json(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.bytes_max)
    return Error{Errc::invalid, "JSON is too large",
                 fmt::format("{} bytes, at most {}", text.size(), limits.bytes_max), "send less"};
  Builder builder{limits.depth_max};
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder))
    return Error{Errc::invalid, "JSON could not be read", builder.reason(), "check the text"};
  return builder.take();
}

std::string json_text(const Value& value) {
  return to_nlohmann(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_pretty(const Value& value) {
  return to_nlohmann(value).dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace troupe
