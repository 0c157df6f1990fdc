#include "runtime/core/units.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace troupe {
namespace {

TEST(Bytes, AreRead) {
  const std::pair<const char*, uint64_t> cases[] = {{"1B", 1},
                                                    {"0B", 0},
                                                    {"2kB", 2000},
                                                    {"2KB", 2000},
                                                    {"3MB", 3'000'000},
                                                    {"4GB", 4'000'000'000},
                                                    {"1.5TB", 1'500'000'000'000},
                                                    {"1KiB", 1024},
                                                    {"1.5KiB", 1536},
                                                    {"512MiB", 536'870'912},
                                                    {" 2 GiB ", 2'147'483'648},
                                                    {"0.1MB", 100'000},
                                                    {"1TiB", 1'099'511'627'776}};
  for (auto [text, bytes] : cases) {
    auto parsed = parse_bytes(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, bytes) << text;
  }
}

TEST(Bytes, AreRefusedWithAReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"4", "unit is missing"},         {"", "does not begin with a number"},
      {"GiB", "does not begin"},        {"-1GiB", "does not begin"},
      {"4Gib", "unknown unit \"Gib\""}, {"4gb", "unknown unit"},
      {"4 GiB 2", "unknown unit"},      {"1e3MB", "unknown unit"},
      {"nanB", "does not begin"},       {"infB", "does not begin"},
      {"99999999TiB", "too large"},     {"1 2GB", "unknown unit"}};
  for (auto [text, reason] : cases) {
    auto parsed = parse_bytes(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Errc::invalid);
    EXPECT_NE(parsed.error().detail.find(reason), std::string::npos) << parsed.error().detail;
    EXPECT_FALSE(parsed.error().hint.empty());
  }
}

TEST(Bytes, ArePrintedForPeople) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(784), "784 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1024), "1 KiB");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(3ull << 30), "3 GiB");
  EXPECT_EQ(bytes_text(1024 * 1024 - 1), "1 MiB");
  EXPECT_EQ(bytes_text(UINT64_MAX), "16 EiB");
}

TEST(Durations, AreRead) {
  const std::pair<const char*, int64_t> cases[] = {
      {"340ms", 340},        {"90s", 90'000},      {"0s", 0},
      {"30m", 1'800'000},    {"30min", 1'800'000}, {"1h30m", 5'400'000},
      {"1h 30m", 5'400'000}, {"2d", 172'800'000},  {"1w", 604'800'000},
      {"1.5h", 5'400'000},   {" 2 s ", 2000},      {"0.5ms", 1}};
  for (auto [text, ms] : cases) {
    auto parsed = parse_duration(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->count(), ms) << text;
  }
}

TEST(Durations, AreRefusedWithAReason) {
  for (const char* text :
       {"", " ", "5", "5x", "s", "-5s", "5s 3", "1h30", "nan s", "1e9w", "99999999w", "5 s,3m"}) {
    auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Errc::invalid);
    EXPECT_FALSE(parsed.error().detail.empty());
  }
}

TEST(Durations, ArePrintedForPeople) {
  using namespace std::chrono_literals;
  EXPECT_EQ(duration_text(0ms), "0s");
  EXPECT_EQ(duration_text(340ms), "340ms");
  EXPECT_EQ(duration_text(2500ms), "2.5s");
  EXPECT_EQ(duration_text(59s), "59s");
  EXPECT_EQ(duration_text(60s), "1m");
  EXPECT_EQ(duration_text(90s), "1m 30s");
  EXPECT_EQ(duration_text(90min), "1h 30m");
  EXPECT_EQ(duration_text(24h), "1d");
  EXPECT_EQ(duration_text(24h + 5s), "1d");
  EXPECT_EQ(duration_text(-90s), "-1m 30s");
  EXPECT_EQ(duration_text(59'990ms), "1m");  // never "60.0s"
  EXPECT_EQ(duration_text(59'940ms), "59.9s");
}

TEST(Durations, WhatIsPrintedReadsBackClose) {
  for (int64_t ms = 1; ms < 3'000'000'000; ms = ms * 3 + 7) {
    auto parsed = parse_duration(duration_text(Duration{ms}));
    ASSERT_TRUE(parsed) << duration_text(Duration{ms});
    EXPECT_NEAR(static_cast<double>(parsed->count()), static_cast<double>(ms),
                static_cast<double>(ms) * 0.15 + 60);
  }
}

}  // namespace
}  // namespace troupe
