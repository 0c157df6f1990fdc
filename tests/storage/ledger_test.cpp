#include "storage/ledger.hpp"

#include "tests/storage/storage_fixture.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

namespace troupe::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<Mutation> batch(std::initializer_list<Mutation> mutations) {
  return mutations;
}

TEST(Ledger, KeepsEveryFieldOfAnExperimentAcrossAReopening) {
  TempDir dir;
  auto record = record_of({1, 0}, State::failed);
  record.params["list"] = ValueList{1, "two", 3.5};
  record.params["none"] = Value{};
  record.error = Error{Errc::failed, "what", "detail", "hint"};
  record.exit_code = -3;
  record.started = {5};
  record.ended = {6};
  record.metrics = {{"accuracy", 0.5}, {"loss", 2}};
  record.extremes = {{"accuracy", {0.25, 0.75}}};
  record.rerun_of = "12.3";
  record.failures = 3;
  record.restarts = 2;
  AttemptRecord attempt{2,
                        (7ull << 32) + 1,
                        State::failed,
                        {8},
                        {9},
                        record.error,
                        {},
                        "step-9",
                        {{12}, {13}, 14, 15, {16}, {17}},
                        {{3, "node-a", 1500, 0.25}},
                        {{18},
                         {{"a", "b", 19, 20, "", true}, {"b", "a", 0, 0, "slow", false}},
                         21,
                         22,
                         "40",
                         {"link a -> b"}}};
  record.checkpoints.push_back({{"step-9", 7, 2, {5}, "n1", 0.5, {}}, 0, {}, 0});
  attempt.jobs.push_back({"worker",
                          1,
                          "node-a",
                          State::killed,
                          {},
                          9,
                          {0, 3},
                          {10},
                          {11},
                          {{"digits", "erofs", "private", true}},
                          {"0-3", "0", true, {"GPU-1"}, {"mlx5_0", "mlx5_1"}, "a note"}});
  record.attempts.push_back(attempt);
  {
    auto ledger = open_ledger(dir.path());
    ASSERT_TRUE(ledger->commit(batch({put(record)})));
    EXPECT_EQ(ledger->generation(), 1u);
  }
  auto ledger = open_ledger(dir.path());
  EXPECT_EQ(ledger->generation(), 2u);
  EXPECT_EQ(ledger->next_top(), 2u);
  auto read = ledger->experiment({1, 0});
  ASSERT_TRUE(read && *read);
  const auto& got = **read;
  EXPECT_EQ(got.user, record.user);
  EXPECT_EQ(*got.spec, *record.spec);
  EXPECT_EQ(got.params, record.params);
  EXPECT_EQ(got.state, record.state);
  EXPECT_EQ(got.reason, record.reason);
  EXPECT_EQ(got.error, record.error);
  EXPECT_EQ(got.exit_code, record.exit_code);
  EXPECT_EQ(got.created, record.created);
  EXPECT_EQ(got.queued, record.queued);
  EXPECT_EQ(got.started, record.started);
  EXPECT_EQ(got.ended, record.ended);
  EXPECT_EQ(got.attempts, record.attempts);
  EXPECT_EQ(got.metrics, record.metrics);
  EXPECT_EQ(got.extremes, record.extremes);
  EXPECT_EQ(got.rerun_of, record.rerun_of);
  EXPECT_EQ(got.failures, record.failures);
  EXPECT_EQ(got.restarts, record.restarts);
}

TEST(Ledger, KeepsSetsAndTheirMembersShareTheSpec) {
  TempDir dir;
  auto ledger = open_ledger(dir.path());
  auto set = set_of(5);
  set.stop_reason = "member 2 met stop_when";
  set.failures_passed = true;
  ASSERT_TRUE(ledger->commit(batch({put(set), put(record_of({5, 1})), put(record_of({5, 2}))})));
  auto read = ledger->set(5);
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->sweep, set.sweep);
  EXPECT_EQ(*(*read)->spec, *set.spec);
  EXPECT_EQ((*read)->best_member, set.best_member);
  EXPECT_EQ((*read)->best_value, set.best_value);
  EXPECT_EQ((*read)->best_params, set.best_params);
  EXPECT_EQ((*read)->stop_reason, set.stop_reason);
  EXPECT_TRUE((*read)->failures_passed);
  EXPECT_EQ((*read)->size, 12u);
  EXPECT_EQ((*read)->next, 4u);
  auto member = ledger->experiment({5, 2});
  ASSERT_TRUE(member && *member);
  EXPECT_EQ(*(*member)->spec, *set.spec);
  auto members = ledger->members(5, 2, 10);
  ASSERT_TRUE(members);
  ASSERT_EQ(members->size(), 1u);
  EXPECT_EQ(members->front().id.member, 2u);
  EXPECT_EQ(ledger->next_top(), 6u);
  EXPECT_TRUE(std::holds_alternative<SetRecord>(**ledger->find({5, 0})));
  EXPECT_TRUE(std::holds_alternative<ExperimentRecord>(**ledger->find({5, 1})));
  EXPECT_FALSE(*ledger->find({5, 9}));
  EXPECT_FALSE(*ledger->find({6, 0}));
}

