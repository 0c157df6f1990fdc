// The only way a floating point number may travel in a CAF message: CAF 0.17 hangs on infinities,
// and turns NaN and denormals into other numbers.
#pragma once

#include <caf/all.hpp>

#include <bit>
#include <cstdint>

namespace troupe {

struct WireF64 {
  double value = 0;  // tidy: allow wire-float: this is the wrapper that makes it safe
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, WireF64& x) {
  auto bits = std::bit_cast<uint64_t>(x.value);
  auto load = [&]() -> caf::error {
    x.value = std::bit_cast<double>(bits);  // tidy: allow wire-float: as above
    return caf::none;
  };
  return f(bits, caf::meta::load_callback(load));
}

}  // namespace troupe
