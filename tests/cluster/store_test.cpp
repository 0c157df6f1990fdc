// What lies on disks: counted, checked, mended, removed when nothing needs it, whoever is killed.
#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"
#include "storage/dataset/seal_stamp.hpp"
#include "tests/cluster/many.hpp"
#include "tests/temp_dir.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

namespace troupe::cluster {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

/// No two blocks of it alike, nor of another seed.
std::string random_bytes_of(size_t count, uint64_t seed) {
  std::string text;
  for (uint64_t x = seed * 2 + 1; text.size() < count;
       x = x * 6364136223846793005u + 1442695040888963407u)
    text += std::to_string(x);
  text.resize(count);
  return text;
}

void make_folder(const std::string& folder, uint64_t seed, size_t bytes = 3u << 20) {
  fs::create_directories(folder + "/sub");
  std::ofstream{folder + "/prices.csv"} << "day,price\nmonday,3\n";
  std::ofstream{folder + "/sub/large"} << random_bytes_of(bytes, seed);
}

std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator{folder})
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// Changes a byte, as a disk does that forgets.
void damage(const std::string& path, uint64_t offset) {
  fs::permissions(path, fs::perms::owner_write, fs::perm_options::add);
  std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
  file.seekg(static_cast<std::streamoff>(offset));
  auto byte = static_cast<char>(file.get() ^ 1);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(byte);
}

Value json_of(const Output& output) {
  auto value = parse_json(output.out);
  EXPECT_TRUE(value) << output.out << output.err;
  return value.value_or(Value{});
}

TEST(Store, DamageIsNamedAndMendedFromANode) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  make_folder(many.path("data"), 1);
  ASSERT_EQ(many.cli({"data", "push", "prices", many.path("data")}).code, 0);
  ASSERT_EQ(many.cli({"data", "warm", "prices"}).code, 0);
  auto well = many.cli({"data", "fsck", "--nodes"});
  EXPECT_EQ(well.code, 0) << well.err << well.out;
  EXPECT_THAT(well.err, HasSubstr("1 versions on nodes"));
  EXPECT_THAT(well.err, HasSubstr("all is well"));

  auto blocks = files_below(many.dir() + "/data/blocks");
  ASSERT_GE(blocks.size(), 3u);
  damage(blocks[0], 100);
  fs::remove(blocks[1]);
  auto bad = many.cli({"data", "fsck"});
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.out, HasSubstr("its bytes have another digest"));
  EXPECT_THAT(bad.out, HasSubstr("it is missing"));
  EXPECT_THAT(bad.out, HasSubstr("hurts prices:1"));
  EXPECT_THAT(bad.out, HasSubstr("sub/large"));
  EXPECT_THAT(bad.err, HasSubstr("2 damaged"));
  auto mended = many.cli({"data", "fsck", "--repair"});
  EXPECT_EQ(mended.code, 0) << mended.err << mended.out;
  EXPECT_THAT(mended.out, HasSubstr("fetched again from node w1"));
  EXPECT_EQ(many.cli({"data", "fsck"}).code, 0);

  // The list of what it is made of, too.
  auto manifests = files_below(many.dir() + "/data/manifests");
  ASSERT_EQ(manifests.size(), 1u);
  damage(manifests[0], 40);
  auto json = many.cli({"data", "fsck", "-o", "json"});
  EXPECT_EQ(json.code, 1);
  const auto problems = json_of(json).find("problems")->as_list();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(text_of(problems[0], "kind"), "manifest");
  EXPECT_EQ(problems[0].find("versions")->as_list().at(0).as_string(), "prices:1");
  EXPECT_EQ(many.cli({"data", "fsck", "--repair"}).code, 0);
  ASSERT_EQ(many.cli({"data", "get", "prices", many.path("got")}).code, 0);
  EXPECT_EQ(read_file(many.path("got") + "/sub/large").value_or(""),
            read_file(many.path("data") + "/sub/large").value_or("?"));
}

