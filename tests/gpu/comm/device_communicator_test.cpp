// Communicators of devices over invented libraries: ranks are threads, memory of devices is the
// host's, and what goes wrong is said by TROUPE_FAKE_NCCL.
#include "gpu/comm/device_communicator.hpp"

#include "tests/gpu/comm/values.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <dlfcn.h>
#include <functional>
#include <thread>

namespace troupe::comm {
namespace {

using Clock = std::chrono::steady_clock;
using Rank = std::function<Result<void>(DeviceCommunicator&)>;

class Devices : public testing::Test {
 protected:
  void TearDown() override { ::unsetenv("TROUPE_FAKE_NCCL"); }

  std::chrono::milliseconds join{60'000}, deadline{60'000};
  std::function<void(DeviceOptions&)> change = [](DeviceOptions&) {};

  static void script(const char* text) { ::setenv("TROUPE_FAKE_NCCL", text, 1); }

  /// Each a thread; what they answered, or why they could not join.
  std::vector<Result<void>> run(uint32_t size, const Rank& rank) {
    auto store = std::make_shared<MemoryStore>();
    std::vector<Result<void>> results(size, ok());
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < size; ++i)
      threads.emplace_back([&, i] { results[i] = run_one(i, size, store, rank); });
    for (auto& thread : threads) thread.join();
    return results;
  }

