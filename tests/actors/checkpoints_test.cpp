// Checkpoints on their way from nodes to the head, and an attempt that begins elsewhere: the newest
// first, only those of the attempt that counts, and an older one where the newest is lost.
#include "actors/bulk_words.hpp"
#include "actors/head/checkpoint_books.hpp"
#include "actors/head/stored_outputs.hpp"
#include "storage/dataset/folder_blocks.hpp"
#include "tests/actors/head_fixture.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CheckpointsTest : public HeadTest {
 protected:
  void SetUp() override {
    start_head();
    n1 = join("n1");
    folder = dir.path() + "/checkpoints";
    ASSERT_TRUE(make_dirs(folder));
  }
  void put_file(const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(replace_file(folder + "/" + name, bytes));
  }
  /// An experiment that runs on n1.
  JobOrder start(CheckpointRule rule = {}, bool given = false) {
    auto spec = spec_of();
    spec.retry = {3, milliseconds{0}};
    if (given) spec.checkpoints = rule;
    auto submitted = submit(spec);
    EXPECT_TRUE(submitted);
    EXPECT_EQ(n1->started.size(), 1u);
    auto order = n1->started.back();
    report_running(order);
    return order;
  }
  void tell(const JobOrder& order, std::vector<CheckpointSeen> seen,
            JobStep step = JobStep::running) {
    auto update = update_for(order, step);
    update.checkpoints = std::move(seen);
    if (step == JobStep::ended) update.has_exit = true, update.exit_code = 1;
    report(update);
  }
  /// Answers what nodes were asked for, as their workers would; what they were asked for.
  std::vector<std::string> answer(size_t rounds = 100) {
    std::vector<std::string> words;
    for (; rounds > 0 && !asked.empty(); --rounds) {
      for (auto& [node, question] : std::exchange(asked, {})) {
        const auto& request = question.request;
        bool whole = request.what == "checkpoint";
        auto name = whole ? request.path : request.path.substr(request.path.find('/') + 1);
        auto pack = dataset::FolderBlocks::pack_one(folder, name);
        EXPECT_TRUE(pack);
        words.push_back(whole ? name : "block");
        if (whole && !std::filesystem::exists(folder + "/" + name)) {
          question.done(Error{Errc::not_found, name + " is not there", "it was removed", ""});
          continue;
        }
        auto block = dataset::content_id_from(request.path.substr(0, 64));
        question.done(cluster::BulkAnswer{
            whole ? dataset::manifest_bytes((**pack).manifest()) : *(**pack).block(*block), {}});
      }
      run();
    }
    return words;
  }
  std::vector<std::string> kept(ExperimentId id) {
    std::vector<std::string> names;
    auto versions = kept_checkpoints(*ledger, id);
    EXPECT_TRUE(versions);
    for (const auto& version : *versions) names.push_back(version.checkpoint->name);
    return names;
  }

  std::shared_ptr<NodeProbe> n1;
  std::string folder;
};

TEST_F(CheckpointsTest, AreKeptTheNewestFirstWithWhatChangedAlone) {
  auto order = start();
  auto id = order.key.job.experiment;
  std::string weights;
  for (int i = 0; i < 3'000'000; ++i) weights += std::to_string(i);
  put_file("step-1", weights);
  weights.back() = '!';
  put_file("step-2", weights);
  tell(order, {{"step-1", 100}, {"step-2", 200}});
  auto words = answer();
  ASSERT_FALSE(words.empty());
  EXPECT_EQ(words.front(), "step-2");
  EXPECT_THAT(kept(id), ElementsAre("step-1", "step-2"));
  // Of the second one block alone is another one.
  auto at = std::find(words.begin(), words.end(), "step-1");
  EXPECT_EQ(std::distance(at, words.end()), 2);
  auto merged = all_checkpoints(*ledger, experiment(id));
  ASSERT_EQ(merged.size(), 2u);
  EXPECT_EQ(merged[1].mark.node, "n1");
  EXPECT_EQ(merged[1].bytes, weights.size());
  EXPECT_NE(merged[1].version, 0u);
  EXPECT_EQ((**newest_kept_checkpoint(*ledger, id)).checkpoint->name, "step-2");
  EXPECT_TRUE(asked.empty());
  // They are no dataset that people see, and files for people.
  EXPECT_TRUE(ledger->datasets(10)->versions.empty());
  auto files = StoredOutputs::open(*ledger, *context->data, id);
  ASSERT_TRUE(files);
  auto list = files->list("", 10);
  ASSERT_EQ(list.entries.size(), 2u);
  EXPECT_EQ(list.entries[0].path, "checkpoints/step-1");
  auto end = files->read("checkpoints/step-2", weights.size() - 5, 100);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->bytes, weights.substr(weights.size() - 5));
  auto across = files->read("checkpoints/step-2", 5'000'000, 9'000'000);
  ASSERT_TRUE(across);
  EXPECT_EQ(across->bytes, weights.substr(5'000'000, 9'000'000));
  EXPECT_EQ(files->read("rows.csv", 0, 9).error().code, Errc::not_found);
}

