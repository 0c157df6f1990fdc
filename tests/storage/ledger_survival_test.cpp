// What the ledger promises when its process is killed, when its disk is full, and to old ledgers.
#include "runtime/core/fd.hpp"
#include "tests/storage/storage_fixture.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <poll.h>
#include <random>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::storage {
namespace {

/// Commits until it is killed; each acknowledged event number goes into the pipe.
[[noreturn]] void write_for_ever(const std::string& dir, int pipe) {
  auto ledger = Ledger::open(options_in(dir));
  if (!ledger) _exit(2);
  while (true) {
    auto top = (*ledger)->next_top();
    std::vector<Mutation> mutations{put(record_of({top, 0}))};
    for (uint64_t i = 0; i < top % 5 + 1; ++i)
      mutations.emplace_back(AppendEvent{event_of(fmt::to_string(top))});
    auto committed = (*ledger)->commit(mutations);
    if (!committed) _exit(3);
    uint64_t ack[2] = {committed->last_event, top};
    if (::write(pipe, ack, sizeof ack) != sizeof ack) _exit(4);
  }
}

TEST(LedgerSurvival, NothingAcknowledgedIsLostToKill) {
  TempDir dir;
  std::mt19937 random{4711};
  uint64_t acked_event = 0, acked_top = 0;
  for (int round = 0; round < 12; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    UniqueFd reading{ends[0]}, writing{ends[1]};
    auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_for_ever(dir.path(), ends[1]);
    writing.reset();
    auto until =
        random() % 40 + 1;  // kill after so many acknowledgements, at any point of the next
    uint64_t ack[2];
    for (size_t n = 0; n < until; ++n) {
      pollfd wait{reading.get(), POLLIN, 0};
      ASSERT_EQ(::poll(&wait, 1, 30'000), 1);
      ASSERT_EQ(::read(reading.get(), ack, sizeof ack), static_cast<ssize_t>(sizeof ack));
      acked_event = ack[0];
      acked_top = ack[1];
    }
    // tidy: allow sleep: the random moment is what is tested
    ::usleep(random() % 2000);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    while (::read(reading.get(), ack, sizeof ack) == static_cast<ssize_t>(sizeof ack)) {
      acked_event = ack[0];
      acked_top = ack[1];
    }
    auto ledger = open_ledger(dir.path());
    ASSERT_TRUE(ledger);
    EXPECT_GE(ledger->last_event(), acked_event);
    EXPECT_GT(ledger->next_top(), acked_top);
    auto events = ledger->events(0, 1'000'000);
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), ledger->last_event());
    for (size_t i = 0; i < events->size(); ++i) ASSERT_EQ((*events)[i].number, i + 1);
    for (uint64_t top = 1; top < ledger->next_top(); ++top)
      ASSERT_TRUE(*ledger->experiment({top, 0})) << top;
  }
}

TEST(LedgerSurvival, AFullDiskIsNamedAndStoresNothingAndPasses) {
  TempDir dir;
  auto disk = dir.path() + "/disk";
  ASSERT_TRUE(make_dirs(disk));
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=24m") != 0)
    GTEST_SKIP() << "no tmpfs can be mounted here: " << std::strerror(errno);
  struct Unmount {
    std::string path;
    ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
  } unmount{disk};
  auto options = options_in(disk);
  options.reserve_bytes = 1u << 20;
  auto opened = Ledger::open(options);
  ASSERT_TRUE(opened) << to_string(opened.error());
  auto& ledger = **opened;
  // Somebody else fills the disk to its last byte.
  auto hog = disk + "/hog";
  {
    auto fd = open_file(hog, O_WRONLY | O_CREAT);
    ASSERT_TRUE(fd);
    while (write_all(fd->get(), std::string(4096, 'h'))) {
    }
  }
  uint64_t top = 0;
  auto submit = [&] {
    std::vector<Mutation> mutations;
    for (int i = 0; i < 500; ++i) mutations.push_back(put(record_of({++top, 0})));
    mutations.emplace_back(AppendEvent{event_of("x")});
    auto committed = ledger.commit(mutations);
    if (!committed) top -= 500;
    return committed;
  };
  Result<Committed> last = Committed{};
  for (int i = 0; i < 200 && last; ++i) last = submit();
  ASSERT_FALSE(last) << "24 MB never filled";
  EXPECT_EQ(last.error().code, Errc::exhausted);
  EXPECT_NE(last.error().detail.find(disk), std::string::npos) << last.error().detail;
  EXPECT_NE(last.error().detail.find("bytes"), std::string::npos) << last.error().detail;
  EXPECT_EQ(ledger.next_top(), top + 1);
  if (top > 0) {
    EXPECT_TRUE(*ledger.experiment({top, 0}));
  }
  EXPECT_FALSE(*ledger.experiment({top + 1, 0}));
  auto events = ledger.last_event();
  // A kill still goes through: the reserve is for that.
  std::vector<Mutation> kill{AppendEvent{event_of("1", "killed by ada")}};
  if (top > 0) kill.emplace_back(put(record_of({1, 0}, State::killed), false));
  auto killed = ledger.commit(kill);
  EXPECT_TRUE(killed) << (killed ? "" : to_string(killed.error()));
  EXPECT_EQ(ledger.last_event(), events + 1);
  ASSERT_EQ(::unlink(hog.c_str()), 0);
  auto again = submit();
  EXPECT_TRUE(again) << (again ? "" : to_string(again.error()));
  opened->reset();
  opened = Ledger::open(options);
  ASSERT_TRUE(opened) << to_string(opened.error());
  EXPECT_EQ((*opened)->next_top(), top + 1);
}

TEST(LedgerSurvival, AFullMapIsExhaustedAndReadable) {
  TempDir dir;
  auto options = options_in(dir.path());
  options.map_bytes = 1u << 20;
  auto opened = Ledger::open(options);
  ASSERT_TRUE(opened);
  uint64_t top = 0;
  Result<Committed> last = Committed{};
  while (last && top < 100'000)
    last = (*opened)->commit(std::vector<Mutation>{put(record_of({++top, 0}))});
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, Errc::exhausted);
  EXPECT_TRUE(*(*opened)->experiment({top - 1, 0}));
  EXPECT_EQ((*opened)->next_top(), top);
}

/// A ledger of version 1, as the first release wrote it, must be read for ever. Made by running
/// this test with TROUPE_MAKE_LEDGER=FOLDER.
TEST(LedgerSurvival, ReadsALedgerOfVersionOne) {
  std::vector<Mutation> first{put(record_of({1, 0}, State::finished)), put(set_of(2)),
                              put(record_of({2, 1}, State::running)),  AppendEvent{event_of("1")},
                              PutKey{"ada", "k", {1, 0}, false, 1},    PutMeta{"colour", "blue"}};
  if (const char* make = std::getenv("TROUPE_MAKE_LEDGER")) {
    ASSERT_TRUE(open_ledger(make)->commit(first));
    return;
  }
  TempDir dir;
  std::filesystem::copy(std::filesystem::path{__FILE__}.parent_path() / "data/ledger_v1",
                        dir.path() + "/ledger");
  auto ledger = open_ledger(dir.path());
  ASSERT_TRUE(ledger);
  EXPECT_EQ(ledger->generation(), 2u);
  EXPECT_EQ(ledger->last_event(), 1u);
  auto one = ledger->experiment({1, 0});
  ASSERT_TRUE(one && *one);
  EXPECT_EQ((*one)->params, record_of({1, 0}).params);
  EXPECT_EQ(*(*one)->spec, *spec_of("demo"));
  EXPECT_EQ((*ledger->set(2))->sweep, set_of(2).sweep);
  EXPECT_EQ(ledger->live()->size(), 2u);
  EXPECT_EQ(ledger->events(0, 9)->front().cause, "submitted");
  EXPECT_EQ((*ledger->idempotent("ada", "k"))->id.top, 1u);
  EXPECT_EQ(**ledger->meta("colour"), "blue");
  EXPECT_TRUE(ledger->commit(std::vector<Mutation>{put(record_of({3, 0}))}));
}

}  // namespace
}  // namespace troupe::storage
