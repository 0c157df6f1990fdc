// Outputs on their way to becoming a version: fetched once however many ask, kept only when every
// byte is what it was announced as, tried again where the node is away.
#include "actors/bulk_words.hpp"
#include "storage/dataset/folder_blocks.hpp"
#include "tests/actors/head_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::HasSubstr;

class OutputVersionsTest : public HeadTest {
 protected:
  void SetUp() override {
    start_head();
    join("n2");
    folder = dir.path() + "/outputs";
    ASSERT_TRUE(make_dirs(folder));
    ASSERT_TRUE(replace_file(folder + "/rows.csv", "day,price\nmonday,3\n"));
    auto packed = dataset::FolderBlocks::pack(folder);
    ASSERT_TRUE(packed);
    pack = *packed;
  }
  /// An experiment that has run on n1 and ended.
  void put_ended(uint64_t top, State state = State::finished) {
    auto record = running_record({top, 0}, {"n1"}, 7);
    record.state = state;
    put_new(std::move(record));
  }
  /// Answers what n1 was asked for, as its worker would.
  void answer(const std::function<void(std::string&)>& damage = {}) {
    for (auto& [node, question] : std::exchange(asked, {})) {
      EXPECT_EQ(node, "n1");
      auto bytes = question.request.what == "pack"
                       ? dataset::manifest_bytes(pack->manifest())
                       : *pack->block(*dataset::content_id_from(question.request.path));
      if (damage) damage(bytes);
      question.done(cluster::BulkAnswer{bytes, {}});
    }
    run();
  }

  std::string folder;
  std::shared_ptr<dataset::FolderBlocks> pack;
};

TEST_F(OutputVersionsTest, AreFetchedOnceForAllWhoAsk) {
  put_ended(41);
  auto one = self->request(datasets, caf::infinite, find_atom_v, ExperimentId{41, 0});
  auto two = self->request(datasets, caf::infinite, find_atom_v, ExperimentId{41, 0});
  run();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].second.request, ask_pack({41, 0}));
  answer();  // the manifest
  ASSERT_EQ(asked.size(), pack->manifest().blocks.size());
  answer();  // the blocks
  for (auto* request : {&one, &two})
    request->receive(
        [&](const DatasetVersionRef& version) {
          EXPECT_EQ(version->name, "41/out");
          EXPECT_EQ(version->from, "41");
          EXPECT_EQ(version->digest, to_string(version_id(pack->manifest())));
        },
        [](caf::error& e) { FAIL() << to_string(from_caf(e, "a test")); });
  // From now on nobody has to be asked.
  auto known = ask<DatasetVersionRef>(datasets, find_atom_v, ExperimentId{41, 0});
  ASSERT_TRUE(known);
  EXPECT_TRUE(asked.empty());
  EXPECT_TRUE(ledger->datasets(10)->versions.empty());
  EXPECT_EQ(ledger->datasets(10, {}, true)->versions.size(), 1u);
}

TEST_F(OutputVersionsTest, OtherBytesThanAnnouncedAreNoVersion) {
  for (size_t damaged : {0u, 1u}) {
    put_ended(50 + damaged);
    auto request =
        self->request(datasets, caf::infinite, find_atom_v, ExperimentId{50 + damaged, 0});
    run();
    auto flip = [](std::string& bytes) { bytes[bytes.size() / 2] ^= 1; };
    if (damaged == 0) {
      answer(flip);
    } else {
      answer();
      answer(flip);
    }
    request.receive([](const DatasetVersionRef&) { FAIL(); },
                    [](caf::error& e) { EXPECT_FALSE(from_caf(e, "a test").what.empty()); });
    EXPECT_TRUE(ledger->datasets(10, {}, true)->versions.empty());
  }
}

TEST_F(OutputVersionsTest, OnlyWhatHasRunAndEndedHasAny) {
  put_ended(41, State::running);
  auto running = ask<DatasetVersionRef>(datasets, find_atom_v, ExperimentId{41, 0});
  ASSERT_FALSE(running);
  EXPECT_EQ(running.error().code, Errc::conflict);
  auto missing = ask<DatasetVersionRef>(datasets, find_atom_v, ExperimentId{77, 0});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_TRUE(asked.empty());
}

TEST_F(OutputVersionsTest, WhoeverMountsThemWaitsAndSaysWhy) {
  put_ended(41);
  auto spec = spec_of("cat $TROUPE_DATA/out-41/rows.csv");
  spec.data.push_back({"41/out", ""});
  auto submitted = submit(spec);
  ASSERT_TRUE(submitted) << to_string(submitted.error());
  ASSERT_EQ(asked.size(), 1u);
  asked[0].second.done(Error{Errc::unavailable, "node n1 is not here", "it was lost", ""});
  asked.clear();
  run();
  auto why = ask<WaitingRef>(director, why_atom_v, submitted->id);
  ASSERT_TRUE(why);
  ASSERT_FALSE((**why).reasons.empty());
  EXPECT_THAT((**why).reasons.front(), HasSubstr("n1"));
  // It is tried again, and the experiment goes to the queue.
  advance(std::chrono::seconds{6});
  answer();
  answer();
  why = ask<WaitingRef>(director, why_atom_v, submitted->id);
  ASSERT_TRUE(why);
  for (const auto& reason : (**why).reasons)
    EXPECT_THAT(reason, ::testing::Not(HasSubstr("outputs")));
}

TEST_F(OutputVersionsTest, AKillEndsTheWait) {
  put_ended(41);
  auto spec = spec_of("true");
  spec.data.push_back({"41/out", ""});
  auto submitted = submit(spec);
  ASSERT_TRUE(submitted) << to_string(submitted.error());
  EXPECT_TRUE(kill(submitted->id).value());
  answer();
  answer();
  EXPECT_EQ(state(submitted->id), State::killed);
}

}  // namespace
}  // namespace troupe::actors
