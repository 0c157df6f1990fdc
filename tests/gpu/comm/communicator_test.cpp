#include "gpu/comm/communicator.hpp"

#include "tests/gpu/comm/values.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <thread>

namespace troupe::comm {
namespace {

/// On which host each rank is, as far as they know.
struct Layout {
  std::string name;
  std::vector<int> hosts;
};

std::ostream& operator<<(std::ostream& out, const Layout& layout) {
  return out << layout.name;
}

using Rank = std::function<Result<void>(Communicator&)>;

class Ranks {
 public:
  explicit Ranks(const Layout& layout) : layout_{layout} {}

  std::chrono::milliseconds deadline{60'000};
  std::function<void(Options&)> change = [](Options&) {};

  /// Each a thread; what they answered, or why they could not join.
  std::vector<Result<void>> run(const Rank& rank) {
    auto store = std::make_shared<MemoryStore>();
    std::vector<Result<void>> results(layout_.hosts.size(), ok());
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < layout_.hosts.size(); ++i)
      threads.emplace_back([&, i] { results[i] = run_one(i, store, rank); });
    for (auto& thread : threads) thread.join();
    return results;
  }

 private:
  Result<void> run_one(uint32_t number, const std::shared_ptr<Store>& store, const Rank& rank) {
    Options options;
    options.rank = number;
    options.size = static_cast<uint32_t>(layout_.hosts.size());
    options.store = store;
    options.secret = "secret";
    options.host = "host " + std::to_string(layout_.hosts[number]);
    options.join_deadline = std::chrono::seconds{60};
    options.patience = {deadline, 100, 5};
    change(options);
    auto communicator = Communicator::open(options);
    if (!communicator) return std::move(communicator).error();
    return rank(**communicator);
  }

  Layout layout_;
};

void expect_good(const std::vector<Result<void>>& results) {
  for (const auto& result : results) EXPECT_TRUE(result) << to_string(result.error());
}

/// Every rank fails with this code.
void expect_all(const std::vector<Result<void>>& results, Errc code) {
  for (const auto& result : results) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, code) << to_string(result.error());
  }
}

std::vector<double> inputs_at(const std::vector<Values>& arrays, size_t index) {
  std::vector<double> all;
  for (const auto& array : arrays) all.push_back(array[index]);
  return all;
}

std::vector<Values> arrays_of(DataType type, size_t size, size_t count) {
  std::vector<Values> arrays;
  for (size_t i = 0; i < size; ++i) {
    arrays.emplace_back(type, count, i % 3);
    arrays.back().fill(i + 1);
  }
  return arrays;
}

class CommunicatorOver : public testing::TestWithParam<Layout> {
 protected:
  uint32_t size() const { return static_cast<uint32_t>(GetParam().hosts.size()); }
};

INSTANTIATE_TEST_SUITE_P(
    Layouts, CommunicatorOver,
    testing::Values(Layout{"alone", {0}}, Layout{"two", {0, 0}}, Layout{"three", {0, 0, 0}},
                    Layout{"nine", {0, 0, 0, 0, 0, 0, 0, 0, 0}}, Layout{"two_by_tcp", {0, 1}},
                    Layout{"three_by_tcp", {0, 1, 2}}, Layout{"four_by_tcp", {0, 1, 2, 3}},
                    Layout{"seven_by_tcp", {0, 1, 2, 3, 4, 5, 6}},
                    Layout{"two_hosts_of_two", {0, 0, 1, 1}},
                    Layout{"three_hosts_of_two_in_turn", {0, 1, 2, 0, 1, 2}},
                    Layout{"two_hosts_that_differ", {0, 0, 0, 1, 1}}),
    [](const auto& layout) { return layout.param.name; });

