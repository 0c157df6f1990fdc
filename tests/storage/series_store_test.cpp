#include "storage/series_store.hpp"

#include "tests/storage/storage_fixture.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace troupe::storage {
namespace {

using ::testing::ElementsAre;

std::unique_ptr<SeriesStore> open_store(const std::string& dir) {
  auto store = SeriesStore::open({dir, 1ull << 30});
  EXPECT_TRUE(store) << (store ? "" : to_string(store.error()));
  return store ? std::move(*store) : nullptr;
}

SeriesChunk chunk_of(uint64_t from, uint64_t count, const std::string& name = "loss") {
  SeriesChunk chunk{{7, 1}, 1, "file", from, from + count, {}};
  for (uint64_t i = from; i < from + count; ++i)
    chunk.points.push_back({name, double(i), i * 0.5, {int64_t(i)}, i + 1});
  return chunk;
}

SeriesAppended append(SeriesStore& store, const SeriesChunk& chunk, bool durable = true) {
  auto appended = store.append({&chunk, 1}, durable);
  EXPECT_TRUE(appended) << (appended ? "" : to_string(appended.error()));
  return appended.value_or({});
}

TEST(SeriesStore, KeepsPointsInOrderAcrossBlocksAndReopening) {
  TempDir dir;
  auto store = open_store(dir.path());
  uint64_t at = 0;
  for (uint64_t count : {1u, 168u, 1u, 1u, 500u, 340u}) {
    append(*store, chunk_of(at, count), count % 2 == 0);
    at += count;
  }
  store.reset();
  store = open_store(dir.path());
  auto points = store->read({7, 1}, "loss", 100'000);
  ASSERT_TRUE(points);
  ASSERT_EQ(points->size(), at);
  for (uint64_t i = 0; i < at; ++i) {
    ASSERT_EQ((*points)[i].step, double(i));
    ASSERT_EQ((*points)[i].value, i * 0.5);
    ASSERT_EQ((*points)[i].time.us, int64_t(i));
  }
  auto thin = store->read({7, 1}, "loss", 11);
  ASSERT_EQ(thin->size(), 11u);
  EXPECT_EQ(thin->front().step, 0);
  EXPECT_EQ(thin->back().step, double(at - 1));
  EXPECT_EQ((*thin)[5].step, double((at - 1) / 2));
  EXPECT_EQ(store->read({7, 1}, "loss", 1)->front().step, double(at - 1));
  EXPECT_TRUE(store->read({7, 1}, "nothing", 5)->empty());
  EXPECT_TRUE(store->read({7, 2}, "loss", 5)->empty());
  EXPECT_EQ(store->stats({7, 1}, "loss")->points, at);
}

TEST(SeriesStore, AChunkCountsOnce) {
  TempDir dir;
  auto store = open_store(dir.path());
  EXPECT_EQ(append(*store, chunk_of(0, 10)).points, 10u);
  EXPECT_EQ(append(*store, chunk_of(0, 10)).repeated_chunks, 1u);
  EXPECT_EQ(append(*store, chunk_of(5, 10)).points, 5u);
  auto unclear = chunk_of(10, 10);
  for (auto& point : unclear.points) point.end = 0;
  EXPECT_EQ(append(*store, unclear).repeated_chunks, 1u);
  EXPECT_EQ(*store->consumed({7, 1}, 1, "file"), 15u);
  store.reset();
  store = open_store(dir.path());
  EXPECT_EQ(append(*store, chunk_of(0, 15)).points, 0u);
  EXPECT_EQ(store->read({7, 1}, "loss", 1000)->size(), 15u);
  auto other = chunk_of(0, 3);
  other.attempt = 2;
  EXPECT_EQ(append(*store, other).points, 3u);
  EXPECT_EQ(*store->consumed({7, 1}, 2, "file"), 3u);
  EXPECT_EQ(*store->consumed({7, 1}, 1, "log"), 0u);
}

TEST(SeriesStore, KeepsNamesLastValuesAndOddNumbers) {
  TempDir dir;
  auto store = open_store(dir.path());
  auto chunk = chunk_of(0, 2, "b");
  std::string long_name(5000, 'n');
  auto inf = std::numeric_limits<double>::infinity();
  chunk.points.push_back({"a", 1, std::nan(""), {1}, 1});
  chunk.points.push_back({"c", 1, -inf, {1}, 1});
  chunk.points.push_back({long_name, 1, 2, {1}, 1});
  append(*store, chunk);
  EXPECT_THAT(*store->names({7, 1}), ElementsAre("a", "b", "c", long_name));
  auto last = store->last({7, 1});
  ASSERT_EQ(last->size(), 4u);
  EXPECT_TRUE(std::isnan((*last)[0].second.value));
  EXPECT_EQ((*last)[1].second.value, 0.5);
  EXPECT_EQ((*last)[2].second.value, -inf);
  EXPECT_TRUE(std::isnan(store->read({7, 1}, "a", 9)->front().value));
}

TEST(SeriesStore, CountsWhatIsOverTheLimitOfNames) {
  TempDir dir;
  auto store = open_store(dir.path());
  SeriesChunk chunk{{7, 1}, 1, "file", 0, 10, {}};
  for (int i = 0; i < 1003; ++i) chunk.points.push_back({std::to_string(i), 0, 1, {1}, 1});
  auto appended = append(*store, chunk);
  EXPECT_EQ(appended.points, 1000u);
  EXPECT_EQ(appended.dropped, 3u);
  EXPECT_EQ(*store->dropped_names({7, 1}), 3u);
  EXPECT_EQ(store->names({7, 1})->size(), 1000u);
}

TEST(SeriesStore, CountsWhatIsOverTheLimitOfPoints) {
  TempDir dir;
  auto store = open_store(dir.path());
  append(*store, chunk_of(0, 999'990), false);
  auto appended = append(*store, chunk_of(999'990, 20), false);
  EXPECT_EQ(appended.points, 10u);
  EXPECT_EQ(appended.dropped, 10u);
  EXPECT_EQ(store->stats({7, 1}, "loss")->dropped, 10u);
  EXPECT_EQ(store->last({7, 1})->front().second.step, 1'000'009.0);
  EXPECT_EQ(store->read({7, 1}, "loss", 100)->back().step, 999'999.0);
}

}  // namespace
}  // namespace troupe::storage
