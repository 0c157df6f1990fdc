#include "runtime/core/file_threads.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace troupe {
namespace {

TEST(FileThreads, RunSeveralAtATimeAndSayWhenTooManyWait) {
  std::promise<void> release;
  auto released = release.get_future().share();
  std::promise<void> both_run;
  std::atomic<int> running{0}, done{0};
  FileThreads threads{2, 3};
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(threads.post([&] {
      if (++running == 2) both_run.set_value();
      released.wait();
    }));
  both_run.get_future().wait();
  std::promise<void> last;
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(threads.post([&] {
      if (++done == 3) last.set_value();
    }));
  EXPECT_FALSE(threads.post([] {}));
  release.set_value();
  last.get_future().wait();
  EXPECT_EQ(done, 3);
}

TEST(FileThreads, EndWithWhatRunsAndDropWhatWaits) {
  std::atomic<bool> ended{false};
  auto held = std::make_shared<int>(1);
  std::promise<void> runs;
  {
    FileThreads threads{1, 10};
    (void)threads.post([&] {
      runs.set_value();
      ended = true;
    });
    runs.get_future().wait();
    for (int i = 0; i < 5; ++i) (void)threads.post([held] {});
  }
  EXPECT_TRUE(ended);
  EXPECT_EQ(held.use_count(), 1) << "what waited is gone, whether it ran or not";
}

}  // namespace
}  // namespace troupe
