#include "mutator.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sys/resource.h>
#include <unistd.h>

namespace troupe::fuzz {

namespace {

/// One input that takes longer than this hangs: each is small.
constexpr unsigned hang_s = 60;
constexpr uint64_t default_seed = 20261121;

// What is written when the process dies inside a case.
std::array<char, 160> last_words{};

void on_death(int number) {
  auto written = ::write(2, last_words.data(), std::strlen(last_words.data()));
  (void)written;
  std::signal(number, SIG_DFL);
  std::raise(number);
}

/// Says which case it was, whatever way it ends.
class LastWords {
 public:
  LastWords() {
    std::signal(SIGABRT, on_death);
    std::signal(SIGALRM, on_death);
  }
  ~LastWords() {
    ::alarm(0);
    std::signal(SIGABRT, SIG_DFL);
    std::signal(SIGALRM, SIG_DFL);
  }
  void begin(const std::string& words) {
    auto size = std::min(words.size(), last_words.size() - 1);
    std::memcpy(last_words.data(), words.data(), size);
    last_words[size] = '\0';
    ::alarm(hang_s);
  }
};

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

uint64_t peak_mebibytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) >> 10;
}

constexpr bool sanitized =
#if defined(__SANITIZE_ADDRESS__)
    true;
#else
    false;
#endif

}  // namespace

Mutator::Mutator(const Corpus& corpus, uint64_t seed) : corpus_{corpus}, random_{seed} {}

uint64_t Mutator::number(uint64_t last) {
  return last == UINT64_MAX ? random_() : random_() % (last + 1);
}

std::string Mutator::next() {
  auto text = one_of(corpus_.inputs);
  auto rounds = uint64_t{1} << number(4);
  for (uint64_t i = 0; i < rounds; ++i) mutate(text);
  if (text.size() > corpus_.bytes_max) text.resize(corpus_.bytes_max);
  return text;
}

void Mutator::mutate(std::string& text) {
  switch (number(5)) {
    case 0:
    case 1:
      return change_byte(text);
    case 2:
      return change_range(text);
    case 3: {  // a word that means something
      if (corpus_.words.empty()) return change_byte(text);
      auto at = number(text.size());
      text.replace(at, number(3) == 0 ? number(text.size() - at) : 0, one_of(corpus_.words));
      return;
    }
    case 4: {  // the head of this and the tail of another
      const auto& other = one_of(corpus_.inputs);
      auto from = number(other.size());
      text = text.substr(0, number(text.size())) + other.substr(from);
      return;
    }
    default: {  // a number becomes another
      auto digit = text.find_first_of("0123456789", number(text.size()));
      if (digit == std::string::npos) return change_byte(text);
      static const std::vector<std::string> numbers{"0",
                                                    "-1",
                                                    "4294967296",
                                                    "18446744073709551615",
                                                    "99999999999999999999",
                                                    "1e999",
                                                    "1e-99",
                                                    "0.1.2",
                                                    "-0",
                                                    "9223372036854775808",
                                                    "65536",
                                                    "00"};
      auto end = text.find_first_not_of("0123456789", digit);
      text.replace(digit, std::min(end, text.size()) - digit, one_of(numbers));
    }
  }
}

void Mutator::change_byte(std::string& text) {
  static const std::vector<char> odd{'\0', '\n', '\r', '"',  '\'', '\\',   '{',
                                     '}',  '[',  ']',  '\t', ' ',  '\xff', '\xc3'};
  if (text.empty()) {
    text += one_of(odd);
    return;
  }
  auto at = number(text.size() - 1);
  switch (number(3)) {
    case 0:
      text[at] = static_cast<char>(text[at] ^ (1 << number(7)));
      return;
    case 1:
      text[at] = one_of(odd);
      return;
    case 2:
      text.insert(at, 1, one_of(odd));
      return;
    default:
      text.erase(at, 1);
  }
}

void Mutator::change_range(std::string& text) {
  auto at = number(text.size());
  auto size = number(std::min<size_t>(text.size() - at, 64));
  switch (number(3)) {
    case 0:
      text.erase(at, size);
      return;
    case 1: {  // again and again
      auto part = text.substr(at, size);
      for (auto times = uint64_t{1} << number(6); times > 0 && text.size() < corpus_.bytes_max;
           --times)
        text.insert(at, part);
      return;
    }
    case 2:
      text.resize(at);
      return;
    default: {  // to another place
      auto part = text.substr(at, size);
      text.erase(at, size);
      text.insert(number(text.size()), part);
    }
  }
}

void for_mutations(const Corpus& corpus, uint64_t count,
                   const std::function<void(const std::string&, Mutator&)>& use,
                   uint64_t mebibytes_max) {
  auto seed = from_environment("TROUPE_FUZZ_SEED", default_seed);
  uint64_t first = from_environment("TROUPE_FUZZ_CASE", 0);
  bool one = std::getenv("TROUPE_FUZZ_CASE") != nullptr;
  uint64_t end = one ? first + 1 : from_environment("TROUPE_FUZZ_CASES", count);
  LastWords words;
  auto before = peak_mebibytes();
  for (uint64_t i = first; i < end; ++i) {
    Mutator mutator{corpus, seed * 1'000'003 + i};
    auto input = mutator.next();
    auto replay = fmt::format("TROUPE_FUZZ_SEED={} TROUPE_FUZZ_CASE={}\n", seed, i);
    words.begin(replay);
    use(input, mutator);
    if (::testing::Test::HasFailure()) {
      ADD_FAILURE() << "replay with " << replay << "input: " << input.substr(0, 2000);
      return;
    }
  }
  if (!sanitized) {
    EXPECT_LE(peak_mebibytes() - before, mebibytes_max);
  }
}

void expect_good_error(const Error& error) {
  EXPECT_FALSE(error.what.empty());
  EXPECT_NE(error.code, Errc::bug) << to_string(error);
  for (const char* inside :
       {".cpp", "kj::", "std::", "caf::", "basic_string", "nlohmann", "terminate"})
    EXPECT_EQ(to_string(error).find(inside), std::string::npos) << to_string(error);
}

}  // namespace troupe::fuzz
