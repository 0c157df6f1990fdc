#include "gpu/comm/local_group.hpp"

#include "tests/gpu/comm/values.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace troupe::comm {
namespace {

/// Ranks that are threads over one mapping, so that the thread sanitizer sees what they share.
class Ranks {
 public:
  explicit Ranks(uint32_t size, uint64_t slot_bytes = 4096, uint64_t small_bytes = 1024)
      : shape_{size, 3, slot_bytes, small_bytes, 4096},
        memory_(Segment::layout_bytes(shape_) / sizeof(Page)) {}

  Patience patience{std::chrono::seconds{60}, 50, 5};

  /// Runs `rank(group, number)` on each; what they answered.
  template <class Rank>
  std::vector<Result<void>> run(Rank rank) {
    std::vector<Result<void>> results(shape_.ranks, ok());
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < shape_.ranks; ++i)
      threads.emplace_back([&, i] {
        auto segment = Segment::attach_mapped(memory_.data()->bytes, shape_, i, i, patience);
        LocalGroup group{*segment};
        results[i] = rank(group, i);
        // A rank that has left is a lost one to those that are not done.
        done_.fetch_add(1);
        while (results[i] && done_.load() < shape_.ranks) std::this_thread::yield();
      });
    for (auto& thread : threads) thread.join();
    return results;
  }

 private:
  struct alignas(4096) Page {
    std::byte bytes[4096] = {};
  };
  SegmentShape shape_;
  std::vector<Page> memory_;
  std::atomic<uint32_t> done_{0};
};

Signature call_of(Call call, DataType type, size_t count, ReduceOp op = ReduceOp::sum,
                  uint32_t root = 0) {
  return {call, type, op, 0, root, count};
}

#define ALL_GOOD(results) \
  for (const auto& result : results) ASSERT_TRUE(result) << to_string(result.error())

std::vector<double> inputs_at(const std::vector<Values>& arrays, size_t index) {
  std::vector<double> all;
  for (const auto& array : arrays) all.push_back(array[index]);
  return all;
}

/// Arrays of all ranks, each filled from its own seed and lying at its own distance from alignment.
std::vector<Values> arrays_of(DataType type, uint32_t size, size_t count) {
  std::vector<Values> arrays;
  for (uint32_t i = 0; i < size; ++i) {
    arrays.emplace_back(type, count, i % 3);
    arrays.back().fill(i + 1);
  }
  return arrays;
}

class LocalGroupOf : public testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Ranks, LocalGroupOf, testing::Range(1u, 10u));

TEST_P(LocalGroupOf, AllReduceAgreesWithDoubles) {
  auto size = GetParam();
  Ranks ranks{size};
  struct Case {
    DataType type;
    ReduceOp op;
    size_t count;
    bool in_place;
  };
  std::vector<Case> cases;
  size_t turn = 0;
  for (auto type : all_types)
    for (auto op : all_ops)
      for (size_t count : {0, 1, 13, 300, 1025, 5003})
        if ((op != ReduceOp::avg || is_float(type)) && (turn++ + size) % 3 == 0)
          cases.push_back({type, op, count, turn % 2 == 0});
  std::vector<std::vector<Values>> in, out;
  for (const auto& test : cases) {
    in.push_back(arrays_of(test.type, size, test.count));
    out.push_back(test.in_place ? in.back() : arrays_of(test.type, size, test.count));
  }
  auto results = ranks.run([&](LocalGroup& group, uint32_t me) -> Result<void> {
    for (size_t i = 0; i < cases.size(); ++i) {
      const auto& test = cases[i];
      const void* from = test.in_place ? out[i][me].data() : in[i][me].data();
      TROUPE_TRY(group.all_reduce(call_of(Call::all_reduce, test.type, test.count, test.op), from,
                                  out[i][me].data(), test.count,
                                  test.op == ReduceOp::avg ? size : 1));
    }
    return ok();
  });
  ALL_GOOD(results);
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto& test = cases[i];
    for (size_t at = 0; at < test.count; ++at) {
      auto expected = reference(test.op, inputs_at(in[i], at));
      for (uint32_t rank = 0; rank < size; ++rank)
        ASSERT_NEAR(out[i][rank][at], expected, tolerance(test.type, expected, size))
            << to_string(call_of(Call::all_reduce, test.type, test.count, test.op)) << " at " << at;
    }
  }
}