TEST(Store, WhatNobodyElseHasIsMovedAsideAndPushedAgain) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  make_folder(up.path("data"), 1);
  ASSERT_EQ(up.cli({"data", "push", "prices", up.path("data")}).code, 0);
  damage(files_below(up.dir() + "/data/blocks")[0], 100);
  auto lost = up.cli({"data", "fsck", "--repair"});
  EXPECT_EQ(lost.code, 1);
  EXPECT_THAT(lost.out, HasSubstr("moved aside: push the same data again"));
  auto still = up.cli({"data", "fsck"});
  EXPECT_EQ(still.code, 1);
  EXPECT_THAT(still.out, HasSubstr("it is missing"));
  auto again = up.cli({"data", "push", "prices", up.path("data")});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("prices:1"));
  EXPECT_EQ(up.cli({"data", "fsck"}).code, 0);
  // The same with the list of its blocks; while it is away, no block goes for want of a name.
  damage(files_below(up.dir() + "/data/manifests")[0], 40);
  EXPECT_EQ(up.cli({"data", "fsck", "--repair"}).code, 1);
  auto kept = up.cli({"data", "gc", "--older-than", "0s"});
  EXPECT_THAT(kept.err, HasSubstr("blocks stay: the manifest"));
  again = up.cli({"data", "push", "prices", up.path("data")});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("prices:1"));
  EXPECT_EQ(up.cli({"data", "fsck"}).code, 0);
}

TEST(Store, ANodeThatFindsDamageFetchesAgain) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  make_folder(many.path("data"), 1);
  ASSERT_EQ(many.cli({"data", "push", "prices", many.path("data")}).code, 0);
  ASSERT_EQ(many.cli({"data", "warm", "prices"}).code, 0);
  auto shown = many.cli({"data", "show", "prices", "-o", "json"});
  auto digest = text_of(json_of(shown), "digest");
  dataset::SealedPaths sealed{many.path("w1") + "/cache/" + digest};
  ASSERT_TRUE(fs::exists(sealed.blocks())) << sealed.folder;
  damage(sealed.blocks(), fs::file_size(sealed.blocks()) / 2);
  // No time of a file tells it.
  ASSERT_TRUE(dataset::note_verified(sealed));
  auto found = many.cli({"data", "fsck", "--nodes"});
  EXPECT_THAT(found.out, HasSubstr("on node w1: 1 of its blocks: sub/large"));
  EXPECT_THAT(found.out, HasSubstr("it is fetched again"));
  Output well;
  EXPECT_TRUE(await([&] {
    well = many.cli({"data", "fsck", "--nodes"});
    return well.code == 0 && well.err.find("1 versions on nodes") != std::string::npos &&
           well.out.empty();
  })) << well.out
      << well.err;
  auto ran = many.cli({"run", "--no-code", "--data", "prices", "--", "sh", "-c",
                       "cksum < $TROUPE_DATA_PRICES/sub/large"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  auto direct = many.cli(
      {"run", "--no-code", "--", "sh", "-c", "cksum < " + many.path("data") + "/sub/large"});
  EXPECT_EQ(ran.out.substr(2), direct.out.substr(2)) << "behind their ids";
}

TEST(Store, WhatCameOfABrokenFillGoesAfterADay) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  // Left there by workers that were killed: one long ago, one just now.
  const std::string old(64, 'a'), young(64, 'b');
  const auto cache = many.path("w1") + "/cache/";
  for (const auto& digest : {old, young}) {
    fs::create_directories(cache + digest + ".fill");
    std::ofstream{cache + digest + ".fill/blocks.mdb"} << std::string(100'000, 'x');
  }
  fs::last_write_time(cache + old + ".fill/blocks.mdb",
                      fs::file_time_type::clock::now() - std::chrono::hours{25});
  ASSERT_TRUE(many.start_worker("w1"));
  EXPECT_TRUE(await([&] { return !fs::exists(cache + old + ".fill"); }));
  EXPECT_TRUE(fs::exists(cache + young + ".fill"));
  fs::last_write_time(cache + young + ".fill/blocks.mdb",
                      fs::file_time_type::clock::now() - std::chrono::hours{25});
  many.kill_worker("w1");
  ASSERT_TRUE(many.start_worker("w1"));
  EXPECT_TRUE(await([&] { return !fs::exists(cache + young + ".fill"); }));
}

class StoreOfUp : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(up.start()); }
  void push(const std::string& name, uint64_t seed, size_t bytes = 3u << 20) {
    make_folder(up.path(name), seed, bytes);
    auto pushed = up.cli({"data", "push", name, up.path(name)});
    ASSERT_EQ(pushed.code, 0) << pushed.err;
  }
  size_t blocks() { return files_below(up.dir() + "/data/blocks").size(); }
  UpProcess up;
};

