#include "hpo/random.hpp"

#include "runtime/core/assert.hpp"

namespace troupe::hpo {
namespace {

uint32_t low(uint64_t n) {
  return static_cast<uint32_t>(n);
}
uint32_t high(uint64_t n) {
  return static_cast<uint32_t>(n >> 32);
}
uint64_t join(uint32_t a, uint32_t b) {
  return (uint64_t{b} << 32) | a;
}
PhiloxKey key_of(uint64_t n) {
  return {low(n), high(n)};
}

}  // namespace

PhiloxCounter philox(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    uint64_t a = uint64_t{0xD2511F53} * counter[0];
    uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {high(b) ^ counter[1] ^ key[0], low(b), high(a) ^ counter[3] ^ key[1], low(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

uint64_t name_hash(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

Draws::Draws(uint64_t seed, uint64_t trial, uint64_t name) : trial_{trial} {
  // Each parameter has a key of its own, so that the whole counter is left for trial and draw.
  auto mixed = philox({low(name), high(name), 0, 1}, key_of(seed));
  key_ = {mixed[0], mixed[1]};
}

uint64_t Draws::bits() {
  auto out = philox({low(trial_), high(trial_), low(draw_), high(draw_)}, key_);
  ++draw_;
  return join(out[0], out[1]);
}

double Draws::uniform() {
  return static_cast<double>(bits() >> 11) * 0x1p-53;
}

uint64_t Draws::below(uint64_t n) {
  if (n == 0) return bits();
  // Values below 2^64 mod n would come once too often: drawn again.
  uint64_t least = (0 - n) % n;
  uint64_t value = bits();
  while (value < least) value = bits();
  return value % n;
}

Permutation::Permutation(uint64_t seed, uint64_t size) : size_{size} {
  TROUPE_ASSERT(size > 0, "an order of nothing");
  auto mixed = philox({0, 0, 0, 2}, key_of(seed));
  key_ = {mixed[0], mixed[1]};
  while (half_bits_ < 32 && (uint64_t{1} << (2 * half_bits_)) < size) ++half_bits_;
}

uint64_t Permutation::operator()(uint64_t index) const {
  TROUPE_ASSERT(index < size_, "an index outside the order");
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  do {
    uint64_t left = index >> half_bits_, right = index & mask;
    for (uint32_t round = 0; round < 8; ++round) {
      auto mixed = philox({low(right), high(right), round, 3}, key_);
      auto next = left ^ (join(mixed[0], mixed[1]) & mask);
      left = right;
      right = next;
    }
    index = (left << half_bits_) | right;
  } while (index >= size_);
  return index;
}

}  // namespace troupe::hpo