TEST_P(LocalGroupOf, MovesDataToItsPlaces) {
  auto size = GetParam();
  for (auto type : {DataType::float32, DataType::int8, DataType::int64}) {
    for (size_t count : {0, 1, 7, 100, 3001}) {
      auto each = arrays_of(type, size, count), blocks = arrays_of(type, size, count * size);
      auto gathered = arrays_of(type, size, count * size), turned = gathered;
      auto scattered = each, broadcasted = each;
      auto root = size / 2;
      Ranks ranks{size};
      auto results = ranks.run([&](LocalGroup& group, uint32_t me) -> Result<void> {
        TROUPE_TRY(group.all_gather(call_of(Call::all_gather, type, count), each[me].data(),
                                    gathered[me].data(), count));
        TROUPE_TRY(group.all_to_all(call_of(Call::all_to_all, type, count), blocks[me].data(),
                                    turned[me].data(), count));
        TROUPE_TRY(group.reduce_scatter(call_of(Call::reduce_scatter, type, count),
                                        blocks[me].data(), scattered[me].data(), count, 1));
        TROUPE_TRY(group.broadcast(call_of(Call::broadcast, type, count, ReduceOp::sum, root),
                                   broadcasted[me].data(), count, root));
        return group.barrier({});
      });
      ALL_GOOD(results);
      for (uint32_t me = 0; me < size; ++me)
        for (size_t at = 0; at < count; ++at) {
          for (uint32_t other = 0; other < size; ++other) {
            ASSERT_EQ(gathered[me][other * count + at], each[other][at]);
            ASSERT_EQ(turned[me][other * count + at], blocks[other][me * count + at]);
          }
          auto sum = reference(ReduceOp::sum, inputs_at(blocks, me * count + at));
          ASSERT_NEAR(scattered[me][at], sum, tolerance(type, sum, size));
          ASSERT_EQ(broadcasted[me][at], each[root][at]);
        }
    }
  }
}

TEST(LocalGroup, LastBitsDoNotDependOnTheSize) {
  // One element, reduced in one step, in stages, and at the end of a stage.
  Ranks ranks{3};
  std::vector<std::vector<float>> found(3);
  auto results = ranks.run([&](LocalGroup& group, uint32_t me) -> Result<void> {
    for (size_t count : {1, 200, 1024, 5000}) {
      std::vector<float> data(count, me == 0 ? 1e8f : me == 1 ? -1e8f : 0.1f);
      TROUPE_TRY(group.all_reduce(call_of(Call::all_reduce, DataType::float32, count), data.data(),
                                  data.data(), count, 1));
      found[me].insert(found[me].end(), data.begin(), data.end());
    }
    return ok();
  });
  ALL_GOOD(results);
  for (const auto& values : found) EXPECT_EQ(values, std::vector<float>(values.size(), 0.1f));
}

TEST(LocalGroup, DifferentCallsAreAnErrorOnEveryRank) {
  const Signature others[] = {call_of(Call::all_reduce, DataType::float32, 2001),
                              call_of(Call::all_reduce, DataType::float32, 3),
                              call_of(Call::all_reduce, DataType::int32, 2000),
                              call_of(Call::all_reduce, DataType::float32, 2000, ReduceOp::max)};
  for (const auto& other : others) {
    Ranks ranks{3};
    auto results = ranks.run([&](LocalGroup& group, uint32_t me) -> Result<void> {
      auto mine = me == 2 ? other : call_of(Call::all_reduce, DataType::float32, 2000);
      std::vector<float> data(4000);
      return group.all_reduce(mine, data.data(), data.data(), mine.count, 1);
    });
    for (const auto& result : results) {
      ASSERT_FALSE(result);
      EXPECT_EQ(result.error().code, Errc::invalid);
      EXPECT_EQ(result.error().detail,
                "rank 0: all_reduce of 2000 float32 (sum); rank 2: " + to_string(other));
    }
  }
}

TEST(LocalGroup, AnotherKindOfCallIsAnErrorOnEveryRank) {
  Ranks ranks{4};
  auto results = ranks.run([&](LocalGroup& group, uint32_t me) -> Result<void> {
    std::vector<float> data(8000);
    if (me == 1) return group.barrier(call_of(Call::barrier, DataType::uint8, 0));
    return group.all_gather(call_of(Call::all_gather, DataType::float32, 2000), data.data(),
                            data.data(), 2000);
  });
  for (const auto& result : results) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::invalid);
  }
}

TEST(LocalGroup, ARankThatStaysAwayEndsTheCallOfTheOthers) {
  Ranks ranks{3};
  ranks.patience.deadline = std::chrono::milliseconds{50};
  std::atomic<int> ended{0};
  auto results = ranks.run([&](LocalGroup& group, uint32_t me) -> Result<void> {
    if (me == 1) {
      while (ended.load() < 2) std::this_thread::yield();
      return ok();
    }
    auto result = group.barrier({});
    ended.fetch_add(1);
    return result;
  });
  EXPECT_TRUE(results[1]);
  for (auto me : {0, 2}) {
    const auto& result = results[static_cast<size_t>(me)];
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::timed_out);
    EXPECT_EQ(result.error().what, "rank 1 did not come");
  }
}

TEST(LocalGroup, ARankThatLeavesEndsTheCallOfTheOthers) {
  Ranks ranks{3};
  auto results = ranks.run([&](LocalGroup& group, uint32_t me) -> Result<void> {
    if (me == 2) return Error{Errc::failed, "leaves", "", ""};
    std::vector<double> data(5000);
    return group.all_reduce(call_of(Call::all_reduce, DataType::float64, 5000), data.data(),
                            data.data(), 5000, 1);
  });
  for (auto me : {0, 1}) {
    const auto& result = results[static_cast<size_t>(me)];
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::unavailable);
    EXPECT_EQ(result.error().what, "rank 2 is gone");
  }
}

}  // namespace
}  // namespace troupe::comm
