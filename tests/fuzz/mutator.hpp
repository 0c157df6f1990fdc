// Deterministic mutation tests. Each case is made from the seed and its own number alone, so a
// failure names what replays it:
//
//   TROUPE_FUZZ_SEED=7 TROUPE_FUZZ_CASE=1234 build/dev/tests/fuzz/fuzz_tests --gtest_filter=...
//
// TROUPE_FUZZ_CASES=1000000 runs longer than the suite does. A crash and a hang print the case too.
// One thread.
#pragma once

#include "runtime/core/error.hpp"

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::fuzz {

/// What good input looks like, and words that mean something to its reader.
struct Corpus {
  std::vector<std::string> inputs;
  std::vector<std::string> words;
  size_t bytes_max = 64u << 10;
};

/// Makes inputs that are nearly right: those reach deeper than noise does.
class Mutator {
 public:
  Mutator(const Corpus& corpus, uint64_t seed);
  std::string next();
  /// Up to and with `last`.
  uint64_t number(uint64_t last);
  bool chance(uint64_t one_in) { return number(one_in - 1) == 0; }
  template <class T>
  const T& one_of(const std::vector<T>& all) {
    return all[number(all.size() - 1)];
  }

 private:
  void mutate(std::string& text);
  void change_byte(std::string& text);
  void change_range(std::string& text);

  const Corpus& corpus_;
  std::mt19937_64 random_;
};

/// Runs `use` for each of `count` inputs (or as the environment says); ends at the first failure.
/// Memory must not grow by more than `mebibytes_max` over all of them.
void for_mutations(const Corpus& corpus, uint64_t count,
                   const std::function<void(const std::string&, Mutator&)>& use,
                   uint64_t mebibytes_max = 256);

/// All that an error owes its reader: what failed, and no text of a library or of the machine.
void expect_good_error(const Error& error);

}  // namespace troupe::fuzz