TEST_F(CheckpointsTest, ThoseOfAnAttemptThatWasReplacedAreRefused) {
  auto first = start();
  auto id = first.key.job.experiment;
  report_exit(first, 1);
  ASSERT_EQ(n1->started.size(), 2u);
  put_file("late", "x");
  tell(first, {{"late", 100}});
  EXPECT_TRUE(asked.empty());
  EXPECT_THAT(experiment(id).checkpoints, IsEmpty());
}

TEST_F(CheckpointsTest, TheNextAttemptOnTheSameNodeStartsAtOnce) {
  auto first = start();
  put_file("step-1", "x");
  tell(first, {{"step-1", 100}}, JobStep::ended);
  ASSERT_EQ(n1->started.size(), 2u);
  const auto& order = n1->started.back();
  ASSERT_EQ(order.resume.size(), 1u);
  EXPECT_EQ(order.resume[0].checkpoint.name, "step-1");
  EXPECT_EQ(order.resume[0].checkpoint.made_us, 100);
  EXPECT_EQ(order.resume[0].digest, "");
  auto update = update_for(order, JobStep::running);
  update.resumed = "step-1";
  report(update);
  EXPECT_EQ(experiment(order.key.job.experiment).attempts.back().resumed, "step-1");
}

class CheckpointsElsewhereTest : public CheckpointsTest {
 protected:
  /// Its first attempt ends on n1, which takes no more: the second one is placed on n2.
  JobOrder move(const JobOrder& first) {
    n2 = join("n2");
    schedule::NodeSpec full;
    full.name = "n1";
    full.milli_cpus = 4000;
    full.mem = 1;
    full.accepts = false;
    caf::anon_send(scheduler, node_atom_v, share(full));
    run();
    return first;
  }
  std::shared_ptr<NodeProbe> n2;
};

TEST_F(CheckpointsElsewhereTest, TheStartWaitsForTheNewestAndSaysSo) {
  auto first = move(start());
  auto id = first.key.job.experiment;
  put_file("step-1", "one");
  put_file("step-2", "two");
  tell(first, {{"step-1", 100}, {"step-2", 200}}, JobStep::ended);
  EXPECT_THAT(n2->started, IsEmpty());
  auto why = ask<WaitingRef>(director, why_atom_v, id);
  ASSERT_TRUE(why);
  ASSERT_EQ((**why).reasons.size(), 1u);
  EXPECT_THAT((**why).reasons[0], HasSubstr("step-2 is being packed on n1"));
  answer(2);  // the manifest and the block of the newest
  ASSERT_EQ(n2->started.size(), 1u);
  const auto& choices = n2->started[0].resume;
  ASSERT_EQ(choices.size(), 2u);
  EXPECT_EQ(choices[0].checkpoint.name, "step-2");
  EXPECT_EQ(choices[0].source, fmt::format("{}/checkpoints:1", to_string(id)));
  EXPECT_FALSE(choices[0].digest.empty());
}

TEST_F(CheckpointsElsewhereTest, AnOlderOneServesWhereTheNewestIsLost) {
  auto first = move(start());
  auto id = first.key.job.experiment;
  put_file("step-1", "one");
  tell(first, {{"step-1", 100}});
  answer();
  EXPECT_THAT(kept(id), ElementsAre("step-1"));
  tell(first, {{"step-1", 100}, {"step-2", 200}});
  asked.clear();  // n1 says nothing any more
  caf::anon_send(director, lost_atom_v, std::string{"n1"}, int64_t{0});
  run();
  ASSERT_EQ(n2->started.size(), 1u);
  const auto& choices = n2->started[0].resume;
  ASSERT_EQ(choices.size(), 2u);
  EXPECT_EQ(choices[0].digest, "");
  EXPECT_EQ(choices[1].checkpoint.name, "step-1");
  EXPECT_FALSE(choices[1].digest.empty());
  auto events = ledger->events(0, 100);
  ASSERT_TRUE(events);
  std::string causes;
  for (const auto& event : *events) causes += event.cause + "\n";
  EXPECT_THAT(causes, HasSubstr("step-2 cannot be had from n1"));
}