TEST_P(CommunicatorOver, AllReduceAgreesWithDoubles) {
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
      for (size_t count : {0, 1, 5, 130, 1025, 20'001})
        if ((op != ReduceOp::avg || is_float(type)) && (turn++ + size()) % 5 == 0)
          cases.push_back({type, op, count, turn % 2 == 0});
  std::vector<std::vector<Values>> in, out;
  for (const auto& test : cases) {
    in.push_back(arrays_of(test.type, size(), test.count));
    out.push_back(test.in_place ? in.back() : arrays_of(test.type, size(), test.count));
  }
  expect_good(Ranks{GetParam()}.run([&](Communicator& ranks) -> Result<void> {
    for (size_t i = 0; i < cases.size(); ++i) {
      auto& to = out[i][ranks.rank()];
      const void* from = cases[i].in_place ? to.data() : in[i][ranks.rank()].data();
      TROUPE_TRY(ranks.all_reduce(from, to.data(), cases[i].count, cases[i].type, cases[i].op));
    }
    return ok();
  }));
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto& test = cases[i];
    for (size_t at = 0; at < test.count; ++at) {
      auto expected = reference(test.op, inputs_at(in[i], at));
      ASSERT_NEAR(out[i][0][at], expected, tolerance(test.type, expected, size() + 1))
          << to_string(test.type) << ' ' << to_string(test.op) << ' ' << test.count << " at " << at;
    }
    for (const auto& other : out[i])
      ASSERT_EQ(std::memcmp(other.data(), out[i][0].data(), test.count * size_of(test.type)), 0)
          << "the ranks have different bits";
  }
}

TEST_P(CommunicatorOver, MovesDataToItsPlaces) {
  auto root = size() / 2;
  for (auto type : {DataType::float32, DataType::int8}) {
    for (size_t count : {0, 1, 100, 20'001}) {
      auto each = arrays_of(type, size(), count), blocks = arrays_of(type, size(), count * size());
      auto gathered = arrays_of(type, size(), count * size()), turned = gathered, in_place = blocks;
      auto scattered = each, broadcasted = each;
      expect_good(Ranks{GetParam()}.run([&](Communicator& ranks) -> Result<void> {
        auto me = ranks.rank();
        TROUPE_TRY(ranks.all_gather(each[me].data(), gathered[me].data(), count, type));
        TROUPE_TRY(ranks.all_to_all(blocks[me].data(), turned[me].data(), count, type));
        TROUPE_TRY(ranks.all_to_all(in_place[me].data(), in_place[me].data(), count, type));
        TROUPE_TRY(ranks.reduce_scatter(blocks[me].data(), scattered[me].data(), count, type,
                                        ReduceOp::sum));
        TROUPE_TRY(ranks.broadcast(broadcasted[me].data(), count, type, root));
        return ranks.barrier();
      }));
      for (uint32_t me = 0; me < size(); ++me)
        for (size_t at = 0; at < count; ++at) {
          for (uint32_t other = 0; other < size(); ++other) {
            ASSERT_EQ(gathered[me][other * count + at], each[other][at]);
            ASSERT_EQ(turned[me][other * count + at], blocks[other][me * count + at]);
            ASSERT_EQ(in_place[me][other * count + at], blocks[other][me * count + at]);
          }
          auto sum = reference(ReduceOp::sum, inputs_at(blocks, me * count + at));
          ASSERT_NEAR(scattered[me][at], sum, tolerance(type, sum, size() + 1));
          ASSERT_EQ(broadcasted[me][at], each[root][at]);
        }
    }
  }
}

TEST_P(CommunicatorOver, MessagesGoRoundInOrder) {
  if (size() == 1) return;
  expect_good(Ranks{GetParam()}.run([&](Communicator& ranks) -> Result<void> {
    auto me = ranks.rank(), next = (me + 1) % size(), before = (me + size() - 1) % size();
    for (size_t count : {0, 1, 1000, 300'000}) {
      std::vector<int32_t> mine(count, static_cast<int32_t>(me)), came(count, -1);
      auto send = [&] { return ranks.send(mine.data(), count, DataType::int32, next); };
      auto receive = [&] { return ranks.receive(came.data(), count, DataType::int32, before); };
      // Somebody has to receive first, or all would wait to be rid of theirs.
      TROUPE_TRY(me == 0 ? receive() : send());
      TROUPE_TRY(me == 0 ? send() : receive());
      if (came != std::vector<int32_t>(count, static_cast<int32_t>(before)))
        return Error{Errc::corrupt, "the message is another", "", ""};
    }
    return ok();
  }));
}

TEST_P(CommunicatorOver, PartsDoNotDependOnTheNumberOfRanks) {
  constexpr uint64_t parts_in_all = 13;
  constexpr size_t count = 3001;
  for (auto type : {DataType::float32, DataType::float16, DataType::int64}) {
    for (auto op : {ReduceOp::sum, ReduceOp::max, ReduceOp::avg}) {
      if (op == ReduceOp::avg && !is_float(type)) continue;
      auto parts = arrays_of(type, parts_in_all, count);
      auto reduced = [&](const Layout& layout) {
        auto ranks_in_all = layout.hosts.size();
        auto out = arrays_of(type, ranks_in_all, count);
        expect_good(Ranks{layout}.run([&](Communicator& ranks) {
          auto begin = parts_in_all * ranks.rank() / ranks.size();
          auto end = parts_in_all * (ranks.rank() + 1) / ranks.size();
          std::vector<const void*> mine;
          for (auto i = begin; i < end; ++i) mine.push_back(parts[i].data());
          return ranks.all_reduce_parts(mine, begin, parts_in_all, out[ranks.rank()].data(), count,
                                        type, op);
        }));
        return out;
      };
      auto alone = reduced({"", {0}}), together = reduced(GetParam());
      for (const auto& out : together)
        ASSERT_EQ(std::memcmp(out.data(), alone[0].data(), count * size_of(type)), 0)
            << to_string(type) << ' ' << to_string(op);
      for (size_t at = 0; at < count; ++at) {
        auto expected = reference(op, inputs_at(parts, at));
        ASSERT_NEAR(alone[0][at], expected, tolerance(type, expected, parts_in_all));
      }
    }
  }
}

TEST_P(CommunicatorOver, DifferentSizesAreAnErrorOnEveryRank) {
  if (size() == 1) return;
  for (size_t count : {10, 20'000}) {
    auto results = Ranks{GetParam()}.run([&](Communicator& ranks) {
      std::vector<float> data(count + 1);
      auto mine = ranks.rank() == 1 ? count + 1 : count;
      return ranks.all_reduce(data.data(), data.data(), mine, DataType::float32, ReduceOp::sum);
    });
    expect_all(results, Errc::invalid);
  }
}

TEST_P(CommunicatorOver, DifferentTypesAreAnErrorOnEveryRank) {
  if (size() == 1) return;
  auto results = Ranks{GetParam()}.run([&](Communicator& ranks) {
    std::vector<float> data(1000);
    auto type = ranks.rank() == 0 ? DataType::int32 : DataType::float32;
    return ranks.broadcast(data.data(), 1000, type, 0);
  });
  expect_all(results, Errc::invalid);
}

TEST_P(CommunicatorOver, ACallThatOneRankCannotMakeEndsThatOfTheOthers) {
  auto results = Ranks{GetParam()}.run([&](Communicator& ranks) -> Result<void> {
    std::vector<int32_t> data(100);
    auto op = ranks.rank() == 0 ? ReduceOp::avg : ReduceOp::sum;
    auto first = ranks.all_reduce(data.data(), data.data(), 100, DataType::int32, op);
    auto second = ranks.barrier();
    if (second) return Error{Errc::bug, "the call after a failed one succeeded", "", ""};
    return first;
  });
  expect_all(results, Errc::invalid);
  EXPECT_EQ(results[0].error().detail, "there is no average of int32");
}

TEST_P(CommunicatorOver, ARankThatLeavesEndsTheCallOfTheOthers) {
  if (size() == 1) return;
  auto results = Ranks{GetParam()}.run([&](Communicator& ranks) -> Result<void> {
    std::vector<double> data(50'000);
    if (ranks.rank() == 1) return Error{Errc::unavailable, "leaves", "", ""};
    return ranks.all_reduce(data.data(), data.data(), data.size(), DataType::float64,
                            ReduceOp::sum);
  });
  expect_all(results, Errc::unavailable);
  EXPECT_NE(results[0].error().what.find("rank 1 is gone"), std::string::npos)
      << results[0].error().what;
}

TEST_P(CommunicatorOver, ARankThatStaysAwayIsNamed) {
  if (size() == 1) return;
  Ranks ranks{GetParam()};
  ranks.deadline = std::chrono::milliseconds{100};
  std::atomic<uint32_t> ended{0};
  auto results = ranks.run([&](Communicator& communicator) -> Result<void> {
    if (communicator.rank() == 0) {
      while (ended.load() + 1 < size()) std::this_thread::yield();
      return communicator.barrier();
    }
    auto result = communicator.barrier();
    ended.fetch_add(1);
    return result;
  });
  expect_all(results, Errc::timed_out);
}

TEST(CommunicatorOpen, ARankThatNeverComesIsNamed) {
  Ranks ranks{{"", {0, 0, 1}}};
  ranks.change = [](Options& options) {
    options.size = 5;
    options.join_deadline = std::chrono::milliseconds{200};
  };
  auto results = ranks.run([](Communicator&) { return ok(); });
  expect_all(results, Errc::timed_out);
  EXPECT_NE(results[0].error().detail.find("ranks 3, 4 have not come"), std::string::npos)
      << results[0].error().detail;
}

TEST(CommunicatorOpen, WorldSizesThatDifferAreNamed) {
  Ranks ranks{{"", {0, 0, 1}}};
  ranks.change = [](Options& options) { options.size = options.rank == 2 ? 4 : 3; };
  auto results = ranks.run([](Communicator&) { return ok(); });
  expect_all(results, Errc::invalid);
  EXPECT_EQ(results[1].error().what, "the ranks disagree how many they are");
  EXPECT_EQ(results[1].error().detail, "rank 2 counts 4, rank 0 counts 3");
}

TEST(CommunicatorOpen, TwoOfOneRankAreNamed) {
  Ranks ranks{{"", {0, 0, 1}}};
  ranks.change = [](Options& options) {
    if (options.rank == 2) options.rank = 1;
    options.join_deadline = std::chrono::milliseconds{300};
  };
  auto results = ranks.run([](Communicator&) { return ok(); });
  for (const auto& result : results) EXPECT_FALSE(result);
  bool named = false;
  for (const auto& result : results) named = named || result.error().code == Errc::conflict;
  EXPECT_TRUE(named);
}

TEST(CommunicatorOpen, AnotherSecretDoesNotLetIn) {
  Ranks ranks{{"", {0, 1}}};
  ranks.change = [](Options& options) {
    if (options.rank == 1) options.secret = "another";
    options.join_deadline = std::chrono::milliseconds{500};
  };
  auto results = ranks.run([](Communicator&) { return ok(); });
  EXPECT_FALSE(results[0]);
  ASSERT_FALSE(results[1]);
  EXPECT_EQ(results[1].error().code, Errc::refused);
}

TEST(CommunicatorOpen, ANumberBeyondTheSizeIsRefused) {
  Options options;
  options.rank = 3;
  options.size = 3;
  auto communicator = Communicator::open(options);
  ASSERT_FALSE(communicator);
  EXPECT_EQ(communicator.error().code, Errc::invalid);
}

}  // namespace
}  // namespace troupe::comm