TEST(Ledger, NumbersEventsWithoutGap) {
  TempDir dir;
  auto ledger = open_ledger(dir.path());
  auto first = ledger->commit(batch({AppendEvent{event_of("1")}, AppendEvent{event_of("2")}}));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->first_event, 1u);
  EXPECT_EQ(first->last_event, 2u);
  auto failing = event_of("3", "exit 1");
  failing.error = Error{Errc::failed, "a", "b", "c"};
  ASSERT_TRUE(ledger->commit(batch({PutMeta{"x", "y"}})));
  ASSERT_TRUE(ledger->commit(batch({AppendEvent{failing}})));
  ledger.reset();
  ledger = open_ledger(dir.path());
  EXPECT_EQ(ledger->last_event(), 3u);
  auto events = ledger->events(1, 10);
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ(events->front().subject, "2");
  EXPECT_EQ(events->back().number, 3u);
  EXPECT_EQ(events->back().cause, "exit 1");
  EXPECT_EQ(events->back().error, failing.error);
  EXPECT_EQ(ledger->events(0, 1)->size(), 1u);
  EXPECT_THAT(*ledger->events(UINT64_MAX, 1), IsEmpty());
}

TEST(Ledger, ARefusedMutationLeavesNothingOfItsCommit) {
  TempDir dir;
  auto ledger = open_ledger(dir.path());
  auto orphan = record_of({2, 0});
  orphan.spec = nullptr;
  auto refused = ledger->commit(
      batch({put(record_of({1, 0})), AppendEvent{event_of("1")}, put(std::move(orphan))}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::bug);
  EXPECT_FALSE(*ledger->experiment({1, 0}));
  EXPECT_EQ(ledger->last_event(), 0u);
  EXPECT_EQ(ledger->next_top(), 1u);
  EXPECT_EQ(ledger->commit(batch({AppendEvent{event_of("1")}}))->first_event, 1u);
}

TEST(Ledger, ListsByEveryFilterAndFollowsChanges) {
  TempDir dir;
  auto ledger = open_ledger(dir.path());
  ASSERT_TRUE(ledger->commit(
      batch({put(record_of({1, 0})), put(record_of({2, 0}, State::running)),
             put(record_of({3, 0}, State::finished, "other", "bob")), put(set_of(4)),
             put(record_of({4, 1}, State::finished)), put(record_of({4, 2}, State::running)),
             put(record_of({4, 3}, State::running))})));
  auto list = [&](ListQuery query) { return ids_of(*ledger->list(query)); };
  ListQuery all, demo, running, demo_running, live, demo_live;
  demo.project = demo_running.project = demo_live.project = "demo";
  running.state = demo_running.state = State::running;
  live.live = demo_live.live = true;
  EXPECT_THAT(list(all), ElementsAre("4", "3", "2", "1"));
  EXPECT_THAT(list(demo), ElementsAre("4", "2", "1"));
  EXPECT_THAT(list(running), ElementsAre("4", "2"));
  EXPECT_THAT(list(live), ElementsAre("4", "2", "1"));
  ListQuery members, members_running, members_live;
  members.set = members_running.set = members_live.set = ExperimentId{4, 0};
  members_running.state = State::running;
  members_live.live = true;
  EXPECT_THAT(list(members), ElementsAre("4.1", "4.2", "4.3"));
  EXPECT_THAT(list(members_running), ElementsAre("4.2", "4.3"));
  EXPECT_THAT(list(members_live), ElementsAre("4.2", "4.3"));

  ASSERT_TRUE(ledger->commit(batch({put(record_of({2, 0}, State::killed), false),
                                    put(record_of({4, 2}, State::failed), false)})));
  EXPECT_THAT(list(all), ElementsAre("4", "3", "2", "1"));
  EXPECT_THAT(list(demo_running), ElementsAre("4"));
  EXPECT_THAT(list(running), ElementsAre("4"));
  EXPECT_THAT(list(demo_live), ElementsAre("4", "1"));
  EXPECT_THAT(list(live), ElementsAre("4", "1"));
  EXPECT_THAT(list(members_live), ElementsAre("4.3"));
  EXPECT_THAT(*ledger->live(),
              ElementsAre(ExperimentId{1, 0}, ExperimentId{4, 0}, ExperimentId{4, 3}));
  EXPECT_EQ(*ledger->last("ada", "demo"), (ExperimentId{4, 0}));
  EXPECT_EQ(*ledger->last("bob", "other"), (ExperimentId{3, 0}));
  EXPECT_FALSE(*ledger->last("bob", "demo"));
}

TEST(Ledger, PagesMeetEachEntryOnce) {
  TempDir dir;
  auto ledger = open_ledger(dir.path());
  std::vector<Mutation> mutations{put(set_of(100))};
  for (uint64_t top = 1; top <= 7; ++top) mutations.push_back(put(record_of({top, 0})));
  for (uint32_t i = 1; i <= 7; ++i) mutations.push_back(put(record_of({100, i})));
  ASSERT_TRUE(ledger->commit(mutations));
  ListQuery tops, queued, members;
  queued.state = State::queued;
  members.set = ExperimentId{100, 0};
  for (auto [query, count] : {std::pair{tops, 8u}, {queued, 7u}, {members, 7u}}) {
    query.limit = 3;
    std::vector<std::string> seen;
    do {
      auto page = ledger->list(query);
      ASSERT_TRUE(page);
      EXPECT_LE(page->entries.size(), 3u);
      for (auto& id : ids_of(*page)) seen.push_back(id);
      query.page_token = page->next_page_token;
    } while (!query.page_token.empty());
    EXPECT_EQ(seen.size(), count);
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
  }
  tops.page_token = "nonsense!";
  EXPECT_EQ(ledger->list(tops).error().code, Errc::invalid);
}

TEST(Ledger, KeepsKeysTokensUsersAndMeta) {
  TempDir dir;
  auto ledger = open_ledger(dir.path());
  std::string long_key(3000, 'k');
  PutToken token{std::string(64, 'a'), "ada", true, "laptop", {77}};
  ASSERT_TRUE(ledger->commit(batch({PutKey{"ada", "k", {9, 0}, true, 12}, token,
                                    PutKey{"ada", long_key, {10, 0}, false, 1},
                                    PutUser{"ada", true, {5}}, PutMeta{"secret", "s3"}})));
  auto key = ledger->idempotent("ada", "k");
  ASSERT_TRUE(key && *key);
  EXPECT_EQ((*key)->id, (ExperimentId{9, 0}));
  EXPECT_TRUE((*key)->is_set);
  EXPECT_EQ((*key)->size, 12u);
  EXPECT_EQ((*ledger->idempotent("ada", long_key))->id.top, 10u);
  EXPECT_FALSE(*ledger->idempotent("bob", "k"));
  EXPECT_FALSE(*ledger->idempotent("ad", "ak"));
  auto read = ledger->token(token.sha256);
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->user, "ada");
  EXPECT_EQ((*read)->label, "laptop");
  EXPECT_EQ((*read)->expires, token.expires);
  EXPECT_EQ(ledger->tokens()->front().sha256, token.sha256);
  EXPECT_TRUE((*ledger->user("ada"))->admin);
  EXPECT_EQ(**ledger->meta("secret"), "s3");
  ASSERT_TRUE(ledger->commit(batch({DropToken{token.sha256}, PutMeta{"secret", ""}})));
  EXPECT_FALSE(*ledger->token(token.sha256));
  EXPECT_FALSE(*ledger->meta("secret"));
}

