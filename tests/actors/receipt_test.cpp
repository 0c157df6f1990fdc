// The placement receipt: what the head does about it, with figures that are given, and what a job
// does, without processes.
#include "actors/head/receipt_recall.hpp"
#include "actors/worker/receipt_rank.hpp"
#include "actors/worker/run_request.hpp"
#include "runtime/core/fd.hpp"
#include "tests/actors/node_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t mb = 1'000'000;

class HeadReceipt : public HeadTest {
 protected:
  void SetUp() override {
    receipts = std::make_shared<ReceiptBook>();
    start_head();
    a = join("a");
    b = join("b");
  }
  static ExperimentSpec gang(uint32_t workers = 2) {
    auto spec = spec_of();
    spec.workers.min = spec.workers.max = workers;
    spec.resources.cpus = 4;
    return spec;
  }
  static bool measures(const JobOrder& order) {
    return std::any_of(order.phases.begin(), order.phases.end(),
                       [](const Phase& phase) { return phase.receipt; });
  }
  /// It waits before the line with that number.
  void waits(const JobOrder& order, uint32_t line, std::vector<ReceiptPart> receipt = {}) {
    auto update = update_for(order, JobStep::phase_done);
    update.phase = line - 1;
    update.receipt = std::move(receipt);
    report(update);
  }
  static ReceiptPart part(uint64_t link, std::string error = {}) {
    if (!error.empty()) return {0, 0, 0, 0, std::move(error)};
    return {9000 * mb, link * mb, 700 * mb, 80'000, {}};
  }
  /// From the placement to the first line; the newest orders of both.
  void start(uint64_t top, ReceiptPart of_a, ReceiptPart of_b) {
    for (const auto& node : {a, b}) waits(orders(node, top).back(), 0);
    waits(orders(a, top).back(), 1, {std::move(of_a)});
    waits(orders(b, top).back(), 1, {std::move(of_b)});
  }
  void finish(uint64_t top) {
    for (const auto& node : {a, b}) report_exit(orders(node, top).back(), 0);
    ASSERT_EQ(state({top, 0}), State::finished);
  }
  Receipt receipt(uint64_t top) { return experiment({top, 0}).attempts.back().receipt; }

  std::shared_ptr<NodeProbe> a, b;
};

TEST_F(HeadReceipt, IsMadeBeforeTheFirstLineAndKept) {
  auto spec = gang();
  spec.setup = {Command{"prepare", {}}};
  ASSERT_TRUE(submit(spec));
  auto order = orders(a, 1).at(0);
  ASSERT_EQ(order.phases.size(), 3u);
  EXPECT_TRUE(order.phases[0].setup);
  EXPECT_TRUE(order.phases[1].receipt);
  EXPECT_FALSE(receipt(1).time);
  for (const auto& node : {a, b}) waits(orders(node, 1).at(0), 1);
  EXPECT_EQ(a->phases.back().second, 1u);
  waits(orders(a, 1).at(0), 2, {part(1100)});
  EXPECT_EQ(a->phases.back().second, 1u) << "the other has not measured yet";
  waits(orders(b, 1).at(0), 2, {part(1200)});
  EXPECT_EQ(a->phases.back().second, 2u);
  auto kept = receipt(1);
  EXPECT_TRUE(kept.time);
  ASSERT_EQ(kept.nodes.size(), 2u);
  EXPECT_EQ(kept.nodes[0], (ReceiptNode{"a", "b", 9000 * mb, 1100 * mb, "", true}));
  EXPECT_EQ(kept.nodes[1], (ReceiptNode{"b", "a", 9000 * mb, 1200 * mb, "", true}));
  EXPECT_EQ(kept.all_reduce, 700 * mb);
  EXPECT_EQ(kept.latency_ns, 80'000u);
  finish(1);
  stop_head();
  open_ledger();
  EXPECT_EQ(receipt(1), kept) << "it stays with the experiment";
}

TEST_F(HeadReceipt, IsNotMadeWhereNobodyWantsItOrOneNodeDoes) {
  auto spec = gang();
  spec.receipt = false;
  ASSERT_TRUE(submit(spec));
  EXPECT_FALSE(measures(orders(a, 1).at(0)));
  EXPECT_THAT(receipt(1).nodes, IsEmpty());
  finish(1);
  spec = gang();
  spec.resources.cpus = 2;
  ASSERT_TRUE(submit(spec));
  auto both = orders(a, 2).empty() ? orders(b, 2) : orders(a, 2);
  ASSERT_EQ(both.size(), 2u);
  EXPECT_FALSE(measures(both[0]));
}

TEST_F(HeadReceipt, StandsForTheSameNodesForAWhile) {
  ASSERT_TRUE(submit(gang()));
  start(1, part(1100), part(1100));
  finish(1);
  ASSERT_TRUE(submit(gang()));
  EXPECT_FALSE(measures(orders(a, 2).at(0)));
  EXPECT_EQ(receipt(2).of, "1");
  EXPECT_EQ(receipt(2).all_reduce, receipt(1).all_reduce);
  finish(2);
  advance(minutes{61});
  ASSERT_TRUE(submit(gang()));
  EXPECT_TRUE(measures(orders(a, 3).at(0)));
}

TEST_F(HeadReceipt, DoesNotHoldUpWhatStartsAgain) {
  auto spec = gang();
  spec.retry.count = 1;
  ASSERT_TRUE(submit(spec));
  start(1, part(1100), part(1100));
  auto c = join("c");
  report_exit(orders(a, 1).back(), 1);
  report_exit(orders(b, 1).back(), 1);
  advance(seconds{1});
  std::vector<JobOrder> again;
  for (const auto& node : {a, b, c})
    for (const auto& order : orders(node, 1))
      if (order.attempt == 2) again.push_back(order);
  ASSERT_EQ(again.size(), 2u);
  EXPECT_FALSE(measures(again[0]));
}

TEST_F(HeadReceipt, SaysWhoCouldNotBeMeasuredAndStartsAllTheSame) {
  ASSERT_TRUE(submit(gang()));
  start(1, part(0, "rank 1 did not come"), part(1100));
  EXPECT_EQ(a->phases.back().second, 1u);
  auto kept = receipt(1);
  EXPECT_TRUE(kept.time);
  EXPECT_FALSE(kept.measured());
  EXPECT_EQ(kept.nodes[0].error, "rank 1 did not come");
  finish(1);
}

TEST_F(HeadReceipt, IsLeftWhereItIsKilledMeanwhile) {
  ASSERT_TRUE(submit(gang()));
  for (const auto& node : {a, b}) waits(orders(node, 1).at(0), 0);
  ASSERT_TRUE(kill({1, 0}));
  EXPECT_EQ(a->stopped.size(), 1u);
  EXPECT_EQ(b->stopped.size(), 1u);
  for (const auto& node : {a, b}) {
    auto end = update_for(orders(node, 1).at(0), JobStep::ended);
    end.stopped = true;
    report(end);
  }
  EXPECT_EQ(state({1, 0}), State::killed);
}

TEST_F(HeadReceipt, GoesOnWithAHeadThatWasRestarted) {
  ASSERT_TRUE(submit(gang()));
  auto of_a = orders(a, 1).at(0), of_b = orders(b, 1).at(0);
  for (const auto& order : {of_a, of_b}) waits(order, 0);
  waits(of_a, 1, {part(1100)});
  advance(seconds{1});
  stop_head();
  receipts = std::make_shared<ReceiptBook>();
  start_head({"a", "b"});
  auto told = update_for(of_a, JobStep::phase_done);
  told.phase = 0;
  told.receipt = {part(1100)};
  auto waiting = update_for(of_b, JobStep::phase_done);
  waiting.phase = UINT32_MAX;
  a = join("a", 4000, {told});
  b = join("b", 4000, {waiting});
  waits(of_b, 1, {part(1200)});
  ASSERT_FALSE(a->phases.empty());
  EXPECT_EQ(a->phases.back().second, 1u);
  EXPECT_TRUE(receipt(1).measured());
  EXPECT_EQ(receipt(1).nodes[1].link, 1200 * mb);
}

/// What stands in the events of nodes.
std::vector<std::string> causes_of(const storage::Ledger& ledger, const std::string& node) {
  std::vector<std::string> causes;
  auto page = ledger.events(0, 1000);
  if (page)
    for (const auto& event : *page)
      if (event.kind == "node" && event.subject == node) causes.push_back(event.cause);
  return causes;
}

TEST_F(HeadReceipt, OthersAreTakenBeforeNodesWithASlowLink) {
  for (uint64_t top = 1; top <= 6; ++top) {
    ASSERT_TRUE(submit(gang()));
    start(top, part(top == 6 ? 300 : 1100), part(1100));
    finish(top);
    if (top != 6) advance(minutes{61});
  }
  EXPECT_THAT(receipt(6).notes, ElementsAre("link a -> b 300 MB/s, usually 1.1 GB/s"));
  EXPECT_THAT(causes_of(*ledger, "a"), Contains(HasSubstr("link a -> b 300 MB/s")));
  EXPECT_THAT(causes_of(*ledger, "b"), Contains(HasSubstr("link a -> b 300 MB/s")));
  auto c = join("c"), d = join("d");
  ASSERT_TRUE(submit(gang()));
  EXPECT_EQ(orders(c, 7).size(), 1u);
  EXPECT_EQ(orders(d, 7).size(), 1u);
  ASSERT_TRUE(submit(gang()));
  EXPECT_EQ(orders(a, 8).size(), 1u) << "they are not shut out";
}

TEST_F(HeadReceipt, AreRememberedByAHeadThatWasRestarted) {
  for (uint64_t top = 1; top <= 6; ++top) {
    ASSERT_TRUE(submit(gang()));
    start(top, part(top == 6 ? 300 : 1100), part(1100));
    finish(top);
    if (top != 6) advance(minutes{61});
  }
  stop_head();
  advance(minutes{1});
  open_ledger();
  receipts = recall_receipts(*ledger);
  start_head();
  a = join("a"), b = join("b");
  ASSERT_TRUE(submit(gang()));
  ASSERT_EQ(orders(a, 7).size(), 1u);
  EXPECT_FALSE(measures(orders(a, 7)[0])) << "a minute ago they were";
  EXPECT_EQ(receipt(7).of, "6");
  for (const auto& node : {a, b}) report_exit(orders(node, 7).back(), 0);
  auto c = join("c"), d = join("d");
  ASSERT_TRUE(submit(gang()));
  EXPECT_EQ(orders(c, 8).size(), 1u) << "the link of the others is slow, as it was";
  EXPECT_EQ(orders(d, 8).size(), 1u);
}

TEST(ReceiptRank, PlacesEachNodeOnce) {
  JobOrder order;
  order.hosts = {{"a", "", 0}, {"b", "", 0}, {"a", "", 0}, {"c", "", 0}};
  auto at = [&](uint32_t job) {
    order.node_rank = job;
    return receipt_place(order);
  };
  EXPECT_TRUE(at(0).measures);
  EXPECT_EQ(at(1).rank, 1u);
  EXPECT_FALSE(at(2).measures) << "the first job of its node does";
  EXPECT_EQ(at(3).rank, 2u);
  EXPECT_EQ(at(3).size, 3u);
}

TEST(ReceiptRank, WhatItWritesIsReadBack) {
  ReceiptPart part{1, 2, 3, 4, "why: \"quoted\""};
  auto back = parse_receipt(receipt_text(part));
  ASSERT_TRUE(back) << to_string(back.error());
  EXPECT_EQ(std::tie(back->copy, back->link, back->all_reduce, back->latency_ns, back->error),
            std::tie(part.copy, part.link, part.all_reduce, part.latency_ns, part.error));
  EXPECT_FALSE(parse_receipt("{\"copy\": -1}"));
  EXPECT_FALSE(parse_receipt("{"));
}

class NodeReceipt : public NodeTest {
 protected:
  void begin(std::vector<LaunchHost> hosts = {{"a", "", 0}, {"b", "", 0}}) {
    start();
    order.key = JobKey{JobId{{42, 0}, "worker", 0}, 7};
    order.phases = {{{}, false, true}, {{"train"}, false}};
    order.hosts = std::move(hosts);
    order.nodes = order.world_size = static_cast<uint32_t>(order.hosts.size());
    order.token = "tj_secret";
    tell(order);
    go(0);
  }
  void go(uint32_t line) {
    caf::anon_send(node, phase_atom_v, order.key, PhaseStart{line, {0, 0}});
    run();
  }
  void end_run(int32_t code, int32_t signal = 0) {
    launcher->end(launcher->started.back().key, code, signal);
    run();
  }

  JobOrder order;
};

TEST_F(NodeReceipt, IsOneProcessWhoseFindingsTheHeadHears) {
  begin();
  ASSERT_EQ(launcher->started.size(), 1u);
  ASSERT_EQ(launcher->started[0].processes.size(), 1u);
  const auto& process = launcher->started[0].processes[0];
  ASSERT_EQ(process.argv.size(), 3u);
  EXPECT_EQ(process.argv[1], "receipt-rank");
  EXPECT_THAT(process.env, Contains("RANK=0"));
  EXPECT_THAT(process.env, Contains("WORLD_SIZE=2"));
  EXPECT_THAT(process.env, Contains("TROUPE_COMM_TRANSPORT=tcp"));
  EXPECT_NE(updates->back().step, JobStep::running) << "nothing of the user's runs yet";
  ASSERT_TRUE(replace_file(process.argv[2], receipt_text({1, 2, 3, 4, ""}), 0600, false));
  end_run(0);
  EXPECT_FALSE(read_file(process.argv[2])) << "the job finds its scratch folder empty";
  EXPECT_EQ(updates->back().step, JobStep::phase_done);
  EXPECT_EQ(updates->back().phase, 0u);
  ASSERT_EQ(updates->back().receipt.size(), 1u);
  EXPECT_EQ(updates->back().receipt[0].link, 2u);
  go(1);
  ASSERT_EQ(launcher->started.size(), 2u);
  EXPECT_THAT(launcher->started[1].processes[0].argv, ElementsAre("train"));
}

TEST_F(NodeReceipt, ThatFailsSaysWhyAndTheJobGoesOn) {
  begin();
  end_run(0, 14);
  EXPECT_EQ(updates->back().step, JobStep::phase_done);
  ASSERT_EQ(updates->back().receipt.size(), 1u);
  EXPECT_THAT(updates->back().receipt[0].error, HasSubstr("signal 14"));
  go(1);
  EXPECT_EQ(launcher->started.size(), 2u);
}

TEST_F(NodeReceipt, IsLeftToTheFirstJobOfANode) {
  order.node_rank = 1;
  begin({{"a", "", 0}, {"a", "", 0}, {"b", "", 0}});
  EXPECT_THAT(launcher->started, IsEmpty());
  EXPECT_EQ(updates->back().step, JobStep::phase_done);
  EXPECT_EQ(updates->back().phase, 0u);
}

TEST_F(NodeReceipt, EndsWithItsJob) {
  begin();
  caf::anon_send(node, stop_atom_v, order.key, uint32_t{5000});
  run();
  ASSERT_EQ(launcher->stopped.size(), 1u);
  EXPECT_EQ(updates->back().step, JobStep::ended);
  EXPECT_TRUE(updates->back().stopped);
}

}  // namespace
}  // namespace troupe::actors