TEST_F(CheckpointsElsewhereTest, AKillEndsTheWait) {
  auto first = move(start());
  auto id = first.key.job.experiment;
  put_file("step-1", "one");
  tell(first, {{"step-1", 100}}, JobStep::ended);
  EXPECT_THAT(n2->started, IsEmpty());
  ASSERT_TRUE(kill(id));
  ASSERT_EQ(n2->started.size(), 1u);
  ASSERT_EQ(n2->stopped.size(), 1u);
  answer();
  EXPECT_EQ(n2->started.size(), 1u) << "and it is not ordered twice";
}

TEST_F(CheckpointsTest, TheRuleIsKeptAtTheHeadAndOnTheNode) {
  auto order = start({1, 1, Metric{true, "acc"}}, true);
  auto id = order.key.job.experiment;
  std::vector<CheckpointSeen> seen;
  auto blocks = [&] {
    size_t count = 0;
    EXPECT_TRUE(context->data->blocks().for_each([&](auto&&...) { ++count; }));
    return count;
  };
  double values[] = {0.5, 0.9, 0.7, 0.6};
  for (int step = 0; step < 4; ++step) {
    MetricBatch batch;
    batch.key = order.key;
    batch.source = "file";
    batch.from = static_cast<uint64_t>(step);
    batch.to = batch.from + 1;
    batch.points.push_back({"acc", {1.0}, {values[step]}, 1, batch.to});
    caf::anon_send(director, metrics_atom_v, batch);
    auto name = fmt::format("step-{}", step);
    put_file(name, name);
    seen.push_back({name, 100 + step});
    tell(order, seen);
    answer();
  }
  EXPECT_THAT(kept(id), ElementsAre("step-1", "step-3"));
  EXPECT_EQ(blocks(), 2u) << "what nothing names any more is gone at once";
  std::vector<std::string> dropped;
  for (const auto& drop : n1->dropped)
    for (const auto& one : drop.gone) dropped.push_back(one.name);
  std::sort(dropped.begin(), dropped.end());
  dropped.erase(std::unique(dropped.begin(), dropped.end()), dropped.end());
  EXPECT_THAT(dropped, ElementsAre("step-0", "step-2"));
}

TEST_F(CheckpointsTest, WithoutARuleNothingIsRemovedOnNodes) {
  auto order = start();
  std::vector<CheckpointSeen> seen;
  for (int step = 0; step < 5; ++step) {
    auto name = fmt::format("step-{}", step);
    put_file(name, name);
    seen.push_back({name, 100 + step});
    tell(order, seen);
    answer();
  }
  EXPECT_THAT(kept(order.key.job.experiment), ElementsAre("step-3", "step-4"));
  EXPECT_THAT(n1->dropped, IsEmpty());
}

/// Two nodes of a gang; each has its files in a folder of its own.
class ShardsTest : public CheckpointsTest {
 protected:
  void SetUp() override {
    CheckpointsTest::SetUp();
    n2 = join("n2");
    for (const char* node : {"n1", "n2"}) ASSERT_TRUE(make_dirs(folder_of(node) + "/step-1"));
  }
  std::string folder_of(const std::string& node) const { return folder + "/" + node; }
  void put_shard(const std::string& node, const std::string& file, const std::string& bytes) {
    ASSERT_TRUE(replace_file(folder_of(node) + "/step-1/" + file, bytes));
  }
  ExperimentId start_gang(bool shards) {
    auto spec = spec_of();
    spec.workers = {2, 2, 0};
    spec.resources.cpus = 4;
    spec.retry = {3, milliseconds{0}};
    spec.checkpoints = CheckpointRule{};
    spec.checkpoints->shards = shards;
    auto submitted = submit(spec);
    EXPECT_TRUE(submitted);
    for (const auto& node : {n1, n2}) {
      EXPECT_EQ(node->started.size(), 1u);
      report_running(node->started.back());
    }
    return n1->started.back().key.job.experiment;
  }
  NodeProbe& first() { return n1->started.back().key.job.index == 0 ? *n1 : *n2; }
  NodeProbe& second() { return n1->started.back().key.job.index == 0 ? *n2 : *n1; }
  void answer_all() {
    for (int rounds = 0; rounds < 20 && !asked.empty(); ++rounds) {
      for (auto& [node, question] : std::exchange(asked, {})) {
        const auto& request = question.request;
        bool whole = request.what == "checkpoint";
        auto pack = dataset::FolderBlocks::pack_one(folder_of(node), "step-1");
        ASSERT_TRUE(pack);
        auto id = dataset::content_id_from(request.path.substr(0, 64));
        auto block = whole ? Result<std::string>{""} : (**pack).block(*id);
        if (!block) {
          question.done(block.error());
          continue;
        }
        question.done(
            cluster::BulkAnswer{whole ? dataset::manifest_bytes((**pack).manifest()) : *block, {}});
      }
      run();
    }
  }

