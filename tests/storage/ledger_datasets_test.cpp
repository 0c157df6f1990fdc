#include "tests/storage/storage_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

DatasetVersion version_of(const std::string& name, uint32_t number) {
  DatasetVersion version;
  version.name = name;
  version.version = number;
  version.digest = std::string(64, static_cast<char>('0' + number % 10));
  version.bytes = 1000 * number;
  version.payload = 4096 * number;
  version.files = 7;
  version.records = 70'000;
  version.blocks = 3;
  version.user = "ada";
  version.created = {1'700'000'000'000'001};
  version.source = "/data/" + name;
  version.from = "41";
  return version;
}

class LedgerDatasets : public ::testing::Test {
 protected:
  void commit(std::vector<Mutation> mutations) {
    auto committed = ledger->commit(mutations);
    ASSERT_TRUE(committed) << to_string(committed.error());
  }
  /// The number that a reference stands for; 0: none.
  uint32_t number(const std::string& name, const std::string& which) {
    auto found = ledger->dataset(name, which);
    EXPECT_TRUE(found);
    return found && *found ? (**found).version : 0;
  }
  TempDir dir;
  std::unique_ptr<Ledger> ledger = open_ledger(dir.path());
};

TEST_F(LedgerDatasets, KeepEveryFieldAcrossAReopening) {
  commit({PutDataset{version_of("digits", 1)}});
  ledger.reset();
  ledger = open_ledger(dir.path());
  auto read = ledger->dataset("digits", "1");
  ASSERT_TRUE(read && *read);
  EXPECT_EQ(**read, version_of("digits", 1));
}

TEST_F(LedgerDatasets, KeepWhichCheckpointOneIs) {
  auto version = version_of("41.2/checkpoints", 1);
  version.checkpoint =
      CheckpointMark{"step-9", (3ull << 32) + 7, 2, {1'700'000'000'000'005}, "n1", 0.25, {}};
  auto without = version_of("41.2/checkpoints", 2);
  without.checkpoint = CheckpointMark{"step-10", 8, 2, {1}, "n2", std::nullopt, {{"n3", {2}}}};
  commit({PutDataset{version}, PutDataset{without}});
  ledger.reset();
  ledger = open_ledger(dir.path());
  EXPECT_EQ(**ledger->dataset("41.2/checkpoints", "1"), version);
  EXPECT_EQ(**ledger->dataset("41.2/checkpoints", "2"), without);
}

TEST_F(LedgerDatasets, AreFoundByNumberTagAndAge) {
  commit({PutDataset{version_of("digits", 1)}, PutDataset{version_of("digits", 2)},
          PutDataset{version_of("digits", 10)}, PutTag{"digits", "clean", 2}});
  EXPECT_EQ(number("digits", ""), 10u);
  EXPECT_EQ(number("digits", "1"), 1u);
  EXPECT_EQ(number("digits", "clean"), 2u);
  EXPECT_EQ(number("digits", "3"), 0u);
  EXPECT_EQ(number("digits", "dirty"), 0u);
  EXPECT_EQ(number("digit", ""), 0u);
  EXPECT_EQ(number("digits2", ""), 0u);
}

TEST_F(LedgerDatasets, ATagMovesAndGoes) {
  commit({PutDataset{version_of("a", 1)}, PutDataset{version_of("a", 2)}, PutTag{"a", "best", 1},
          PutTag{"a", "bests", 2}});
  commit({PutTag{"a", "best", 2}});
  EXPECT_EQ(number("a", "best"), 2u);
  EXPECT_THAT(*ledger->dataset_tags("a"), ElementsAre(Pair("best", 2u), Pair("bests", 2u)));
  commit({PutTag{"a", "best", 0}});
  EXPECT_THAT(*ledger->dataset_tags("a"), ElementsAre(Pair("bests", 2u)));
}

TEST_F(LedgerDatasets, WhatIsDroppedTakesItsTagsAlongAndKeepsItsNumber) {
  commit({PutDataset{version_of("a", 1)}, PutDataset{version_of("a", 2)}, PutTag{"a", "x", 2},
          PutTag{"a", "y", 1}, PutTag{"a", "z", 2}});
  commit({DropDataset{"a", 2}});
  EXPECT_EQ(number("a", ""), 1u);
  EXPECT_THAT(*ledger->dataset_tags("a"), ElementsAre(Pair("y", 1u)));
  EXPECT_EQ(*ledger->dataset_highest("a"), 2u);
  commit({DropDataset{"a", 1}});
  EXPECT_EQ(number("a", ""), 0u);
  EXPECT_THAT(*ledger->dataset_versions("a"), IsEmpty());
  EXPECT_THAT(ledger->datasets(10)->versions, IsEmpty());
  EXPECT_EQ(*ledger->dataset_highest("a"), 2u);
}

TEST_F(LedgerDatasets, AreListedByNamePageByPage) {
  for (const auto* name : {"zebra", "ab", "abc", "b", "a"})
    commit({PutDataset{version_of(name, 1)}, PutDataset{version_of(name, 2)}});
  std::vector<std::string> names;
  std::string token;
  do {
    auto page = ledger->datasets(2, token);
    ASSERT_TRUE(page);
    EXPECT_LE(page->versions.size(), 2u);
    for (const auto& version : page->versions) {
      EXPECT_EQ(version.version, 2u);
      names.push_back(version.name);
    }
    token = page->next_page_token;
  } while (!token.empty());
  EXPECT_THAT(names, ElementsAre("a", "ab", "abc", "b", "zebra"));
  auto versions = *ledger->dataset_versions("ab");
  ASSERT_EQ(versions.size(), 2u);
  EXPECT_EQ(versions[0].version, 2u);
  EXPECT_EQ(versions[1], version_of("ab", 1));
}

}  // namespace
}  // namespace troupe::storage
