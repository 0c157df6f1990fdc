// Metrics as jobs write them.
#include "actors/worker/metric_reader.hpp"

#include "runtime/core/clock.hpp"
#include "runtime/core/limits.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace troupe::actors {
namespace {

MetricScan scan(std::string_view text, bool final = true, uint64_t offset = 0) {
  uint64_t line = 0;
  return scan_metric_file(text, offset, line, 77, final);
}

TEST(MetricFile, GivesOnePointForEachNumber) {
  auto got = scan("{\"step\": 3, \"loss\": 0.25, \"accuracy\": 0.5, \"note\": \"x\"}\n");
  ASSERT_EQ(got.points.size(), 2u);
  for (const auto& point : got.points) {
    EXPECT_EQ(point.step.value, 3);
    EXPECT_EQ(point.time_us, 77);
    EXPECT_EQ(point.value.value, point.name == "loss" ? 0.25 : 0.5);
  }
  EXPECT_EQ(got.bad_lines, 0u);
}

TEST(MetricFile, TakesTheLineNumberWhereThereIsNoStepAndTheTimeThatIsGiven) {
  auto got = scan("{\"loss\": 1}\n\n{\"loss\": 2, \"time\": 1700000000.5}\n");
  ASSERT_EQ(got.points.size(), 2u);
  EXPECT_EQ(got.points[0].step.value, 1);
  EXPECT_EQ(got.points[1].step.value, 3);
  EXPECT_EQ(got.points[1].time_us, 1'700'000'000'500'000);
}

TEST(MetricFile, LeavesALineThatIsNotWholeForTheNextLook) {
  std::string text = "{\"loss\": 1}\n{\"loss\":";
  auto got = scan(text, false, 100);
  EXPECT_EQ(got.points.size(), 1u);
  EXPECT_EQ(got.consumed, 12u);
  EXPECT_EQ(got.points[0].end, 112u);
  EXPECT_EQ(scan("{\"loss\": 2}", false).consumed, 0u);
  EXPECT_EQ(scan("{\"loss\": 2}", true).points.size(), 1u);
}

TEST(MetricFile, ReadInPiecesGivesTheSameAsReadAtOnce) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += "{\"loss\": " + std::to_string(i) + "}\n";
  auto whole = scan(text);
  for (size_t piece = 1; piece < 40; piece += 3) {
    std::vector<WirePoint> points;
    uint64_t line = 0;
    size_t begin = 0;
    for (size_t end = piece;; end = std::min(end + piece, text.size())) {
      auto got = scan_metric_file(std::string_view{text}.substr(begin, end - begin), begin, line,
                                  77, end == text.size());
      begin += got.consumed;
      points.insert(points.end(), got.points.begin(), got.points.end());
      if (end == text.size()) break;
    }
    ASSERT_EQ(points.size(), whole.points.size());
    for (size_t i = 0; i < points.size(); ++i) {
      EXPECT_EQ(points[i].step.value, whole.points[i].step.value);
      EXPECT_EQ(points[i].end, whole.points[i].end);
    }
  }
}

TEST(MetricFile, CountsWhatItCannotRead) {
  auto got = scan("no json\n[1]\n{\"loss\": \"high\"}\n{\"loss\": 1}\n{\"loss\": }\n");
  EXPECT_EQ(got.bad_lines, 4u);
  EXPECT_EQ(got.points.size(), 1u);
}

TEST(MetricFile, DoesNotReadALineWithoutEndForEver) {
  std::string text(limits::metric_line_bytes_max + 10, 'x');
  auto got = scan(text, false);
  EXPECT_EQ(got.consumed, text.size());
  EXPECT_EQ(got.bad_lines, 1u);
}

TEST(MetricFile, ReadsWhatPythonWritesForNumbersThatJsonLacks) {
  auto got = scan(R"({"a": NaN, "b": Infinity, "c": -Infinity, "d": "NaN", "e\"NaN": 1})"
                  "\n");
  ASSERT_EQ(got.points.size(), 5u);
  EXPECT_TRUE(std::isnan(got.points[0].value.value));
  EXPECT_EQ(got.points[1].value.value, INFINITY);
  EXPECT_EQ(got.points[2].value.value, -INFINITY);
  EXPECT_TRUE(std::isnan(got.points[3].value.value));
  EXPECT_EQ(got.points[4].name, "e\"NaN");
}

TEST(MetricFile, ReadsTheFormWithMetricAndValue) {
  auto got = scan("{\"metric\": \"loss\", \"value\": 0.5, \"epoch\": 4}\n");
  ASSERT_EQ(got.points.size(), 1u);
  EXPECT_EQ(got.points[0].name, "loss");
  EXPECT_EQ(got.points[0].step.value, 4);
}

TEST(MetricFile, RefusesNamesThatAreNone) {
  auto got = scan("{\"\": 1}\n{\"" + std::string(500, 'n') + "\": 1}\n");
  EXPECT_TRUE(got.points.empty());
  EXPECT_EQ(got.bad_lines, 2u);
}

constexpr const char* stamp = "2026-11-21T01:29:00.123456Z";

TEST(MetricLog, TakesWholeLinesOfRankZerosOutputOnly) {
  auto line = [](const std::string& kind, const std::string& text) {
    return std::string{stamp} + " " + kind + " " + text + "\n";
  };
  std::string object = R"({"metric": "loss", "value": 0.5, "step": 3})";
  auto text = line("0o F", object) + line("1o F", object) + line("0e F", object) +
              line("0o P", object) + line("0o F", "loss is " + object) +
              line("0o F", R"({"loss": 1})") + line("0o F", R"({"metric": "loss"})");
  auto got = scan_log(text, 1000, 0);
  ASSERT_EQ(got.points.size(), 1u);
  EXPECT_EQ(got.points[0].value.value, 0.5);
  EXPECT_EQ(got.points[0].step.value, 3);
  EXPECT_EQ(got.points[0].time_us, parse_rfc3339(stamp)->us);
  EXPECT_EQ(got.points[0].end, 1000 + line("0o F", object).size());
  EXPECT_EQ(got.consumed, text.size());
  EXPECT_EQ(got.bad_lines, 1u) << "it names a metric and has no value";
}

TEST(MetricLog, LeavesTheStepOpenAndTheLastPieceForLater) {
  auto text = std::string{stamp} + R"( 0o F {"metric": "loss", "value": 1})" + "\n" + stamp;
  auto got = scan_log(text, 0, 0);
  ASSERT_EQ(got.points.size(), 1u);
  EXPECT_TRUE(std::isnan(got.points[0].step.value));
  EXPECT_EQ(got.consumed, text.size() - std::string_view{stamp}.size());
}

}  // namespace
}  // namespace troupe::actors