  std::shared_ptr<NodeProbe> n2;
};

TEST_F(ShardsTest, CountOnceAllAreThereAndEveryNodeGetsAll) {
  auto id = start_gang(true);
  put_shard("n1", "rank-0", "of one");
  put_shard("n2", "rank-1", "of two");
  tell(first().started.back(), {{"step-1", 100}});
  EXPECT_TRUE(asked.empty()) << "half of it is none";
  tell(second().started.back(), {{"step-1", 100}});  // clocks of kernels have ticks
  answer_all();
  EXPECT_THAT(kept(id), ElementsAre("step-1"));
  auto files = StoredOutputs::open(*ledger, *context->data, id);
  ASSERT_TRUE(files);
  EXPECT_EQ(files->read("checkpoints/step-1/rank-0", 0, 9)->bytes, "of one");
  EXPECT_EQ(files->read("checkpoints/step-1/rank-1", 0, 9)->bytes, "of two");
  auto again = experiment(id);
  EXPECT_EQ(nodes_text(again.checkpoints.at(0).mark).size(), std::string{"n1, n2"}.size());
  // What a node has by itself is not what it goes on from.
  auto update = update_for(first().started.back(), JobStep::ended);
  update.has_exit = true, update.exit_code = 1;
  report(update);
  report_exit(second().started.back(), 1);
  ASSERT_EQ(n1->started.size(), 2u);
  ASSERT_EQ(n1->started[1].resume.size(), 1u);
  EXPECT_EQ(n1->started[1].resume[0].checkpoint.made_us, -1);
  EXPECT_FALSE(n1->started[1].resume[0].digest.empty());
}

TEST_F(ShardsTest, ThatDoNotFitTogetherAreSaid) {
  auto id = start_gang(true);
  put_shard("n1", "weights", "of one");
  put_shard("n2", "weights", "of two");
  tell(first().started.back(), {{"step-1", 100}});
  tell(second().started.back(), {{"step-1", 101}});
  answer_all();
  EXPECT_THAT(kept(id), IsEmpty());
}

TEST_F(ShardsTest, ThatNobodyDeclaredAreSaid) {
  auto id = start_gang(false);
  tell(first().started.back(), {{"step-1", 100}});
  tell(second().started.back(), {{"step-1", 100}});
  auto said = [&] {
    std::string causes;
    auto events = ledger->events(0, 100);
    EXPECT_TRUE(events);
    for (const auto& event : *events) causes += event.cause + "\n";
    return causes.find("shards: true") != std::string::npos;
  };
  EXPECT_FALSE(said()) << "one folder that both nodes see";
  tell(second().started.back(), {{"step-1", 101}});
  EXPECT_TRUE(said());
  EXPECT_EQ(experiment(id).checkpoints.size(), 1u);
}

TEST_F(CheckpointsTest, ABrokenTransferGoesOnWithTheBlocksThatAreThere) {
  auto order = start();
  auto id = order.key.job.experiment;
  std::string weights;
  for (int i = 0; i < 6'000'000; ++i) weights += std::to_string(i);
  put_file("step-1", weights);
  tell(order, {{"step-1", 100}});
  auto first = answer(3);
  ASSERT_FALSE(asked.empty());
  for (auto& [node, question] : std::exchange(asked, {}))
    question.done(Error{Errc::unavailable, "node n1 is not here", "it was cut off", ""});
  run();
  EXPECT_THAT(kept(id), IsEmpty());
  tell(order, {{"step-1", 100}});  // it is here again
  auto second = answer();
  EXPECT_THAT(kept(id), ElementsAre("step-1"));
  auto pack = *dataset::FolderBlocks::pack_one(folder, "step-1");
  auto count = [](const std::vector<std::string>& words) {
    return static_cast<size_t>(std::count(words.begin(), words.end(), "block"));
  };
  EXPECT_EQ(count(first) + count(second), pack->manifest().blocks.size());
}

}  // namespace
}  // namespace troupe::actors