 private:
  Result<void> run_one(uint32_t number, uint32_t size, const std::shared_ptr<Store>& store,
                       const Rank& rank) {
    DeviceOptions options;
    options.ranks.rank = number;
    options.ranks.size = size;
    options.ranks.store = store;
    options.ranks.secret = "secret";
    options.ranks.join_deadline = join;
    options.ranks.patience = {deadline, 100, 5};
    options.device = number;
    options.cuda = options.nccl = {TROUPE_FAKE_NCCL_NEW};
    change(options);
    auto communicator = DeviceCommunicator::open(options);
    if (!communicator) return std::move(communicator).error();
    return rank(**communicator);
  }
};

void expect_good(const std::vector<Result<void>>& results) {
  for (const auto& result : results) EXPECT_TRUE(result) << to_string(result.error());
}

/// All ranks fail, and each says this.
void expect_all(const std::vector<Result<void>>& results, const std::string& text) {
  for (const auto& result : results) {
    ASSERT_FALSE(result);
    EXPECT_NE(to_string(result.error()).find(text), std::string::npos) << to_string(result.error());
  }
}

Result<void> nothing(DeviceCommunicator&) {
  return ok();
}

Values filled(DataType type, size_t count, uint64_t seed) {
  Values values{type, count};
  values.fill(seed);
  return values;
}

Result<void> reduce_and_wait(DeviceCommunicator& ranks, size_t count = 1000) {
  std::vector<float> data(count, static_cast<float>(ranks.rank()));
  auto made = ranks.all_reduce(data.data(), data.data(), count, DataType::float32, ReduceOp::sum);
  if (made) made = ranks.wait();
  auto size = static_cast<float>(ranks.size());
  if (made) {
    EXPECT_EQ(data.front(), size * (size - 1) / 2);
    EXPECT_EQ(data.back(), size * (size - 1) / 2);
  }
  return made;
}

TEST_F(Devices, ReduceEveryTypeLikeDoubles) {
  for (uint32_t size : {1u, 2u, 5u})
    expect_good(run(size, [&](DeviceCommunicator& ranks) -> Result<void> {
      for (auto type : all_types)
        for (auto op : all_ops) {
          if (!nccl_type(type) || (op == ReduceOp::avg && !is_float(type))) continue;
          const size_t count = 37;
          auto in = filled(type, count * size, ranks.rank() + 1);
          Values out{type, count * size}, part{type, count};
          TROUPE_TRY(ranks.all_reduce(in.data(), out.data(), count * size, type, op));
          TROUPE_TRY(ranks.reduce_scatter(in.data(), part.data(), count, type, op));
          TROUPE_TRY(ranks.wait());
          std::vector<Values> all;
          for (uint32_t i = 0; i < size; ++i) all.push_back(filled(type, count * size, i + 1));
          for (size_t i = 0; i < count * size; ++i) {
            std::vector<double> inputs;
            for (const auto& array : all) inputs.push_back(array[i]);
            auto wanted = reference(op, inputs);
            EXPECT_NEAR(out[i], wanted, tolerance(type, wanted, size + 1));
            if (i / count == ranks.rank()) {
              EXPECT_EQ(part[i % count], out[i]);
            }
          }
        }
      return ok();
    }));
}

TEST_F(Devices, MoveEveryType) {
  expect_good(run(3, [&](DeviceCommunicator& ranks) -> Result<void> {
    for (auto type : all_types) {
      const size_t count = 11;
      auto me = ranks.rank();
      auto own = filled(type, count, me + 1);
      Values all{type, count * 3}, turned{type, count * 3}, first = own, came{type, count};
      TROUPE_TRY(ranks.all_gather(own.data(), all.data(), count, type));
      TROUPE_TRY(ranks.all_to_all(all.data(), turned.data(), count, type));
      TROUPE_TRY(ranks.broadcast(first.data(), count, type, 2));
      TROUPE_TRY(ranks.send(own.data(), count, type, (me + 1) % 3));
      TROUPE_TRY(ranks.receive(came.data(), count, type, (me + 2) % 3));
      TROUPE_TRY(ranks.barrier());
      for (size_t i = 0; i < count; ++i)
        for (uint32_t other = 0; other < 3; ++other) {
          auto theirs = filled(type, count, other + 1);
          EXPECT_EQ(all[other * count + i], theirs[i]);
          // Every rank has sent its block `me`, which is rank me's.
          EXPECT_EQ(turned[other * count + i], own[i]);
          EXPECT_TRUE(other != 2 || first[i] == theirs[i]);
          EXPECT_TRUE(other != (me + 2) % 3 || came[i] == theirs[i]);
        }
    }
    return ok();
  }));
}

TEST_F(Devices, WorkOnAStreamOfTheCallersAndReturnBeforeItIsDone) {
  std::atomic<bool> returned{false};
  expect_good(run(2, [&](DeviceCommunicator& ranks) -> Result<void> {
    auto cuda = CudaLibrary::load({TROUPE_FAKE_NCCL_NEW});
    CudaStream stream = nullptr;
    EXPECT_EQ((*cuda)->stream_create(&stream, cuda_stream_apart), cuda_success);
    float value = 3;
    // Rank 1 calls only when rank 0's call has come back.
    while (ranks.rank() == 1 && !returned) std::this_thread::yield();
    auto made = ranks.all_reduce(&value, &value, 1, DataType::float32, ReduceOp::sum, stream);
    returned = true;
    if (made) made = ranks.wait(stream);
    EXPECT_EQ(value, 6);
    (*cuda)->stream_destroy(stream);
    return made;
  }));
}

TEST_F(Devices, OfWhichOneHangsInItsStartGiveUpByTheDeadlineAndNameIt) {
  script("start_hangs=1");
  join = std::chrono::milliseconds{800};
  auto began = Clock::now();
  auto results = run(3, [](DeviceCommunicator& ranks) { return reduce_and_wait(ranks); });
  EXPECT_LT(Clock::now() - began, std::chrono::seconds{20});
  expect_all(results, "NCCL did not connect the ranks: rank 1 of 3 did not get through");
}

TEST_F(Devices, EndTogetherWhenOneDoesNotStart) {
  script("start_fails=1");
  auto results = run(2, nothing);
  ASSERT_FALSE(results[1]);
  EXPECT_EQ(to_string(results[1].error()).find("NCCL does not start at rank 1: NCCL error 1"), 0u);
  script("no_id=1");
  expect_all(run(2, nothing), "NCCL cannot be reached by the other ranks");
}

TEST_F(Devices, EndTogetherWithWhatNcclSaysOfOne) {
  script("fails=1");
  auto for_ever = [](DeviceCommunicator& ranks) -> Result<void> {
    while (true) TROUPE_TRY(reduce_and_wait(ranks));
  };
  expect_all(run(3, for_ever),
             "NCCL failed at rank 1: NCCL error 6: remote process exited or there was a network "
             "error (net.cc:42 connection closed by peer)");
  script("refuses=0");
  expect_all(run(2, for_ever), "NCCL refused at rank 0");
}

TEST_F(Devices, OfWhichOneDoesNotFinishEndByTheDeadline) {
  script("stuck=2");
  deadline = std::chrono::milliseconds{400};
  auto began = Clock::now();
  auto results = run(3, [](DeviceCommunicator& ranks) {
    auto result = reduce_and_wait(ranks);
    // And so do all calls after it, at once.
    auto again = ranks.barrier();
    EXPECT_FALSE(again);
    return result;
  });
  EXPECT_LT(Clock::now() - began, std::chrono::seconds{20});
  expect_all(results,
             "does not finish: waited 400 ms, last for call 1: all_reduce of 1000 float32");
}

TEST_F(Devices, NameTheRankThatMadeFewerCallsAndTheOneThatMakesNone) {
  deadline = std::chrono::milliseconds{400};
  std::atomic<int> through{0};
  auto results = run(4, [&](DeviceCommunicator& ranks) -> Result<void> {
    TROUPE_TRY(reduce_and_wait(ranks));
    // Rank 2 waits without a call; rank 3 looks at nothing until the others have given up.
    auto result = ranks.rank() < 2 ? reduce_and_wait(ranks) : ok();
    while (ranks.rank() == 3 && through < 3) std::this_thread::yield();
    while (ranks.rank() == 2 && result) result = ranks.wait();
    if (ranks.rank() == 3) result = ranks.barrier();
    ++through;
    return result;
  });
  for (uint32_t rank : {0u, 1u}) {
    ASSERT_FALSE(results[rank]);
    auto text = to_string(results[rank].error());
    EXPECT_NE(text.find("rank 2 is at call 1, all_reduce of 1000 float32 (sum)"), std::string::npos)
        << text;
    EXPECT_NE(text.find("rank 3 says nothing"), std::string::npos) << text;
  }
}

TEST_F(Devices, LeaveAnAbortBehindThatDoesNotEnd) {
  script("fails=0,abort_hangs=1");
  auto began = Clock::now();
  EXPECT_FALSE(run(1, [](DeviceCommunicator& ranks) { return reduce_and_wait(ranks); })[0]);
  EXPECT_LT(Clock::now() - began, std::chrono::seconds{30});
}

TEST_F(Devices, CompareTheirCallsWhereTheyAreTold) {
  change = [](DeviceOptions& options) { options.check_calls = true; };
  expect_good(run(2, [](DeviceCommunicator& ranks) { return reduce_and_wait(ranks); }));
  expect_all(
      run(2, [](DeviceCommunicator& ranks) { return reduce_and_wait(ranks, 10 + ranks.rank()); }),
      "the ranks make different calls: rank 0: all_reduce of 10 float32 (sum); rank 1: "
      "all_reduce of 11 float32 (sum)");
}

TEST_F(Devices, RefuseWhatNcclCannotDo) {
  for (auto wrong :
       std::vector<Rank>{[](DeviceCommunicator& ranks) {
                           int16_t x = 0;
                           return ranks.all_reduce(&x, &x, 1, DataType::int16, ReduceOp::sum);
                         },
                         [](DeviceCommunicator& ranks) {
                           int32_t x = 0;
                           return ranks.all_reduce(&x, &x, 1, DataType::int32, ReduceOp::avg);
                         },
                         [](DeviceCommunicator& ranks) {
                           float x[2] = {};
                           return ranks.all_to_all(x, x, 1, DataType::float32);
                         },
                         [](DeviceCommunicator& ranks) {
                           return ranks.broadcast(nullptr, 1, DataType::float32, 0);
                         },
                         [](DeviceCommunicator& ranks) {
                           float x = 0;
                           return ranks.broadcast(&x, 1, DataType::float32, 7);
                         }})
    for (const auto& result : run(2, wrong)) {
      ASSERT_FALSE(result);
      EXPECT_EQ(result.error().code, Errc::invalid) << to_string(result.error());
    }
}

TEST_F(Devices, OfADriverThatIsTooOldSayBothVersions) {
  script("driver=12020,runtime=13000");
  auto results = run(2, nothing);
  for (const auto& result : results) {
    ASSERT_FALSE(result);
    auto text = to_string(result.error());
    EXPECT_NE(text.find("the NVIDIA driver is too old: it can do CUDA 12.2, and "), text.npos);
    EXPECT_NE(text.find("is CUDA 13.0"), text.npos) << text;
  }
  script("driver=0");
  expect_all(run(1, nothing), "there is no NVIDIA driver");
  script("devices=0");
  expect_all(run(1, nothing), "there is no GPU for this process");
  script("dead_device=1");
  expect_all(run(2, nothing), "rank 1: device 1 cannot be used: CUDA error 46");
}

TEST_F(Devices, OfALibraryThatLacksSomethingSayWhat) {
  change = [](DeviceOptions& options) { options.nccl = {TROUPE_FAKE_NCCL_BROKEN}; };
  expect_all(run(1, nothing), "has no ncclCommGetAsyncError; it is 2.18.5");
  change = [](DeviceOptions& options) { options.nccl = {"libnccl-that-is-not-there.so.2"}; };
  expect_all(run(1, nothing), "NCCL is not there: libnccl-that-is-not-there.so.2");
  change = [](DeviceOptions& options) { options.cuda = {"libcudart-that-is-not-there.so"}; };
  expect_all(run(1, nothing), "CUDA's runtime is not there");
  change = [](DeviceOptions& options) { options.cuda = {"libm.so.6"}; };
  expect_all(run(1, nothing), "libm.so.6 has no cudaDriverGetVersion");
}

TEST_F(Devices, OfDifferentVersionsOrOnOneGpuSayWho) {
  change = [](DeviceOptions& options) {
    if (options.ranks.rank == 2) options.nccl = {TROUPE_FAKE_NCCL_OLD};
  };
  expect_all(run(3, nothing), "different versions of NCCL: rank 0 has 2.28.9, rank 2 has 2.18.5");
  change = [](DeviceOptions&) {};
  script("one_gpu=1");
  expect_all(run(2, nothing), "two ranks have the same GPU: ranks 0 and 1 have 0000:00:00.0");
  script("devices=2");  // counted around
  expect_all(run(3, nothing), "ranks 0 and 2 have 0000:00:00.0");
}

TEST_F(Devices, EndWhenADeviceIsLost) {
  std::atomic<bool> lost{false};
  expect_all(run(2,
                 [&](DeviceCommunicator& ranks) -> Result<void> {
                   TROUPE_TRY(reduce_and_wait(ranks));
                   TROUPE_TRY(ranks.barrier());
                   if (ranks.rank() == 0) {
                     script("lost_device=1");
                     lost = true;
                   }
                   while (!lost) std::this_thread::yield();
                   TROUPE_TRY(reduce_and_wait(ranks));
                   return ranks.barrier();
                 }),
             "the device of rank 1 failed: CUDA error 719: unspecified launch failure");
}

int shrunk_by_nccl() {
  void* library = ::dlopen(TROUPE_FAKE_NCCL_NEW, RTLD_NOW | RTLD_LOCAL);
  return reinterpret_cast<int (*)()>(::dlsym(library, "fake_nccl_shrunk"))();
}

/// Ranks 1 and 3 go, in this order of numbers: 0, 2, 4 become 0, 1, 2.
Result<void> go_on_without_two(DeviceCommunicator& ranks) {
  const uint32_t gone[] = {3, 1};
  auto smaller = ranks.shrink(gone);
  if (!smaller) return std::move(smaller).error();
  EXPECT_EQ((*smaller)->size(), 3u);
  EXPECT_EQ((*smaller)->rank(), ranks.rank() / 2);
  auto ended = ranks.barrier();
  EXPECT_FALSE(ended);
  return reduce_and_wait(**smaller);
}

TEST_F(Devices, GoOnWithoutSomeOfThem) {
  auto before = shrunk_by_nccl();
  auto results = run(5, [](DeviceCommunicator& ranks) -> Result<void> {
    TROUPE_TRY(reduce_and_wait(ranks));
    if (ranks.rank() % 2 == 0) return go_on_without_two(ranks);
    // Those that are left out hear of it.
    while (true) TROUPE_TRY(ranks.wait());
  });
  EXPECT_EQ(shrunk_by_nccl(), before + 3);
  for (uint32_t rank : {0u, 2u, 4u}) EXPECT_TRUE(results[rank]) << to_string(results[rank].error());
  for (uint32_t rank : {1u, 3u}) {
    ASSERT_FALSE(results[rank]);
    EXPECT_EQ(results[rank].error().what, "the others go on without ranks 3, 1");
  }
}

TEST_F(Devices, GoOnWithoutThoseThatFailedAndWithAnOlderNccl) {
  for (const char* library : {TROUPE_FAKE_NCCL_NEW, TROUPE_FAKE_NCCL_OLD}) {
    change = [&](DeviceOptions& options) { options.cuda = options.nccl = {library}; };
    for (bool fails : {true, false}) {
      auto before = shrunk_by_nccl();
      auto results = run(5, [&](DeviceCommunicator& ranks) -> Result<void> {
        // Of those that fail some may hear of it while they are here.
        if (auto first = reduce_and_wait(ranks); !first && !fails) return first;
        if (ranks.rank() == 1 && fails) ranks.abort({Errc::failed, "rank 1 gave up", "", ""});
        if (ranks.rank() % 2 != 0) return ok();
        auto told = fails ? ranks.barrier() : ok();
        EXPECT_EQ(fails, !told && told.error().what == "rank 1 gave up");
        return go_on_without_two(ranks);
      });
      for (const auto& result : results) EXPECT_TRUE(result) << to_string(result.error());
      EXPECT_EQ(shrunk_by_nccl() - before,
                std::string{library} == TROUPE_FAKE_NCCL_NEW && !fails ? 3 : 0);
    }
  }
}

TEST_F(Devices, RefuseToGoOnWithoutThemselvesOrOthersThatThereAreNot) {
  expect_good(run(2, [](DeviceCommunicator& ranks) -> Result<void> {
    const uint32_t self[] = {ranks.rank()}, nobody[] = {2};
    EXPECT_FALSE(ranks.shrink(self));
    EXPECT_FALSE(ranks.shrink(nobody));
    EXPECT_FALSE(ranks.shrink({}));
    return reduce_and_wait(ranks);
  }));
}

}  // namespace
}  // namespace troupe::comm