TEST(Ledger, ASecondOpenerIsRefusedAndTheFirstGoesOn) {
  TempDir dir;
  auto ledger = open_ledger(dir.path());
  auto second = Ledger::open(options_in(dir.path()));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::conflict);
  EXPECT_TRUE(ledger->commit(batch({AppendEvent{event_of("1")}})));
}

TEST(Ledger, ANewerFormIsRefusedUntouched) {
  TempDir dir;
  open_ledger(dir.path()).reset();
  auto folder = dir.path() + "/ledger/";
  ASSERT_TRUE(replace_file(folder + "FORMAT", "2\n"));
  std::filesystem::remove(folder + "lock.mdb");
  auto before = *read_file(folder + "data.mdb", 1u << 30);
  auto refused = Ledger::open(options_in(dir.path()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid);
  EXPECT_THAT(refused.error().detail, HasSubstr("version 2"));
  EXPECT_EQ(*read_file(folder + "data.mdb", 1u << 30), before);
  EXPECT_FALSE(std::filesystem::exists(folder + "lock.mdb"));
}

TEST(Ledger, ATruncatedOrForeignFileIsNamedCorrupt) {
  TempDir dir;
  auto data = dir.path() + "/ledger/data.mdb";
  {
    auto ledger = open_ledger(dir.path());
    std::vector<Mutation> mutations;
    for (uint64_t top = 1; top <= 200; ++top) mutations.push_back(put(record_of({top, 0})));
    ASSERT_TRUE(ledger->commit(mutations));
  }
  for (uint64_t size : {40960u, 4096u, 100u}) {
    std::filesystem::resize_file(data, size);
    auto refused = Ledger::open(options_in(dir.path()));
    ASSERT_FALSE(refused) << size;
    EXPECT_EQ(refused.error().code, Errc::corrupt);
    EXPECT_THAT(refused.error().hint, HasSubstr("backup"));
  }
  ASSERT_TRUE(replace_file(data, std::string(65536, 'x')));
  EXPECT_EQ(Ledger::open(options_in(dir.path())).error().code, Errc::corrupt);
}

TEST(Ledger, ReadersSeeWholeCommitsWhileAWriterWorks) {
  TempDir dir;
  auto ledger = open_ledger(dir.path());
  constexpr uint64_t rounds = 100;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> torn{0}, reads{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i)
    readers.emplace_back([&] {
      while (!stop) {
        auto last = ledger->last_event();
        auto events = ledger->events(0, 100'000);
        if (!events || events->size() < last || events->size() % 3 != 0) ++torn;
        auto page = ledger->list({});
        if (!page) ++torn;
        ++reads;
      }
    });
  for (uint64_t top = 1; top <= rounds; ++top)
    ASSERT_TRUE(ledger->commit(batch({put(record_of({top, 0})), AppendEvent{event_of("a")},
                                      AppendEvent{event_of("b")}, AppendEvent{event_of("c")}})));
  while (reads < 20) std::this_thread::yield();
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(torn, 0u);
  EXPECT_EQ(ledger->last_event(), 3 * rounds);
}

TEST(Ledger, EventsThatComeWhileOthersAreReadAreNews) {
  TempDir dir;
  auto ledger = open_ledger(dir.path());
  std::atomic<bool> stop{false};
  uint64_t missed = 0, seen = 0;
  std::thread reader{[&] {
    while (!stop || seen < ledger->last_event()) {
      auto read = ledger->read_events(seen, 10);
      if (!read || (read->events.empty() && read->last > seen)) ++missed;
      if (read)
        seen = std::max(seen, read->events.empty() ? read->last : read->events.back().number);
    }
  }};
  constexpr int rounds = 300;
  for (int i = 0; i < rounds; ++i) ASSERT_TRUE(ledger->commit(batch({AppendEvent{event_of("a")}})));
  stop = true;
  reader.join();
  EXPECT_EQ(missed, 0u) << "of " << rounds;
  EXPECT_EQ(seen, ledger->last_event());
}

TEST(Ledger, OpensAndListsALongHistory) {
  TempDir dir;
  constexpr uint64_t count = 100'000, group = 5'000;
  using Steady = std::chrono::steady_clock;
  auto ms = [](auto from) {
    return std::chrono::duration<double, std::milli>(Steady::now() - from).count();
  };
  double writing = 0;
  {
    auto ledger = open_ledger(dir.path());
    for (uint64_t top = 1; top <= count;) {
      std::vector<Mutation> mutations;
      for (uint64_t i = 0; i < group; ++i, ++top)
        mutations.push_back(put(record_of({top, 0}, State::finished)));
      auto begin = Steady::now();
      ASSERT_TRUE(ledger->commit(mutations));
      writing += ms(begin);
    }
  }
  auto begin = Steady::now();
  auto ledger = open_ledger(dir.path());
  auto opening = ms(begin);
  EXPECT_EQ(ledger->next_top(), count + 1);
  begin = Steady::now();
  auto page = ledger->list({});
  auto listing = ms(begin);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->entries.size(), 50u);
  EXPECT_EQ(ids_of(*page).front(), "100000");
  begin = Steady::now();
  for (uint64_t top = 1; top <= 1000; ++top) ASSERT_TRUE(*ledger->experiment({top * 97, 0}));
  auto reading = ms(begin);
  EXPECT_THAT(*ledger->live(), IsEmpty());
  RecordProperty("open_ms", std::to_string(opening));
  fmt::print(
      "100,000 finished: {:.1f} us a put, open {:.2f} ms, newest 50 {:.2f} ms, read {:.1f} us\n",
      writing * 1000 / count, opening, listing, reading);
}

}  // namespace
}  // namespace troupe::storage
