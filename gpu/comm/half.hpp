// IEEE half precision and bfloat16 as bits, to float and back: round to nearest even, NaN stays
// NaN. Without branches, so that a compiler makes vector code of loops over them. Pure.
#pragma once

#include <cstdint>
#include <cstring>

namespace troupe::comm {

// `static inline`: each file compiles its own, as some are compiled for wider vectors than others.
static inline float float_of_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t bits_of_float(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float bfloat16_to_float(uint16_t half) {
  return float_of_bits(static_cast<uint32_t>(half) << 16);
}

static inline uint16_t float_to_bfloat16(float value) {
  auto bits = bits_of_float(value);
  auto rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  auto quiet = (bits >> 16) | 0x40u;  // cutting a NaN's low bits off could make it an infinity
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

static inline float float16_to_float(uint16_t half) {
  auto sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  auto magnitude = static_cast<uint32_t>(half & 0x7fffu) << 13;
  auto normal = magnitude + (112u << 23);  // the exponents' biases differ by 112
  auto special = normal + (112u << 23);    // infinity and NaN have all exponent bits set
  // A subnormal is its fraction times 2^-24: put behind an implied one, which is then taken away.
  auto subnormal =
      bits_of_float(float_of_bits(magnitude + (113u << 23)) - float_of_bits(113u << 23));
  auto bits = magnitude >= 0x0f800000u ? special : magnitude < 0x00800000u ? subnormal : normal;
  return float_of_bits(sign | bits);
}

static inline uint16_t float_to_float16(float value) {
  auto bits = bits_of_float(value);
  auto sign = (bits >> 16) & 0x8000u;
  auto magnitude = bits & 0x7fffffffu;
  auto odd = (magnitude >> 13) & 1u;
  auto normal = (magnitude - (112u << 23) + 0xfffu + odd) >> 13;
  // Adding 0.5 moves the last bit of a half's subnormals to the last bit of the float, and rounds.
  auto subnormal = bits_of_float(float_of_bits(magnitude) + 0.5f) - bits_of_float(0.5f);
  auto special = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  auto half = magnitude >= (143u << 23) ? special : magnitude < (113u << 23) ? subnormal : normal;
  return static_cast<uint16_t>(sign | half);
}

}  // namespace troupe::comm