TEST_F(StoreOfUp, WhatNothingNamesGoes) {
  push("prices", 1);
  make_folder(up.path("prices"), 2);
  ASSERT_EQ(up.cli({"data", "push", "prices", up.path("prices")}).code, 0);
  push("other", 1);
  const auto before = blocks();
  ASSERT_EQ(up.cli({"data", "rm", "prices:2"}).code, 0);
  auto young = up.cli({"data", "gc"});
  EXPECT_EQ(young.code, 0) << young.err;
  EXPECT_THAT(young.err, HasSubstr("0 B freed")) << "it may belong to a push";
  auto dry = up.cli({"data", "gc", "--older-than", "0s", "--dry-run"});
  EXPECT_THAT(dry.out, HasSubstr("no version has them"));
  EXPECT_THAT(dry.err, HasSubstr("would be freed"));
  EXPECT_EQ(blocks(), before);
  auto done = up.cli({"gc", "--older-than", "0s", "-o", "json"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_GT(number_of(json_of(done), "freed"), 2 << 20);
  EXPECT_LT(blocks(), before);
  EXPECT_EQ(up.cli({"data", "fsck"}).code, 0) << "what is shared has stayed";
  ASSERT_EQ(up.cli({"data", "rm", "prices:1"}).code, 0);
  ASSERT_EQ(up.cli({"data", "gc", "--older-than", "0s"}).code, 0);
  EXPECT_EQ(up.cli({"data", "fsck"}).code, 0);
  EXPECT_EQ(up.cli({"data", "get", "other", up.path("got")}).code, 0);
  auto wrong = up.cli({"data", "gc", "--older-than", "3"});
  EXPECT_EQ(wrong.code, 2) << wrong.err;
}

TEST_F(StoreOfUp, SharedBytesCountOnce) {
  push("prices", 1);
  std::ofstream{up.path("prices") + "/more"} << random_bytes_of(1u << 20, 9);
  ASSERT_EQ(up.cli({"data", "push", "prices", up.path("prices")}).code, 0);
  ASSERT_EQ(up.cli({"run", "--no-code", "--", "sh", "-c",
                    "head -c 100000 /dev/zero > $TROUPE_OUTPUT/model; "
                    "head -c 50000 /dev/zero > $TROUPE_CHECKPOINTS/step; echo a line"})
                .code,
            0);
  auto use = json_of(up.cli({"data", "du", "-o", "json"}));
  const auto& versions = use.find("datasets")->as_list();
  ASSERT_EQ(versions.size(), 2u);
  int64_t all = 0, own = 0, largest = 0;
  for (const auto& version : versions) {
    all += number_of(version, "bytes");
    own += number_of(version, "own");
    largest = std::max(largest, number_of(version, "bytes"));
  }
  EXPECT_LT(number_of(use, "data"), all);
  EXPECT_GE(number_of(use, "data"), largest);
  EXPECT_LT(own, 2 << 20);
  EXPECT_EQ(number_of(use, "unused"), 0);
  const auto& experiments = use.find("experiments")->as_list();
  ASSERT_EQ(experiments.size(), 1u);
  EXPECT_EQ(text_of(experiments[0], "id"), "1");
  EXPECT_GE(number_of(experiments[0], "outputs"), 100'000);
  EXPECT_LT(number_of(experiments[0], "outputs"), 120'000);
  EXPECT_GE(number_of(experiments[0], "checkpoints"), 50'000);
  EXPECT_GT(number_of(experiments[0], "logs"), 0);
  auto text = up.cli({"data", "du"});
  EXPECT_THAT(text.out, HasSubstr("prices:2"));
  EXPECT_THAT(text.out, HasSubstr("nodes"));
  EXPECT_THAT(up.cli({"data", "du", "--head-only"}).out, Not(HasSubstr("nodes")));
}

TEST_F(StoreOfUp, AKillInTheMiddleOfACollectionLeavesItForTheNext) {
  push("stays", 1, 2u << 20);
  const auto kept = blocks();
  for (int round = 0; round < 4; ++round) {
    push("goes", 10 + static_cast<uint64_t>(round), 40u << 20);
    ASSERT_EQ(up.cli({"data", "rm", fmt::format("goes:{}", round + 1)}).code, 0);
    const auto before = blocks();
    auto child = up.cli_child({"data", "gc", "--older-than", "0s"}, "gc");
    // At another place each time; in the first rounds before anything has gone, or just then.
    if (round >= 2) {
      ASSERT_TRUE(await([&] { return blocks() < before || !is_alive(child.pid()); }));
    }
    up.kill9();
    child.kill_and_reap();
    ASSERT_TRUE(up.start());
    auto well = up.cli({"data", "fsck"});
    EXPECT_EQ(well.code, 0) << well.out << well.err;
    ASSERT_EQ(up.cli({"data", "gc", "--older-than", "0s"}).code, 0);
    EXPECT_EQ(blocks(), kept);
  }
  EXPECT_EQ(up.cli({"data", "get", "stays", up.path("got")}).code, 0);
  EXPECT_TRUE(fs::is_empty(up.dir() + "/data/blocks/unfinished"));
}

TEST_F(StoreOfUp, ACollectionBesidePushesHurtsNone) {
  push("prices", 1);
  for (uint64_t round = 0; round < 3; ++round) {
    make_folder(up.path("next"), 20 + round, 30u << 20);
    auto child = up.cli_child({"data", "push", "next", up.path("next")}, "push");
    int code = -1;
    while ((code = child.wait(1ms)) == -1)
      ASSERT_EQ(up.cli({"data", "gc", "--older-than", "2s"}).code, 0);
    EXPECT_EQ(code, 0) << up.read("push.err");
  }
  EXPECT_EQ(up.cli({"data", "fsck"}).code, 0);
}

TEST(Retention, OutputsGoByTheRulesAndSayWhy) {
  TempDir config;
  std::ofstream{config.path() + "/head.yaml"} << "retention:\n"
                                                 "  every: 0s\n"
                                                 "  copies: 0s\n"
                                                 "  outputs: {keep_last: 2}\n";
  ManyMachines many{{"--config", config.path() + "/head.yaml"}};
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  auto run = [&](std::vector<std::string> options, const std::string& shell) {
    options.insert(options.begin(), {"--project", "p"});
    return many.run_shell(options, shell);
  };
  const std::string writes = "head -c 200000 /dev/urandom > $TROUPE_OUTPUT/model";
  ASSERT_EQ(run({"--label", "keep=yes"}, writes).code, 0);
  for (int i = 0; i < 2; ++i) ASSERT_EQ(run({}, writes).code, 0);
  // 2 becomes a dataset; 3 is read by one that has ended.
  ASSERT_EQ(many.cli({"data", "push", "features", "--from", "2/out"}).code, 0);
  ASSERT_EQ(run({"--data", "3/out"}, "wc -c < $TROUPE_DATA/out-3/model").code, 0);
  for (int i = 0; i < 2; ++i) ASSERT_EQ(run({}, writes).code, 0);  // 5 and 6

  auto dry = many.cli({"gc", "--dry-run"});
  EXPECT_THAT(dry.out, HasSubstr("outputs\t3\tw1\t"));
  EXPECT_THAT(dry.out, HasSubstr("not among the last 2 of its project"));
  EXPECT_THAT(dry.out, HasSubstr("copy\t3/out\t"));
  for (const auto* other : {"outputs\t1", "outputs\t2", "outputs\t5", "outputs\t6"})
    EXPECT_THAT(dry.out, Not(HasSubstr(other)));
  EXPECT_EQ(many.cli({"out", "ls", "3"}).code, 0) << "a dry run removes nothing";

  auto done = many.cli({"gc", "--older-than", "0s"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("outputs\t3\tw1\t"));
  for (const auto* id : {"1", "2", "5", "6"})
    EXPECT_THAT(many.cli({"out", "ls", id}).out, HasSubstr("model")) << id;
  auto gone = many.cli({"out", "ls", "3"});
  EXPECT_EQ(gone.code, 3) << gone.out;
  EXPECT_THAT(gone.err, HasSubstr("the outputs of 3 were removed"));
  EXPECT_THAT(gone.err, HasSubstr("not among the last 2"));
  auto refused = run({"--data", "3/out"}, "true");
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.err, HasSubstr("the outputs of 3 were removed"));
  EXPECT_EQ(many.cli({"data", "fsck"}).code, 0);
  ASSERT_EQ(many.cli({"data", "get", "features", many.path("got")}).code, 0);
  EXPECT_EQ(fs::file_size(many.path("got") + "/model"), 200'000u);
  EXPECT_THAT(many.cli({"gc"}).out, Not(HasSubstr("outputs")));
}

TEST(Retention, WhatIsReadStaysAndTheHeadAppliesTheRulesItself) {
  TempDir config;
  std::ofstream{config.path() + "/head.yaml"} << "retention:\n"
                                                 "  every: 1s\n"
                                                 "  outputs: {age: 1ms}\n";
  ManyMachines many{{"--config", config.path() + "/head.yaml"}};
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  auto writer = many.submit_shell(
      "until test -e " + many.path("go") + "; do sleep 0.02; done; echo x > $TROUPE_OUTPUT/result",
      "");
  auto reader = many.submit_shell(
      "cat $TROUPE_DATA/out-1/result; until test -e " + many.path("end") + "; do sleep 0.02; done",
      fmt::format(R"(,"data":["{}/out"],"after":["{}"])", writer, writer));
  std::ofstream{many.path("go")};
  ASSERT_TRUE(many.await_state(reader, "RUNNING"));
  auto other = many.submit_shell("echo y > $TROUPE_OUTPUT/result", "");
  ASSERT_EQ(many.await_end(other), "FINISHED");
  EXPECT_TRUE(await([&] { return many.cli({"out", "ls", other}).code == 3; }));
  EXPECT_THAT(many.cli({"out", "ls", writer}).out, HasSubstr("result"));
  std::ofstream{many.path("end")};
  ASSERT_EQ(many.await_end(reader), "FINISHED");
  EXPECT_TRUE(await([&] { return many.cli({"out", "ls", writer}).code == 3; }));
}

TEST(Retention, AKillBetweenTheNoteAndTheRemovalIsMadeGood) {
  TempDir config;
  std::ofstream{config.path() + "/head.yaml"} << "retention: {every: 0s, outputs: {age: 1ms}}\n";
  ManyMachines many{{"--config", config.path() + "/head.yaml"}};
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  for (int i = 0; i < 12; ++i)
    many.submit_shell("for i in $(seq 200); do echo $i > $TROUPE_OUTPUT/$i; done", "");
  for (int i = 1; i <= 12; ++i) ASSERT_EQ(many.await_end(std::to_string(i)), "FINISHED");
  const auto outputs = many.path("w1") + "/outputs/";
  auto left = [&] {
    size_t count = 0;
    for (int i = 1; i <= 12; ++i) count += fs::exists(outputs + std::to_string(i) + "/7") ? 1 : 0;
    return count;
  };
  ASSERT_EQ(left(), 12u);
  for (size_t goal : {10u, 5u}) {
    auto child = many.cli_child({"gc"}, "gc");
    ASSERT_TRUE(await([&] { return left() <= goal || !is_alive(child.pid()); }));
    goal == 10 ? many.kill9() : many.kill_worker("w1");
    child.kill_and_reap();
    ASSERT_TRUE(goal == 10 ? many.start_head() : many.start_worker("w1"));
    ASSERT_TRUE(many.await_node("w1", "up"));
  }
  // What was said to be removed is, and what was not said is there.
  auto done = many.cli({"gc"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(left(), 0u) << done.out << done.err;
  for (int i = 1; i <= 12; ++i) EXPECT_EQ(many.cli({"out", "ls", std::to_string(i)}).code, 3) << i;
  EXPECT_TRUE(await([&] {
    (void)many.cli({"data", "du"});
    return !fs::exists(outputs + ".going") || fs::is_empty(outputs + ".going");
  }));
}

}  // namespace
}  // namespace troupe::cluster
