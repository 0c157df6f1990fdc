// Result<T>: a value or an Error. Errors are values here; exceptions stay inside one file.
#pragma once

#include "runtime/core/assert.hpp"
#include "runtime/core/error.hpp"

#include <utility>
#include <variant>

namespace troupe {

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value)
      : state_{std::in_place_index<0>, std::move(value)} {}  // NOLINT: implicit on purpose
  Result(Error error) : state_{std::in_place_index<1>, std::move(error)} {}  // NOLINT

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    TROUPE_ASSERT(has_value(), error_text());
    return std::get<0>(state_);
  }
  const T& value() const& {
    TROUPE_ASSERT(has_value(), error_text());
    return std::get<0>(state_);
  }
  T&& value() && {
    TROUPE_ASSERT(has_value(), error_text());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T value_or(T other) const { return has_value() ? std::get<0>(state_) : std::move(other); }

  Error& error() & {
    TROUPE_ASSERT(!has_value(), "error() of a good result");
    return std::get<1>(state_);
  }
  const Error& error() const& {
    TROUPE_ASSERT(!has_value(), "error() of a good result");
    return std::get<1>(state_);
  }
  Error&& error() && {
    TROUPE_ASSERT(!has_value(), "error() of a good result");
    return std::get<1>(std::move(state_));
  }

 private:
  std::string error_text() const { return has_value() ? "" : to_string(std::get<1>(state_)); }

  std::variant<T, Error> state_;
};

/// A result without a value: ok() or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_{std::move(error)}, good_{false} {}  // NOLINT: implicit on purpose

  bool has_value() const { return good_; }
  explicit operator bool() const { return good_; }
  const Error& error() const& {
    TROUPE_ASSERT(!good_, "error() of a good result");
    return error_;
  }
  Error&& error() && {
    TROUPE_ASSERT(!good_, "error() of a good result");
    return std::move(error_);
  }

 private:
  Error error_;
  bool good_ = true;
};

inline Result<void> ok() {
  return {};
}

}  // namespace troupe

/// Leaves the function with the error of a Result<void> expression.
#define TROUPE_TRY(expression)                                     \
  do {                                                             \
    if (auto troupe_try_result = (expression); !troupe_try_result) \
      return std::move(troupe_try_result).error();                 \
  } while (false)
