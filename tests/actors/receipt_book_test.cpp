// What receipts say of nodes and links, with figures that are given.
#include "actors/head/receipt_book.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t mega = 1'000'000;

class Book : public ::testing::Test {
 protected:
  /// A ring of these nodes; the link of each to the next, in MB/s, 0: not measured.
  std::vector<ReceiptDrift> add(const std::vector<std::string>& names,
                                const std::vector<uint64_t>& links, uint64_t copy = 9000) {
    Receipt receipt;
    receipt.time = now;
    for (size_t i = 0; i < names.size(); ++i)
      receipt.nodes.push_back(
          {names[i], names[(i + 1) % names.size()], copy * mega, links[i] * mega, "", true});
    receipt.all_reduce = 500 * mega;
    return book.add({7, 0}, receipt, now);
  }
  void usual(const std::vector<std::string>& names, uint64_t link) {
    for (int i = 0; i < 5; ++i) add(names, std::vector<uint64_t>(names.size(), link));
  }
  void advance(std::chrono::microseconds by) { now.us += by.count(); }

  ReceiptBook book;
  Timestamp now{1'000'000};
};

TEST_F(Book, SaysNothingBeforeItKnowsWhatIsUsual) {
  for (int i = 0; i < 3; ++i) EXPECT_THAT(add({"a", "b"}, {1000, 1000}), IsEmpty());
  EXPECT_THAT(add({"a", "b"}, {10, 1000}), IsEmpty()) << "three figures are no habit";
  EXPECT_THAT(book.drifting(now), IsEmpty());
}

TEST_F(Book, NamesALinkBelowHalfOfItsMedian) {
  usual({"a", "b"}, 1100);
  EXPECT_THAT(add({"a", "b"}, {600, 1100}), IsEmpty()) << "more than half of it";
  auto drifts = add({"a", "b"}, {400, 1100});
  ASSERT_EQ(drifts.size(), 1u);
  EXPECT_EQ(drifts[0].text, "link a -> b 400 MB/s, usually 1.1 GB/s");
  EXPECT_THAT(drifts[0].nodes, ElementsAre("a", "b"));
  EXPECT_THAT(book.texts_of("b", now), ElementsAre(drifts[0].text));
  EXPECT_THAT(book.texts_of("c", now), IsEmpty());
}

TEST_F(Book, OneSlowFigureDoesNotChangeWhatIsUsual) {
  usual({"a", "b"}, 1000);
  add({"a", "b"}, {100, 1000});
  auto drifts = add({"a", "b"}, {100, 1000});
  ASSERT_EQ(drifts.size(), 1u);
  EXPECT_EQ(drifts[0].text, "link a -> b 100 MB/s, usually 1.0 GB/s");
}

TEST_F(Book, BothEndsAreAvoidedWhereNothingTellsThemApart) {
  usual({"a", "b"}, 1000);
  add({"a", "b"}, {100, 1000});
  EXPECT_THAT(book.drifting(now), ElementsAre("a", "b"));
}

TEST_F(Book, TheEndWithMoreSlowLinksIsAvoided) {
  usual({"a", "b"}, 1000);
  usual({"a", "c"}, 1000);
  add({"a", "b"}, {100, 100});
  add({"a", "c"}, {1000, 1000});
  EXPECT_THAT(book.drifting(now), ElementsAre("b"));
}

TEST_F(Book, ANodeWithSlowMemoryIsAvoided) {
  usual({"a", "b"}, 1000);
  Receipt receipt;
  receipt.nodes = {{"a", "b", 2000 * mega, 0, "", true}, {"b", "a", 9000 * mega, 0, "", true}};
  auto drifts = book.add({8, 0}, receipt, now);
  ASSERT_EQ(drifts.size(), 1u);
  EXPECT_EQ(drifts[0].text, "memory of a 2.0 GB/s, usually 9.0 GB/s");
  EXPECT_THAT(book.drifting(now), ElementsAre("a"));
}

TEST_F(Book, ForgivesWithTheNextGoodFigure) {
  usual({"a", "b"}, 1000);
  add({"a", "b"}, {100, 1000});
  add({"a", "b"}, {900, 1000});
  EXPECT_THAT(book.drifting(now), IsEmpty());
}

TEST_F(Book, ForgivesWhatNobodyHasSeenForAnHour) {
  usual({"a", "b"}, 1000);
  add({"a", "b"}, {100, 1000});
  advance(ReceiptBook::good_for);
  EXPECT_THAT(book.drifting(now), ElementsAre("a", "b"));
  advance(std::chrono::seconds{1});
  EXPECT_THAT(book.drifting(now), IsEmpty());
  EXPECT_THAT(book.texts_of("a", now), IsEmpty());
}

TEST_F(Book, OneStandsForItsNodesInAnyOrderForAnHour) {
  add({"b", "a"}, {1000, 1000});
  auto known = book.known({"a", "b"}, now);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->of, "7");
  EXPECT_EQ(known->nodes[0].node, "b");
  EXPECT_FALSE(book.known({"a", "c"}, now));
  EXPECT_FALSE(book.known({"a", "b", "c"}, now));
  advance(ReceiptBook::good_for);
  EXPECT_TRUE(book.known({"a", "b"}, now));
  advance(std::chrono::seconds{1});
  EXPECT_FALSE(book.known({"a", "b"}, now));
}

TEST_F(Book, OneThatFailedIsTriedAgainSooner) {
  Receipt receipt;
  receipt.nodes = {{"a", "b", 0, 0, "b did not come", true}, {"b", "a", 0, 0, "", true}};
  EXPECT_THAT(book.add({7, 0}, receipt, now), IsEmpty());
  EXPECT_TRUE(book.known({"a", "b"}, now));
  advance(ReceiptBook::bad_for + std::chrono::seconds{1});
  EXPECT_FALSE(book.known({"a", "b"}, now));
}

TEST_F(Book, IsBounded) {
  for (size_t i = 0; i < ReceiptBook::receipts_max + 10; ++i) {
    advance(std::chrono::microseconds{1});
    add({"a", "n" + std::to_string(i)}, {1000, 1000});
  }
  EXPECT_FALSE(book.known({"a", "n0"}, now)) << "the oldest went";
  EXPECT_TRUE(book.known({"a", "n" + std::to_string(ReceiptBook::receipts_max + 9)}, now));
}

TEST(RateText, ReadsAsPeopleSayIt) {
  EXPECT_EQ(rate_text(1'149'000'000), "1.1 GB/s");
  EXPECT_EQ(rate_text(400'000'000), "400 MB/s");
  EXPECT_EQ(rate_text(1'250'000), "1.2 MB/s");
  EXPECT_EQ(rate_text(0), "0.0 MB/s");
}

}  // namespace
}  // namespace troupe::actors
