// Blocks from several workers: real sealed files behind LocalBulk, some of which die, lie or hang.
#include "actors/worker/peer_data.hpp"

#include "actors/head/head_files.hpp"
#include "actors/worker/cache_files.hpp"
#include "actors/worker/peer_files.hpp"
#include "storage/dataset/sealed_writer.hpp"
#include "tests/storage/dataset/dataset_fixture.hpp"
#include "tests/temp_dir.hpp"

#include <gmock/gmock.h>

#include <filesystem>

namespace troupe::actors {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A peer as a test wants it.
class Peer final : public cluster::BulkPort {
 public:
  Peer(std::shared_ptr<cluster::BulkPort> behind, std::string fault)
      : behind_{std::move(behind)}, fault_{std::move(fault)} {}
  void ask(cluster::BulkQuestion question) override {
    if (question.request.what != "block") return behind_->ask(std::move(question));
    ++asked;
    if (fault_ == "dead") return question.done(Error{Errc::unavailable, "it is dead", "", ""});
    if (fault_ == "silent") {  // what a time-out of the real one looks like
      return question.done(cluster::bulk_too_slow(question.request));
    }
    if (fault_ == "lying") {
      auto take = question.take;
      question.take = [take](std::string piece) {
        piece[piece.size() / 2] ^= 1;
        return take(std::move(piece));
      };
    }
    behind_->ask(std::move(question));
  }
  std::atomic<int> asked{0};

 private:
  std::shared_ptr<cluster::BulkPort> behind_;
  std::string fault_;
};

class PeerDataTest : public ::testing::Test {
 protected:
  /// A worker that has the version, unless it is "empty".
  void add_worker(const std::string& name, const std::string& fault = "") {
    WorkerPaths paths{dir.path() + "/" + name, dir.path() + "/outputs"};
    if (fault != "empty") {
      LocalData local{store};
      VersionBringer bringer{paths, local, id, dataset::MountMethod::plain_copy};
      ASSERT_FALSE(*bringer.look());
      ASSERT_TRUE(bringer.plan());
      ASSERT_TRUE(bringer.fill([](uint64_t, uint64_t) {}));
    }
    auto members = std::make_shared<Members>(head, clock);
    auto files = peer_files(std::make_shared<GivenVersions>(paths), members);
    peers[name] =
        std::make_shared<Peer>(std::make_shared<cluster::LocalBulk>(threads, files), fault);
    CacheReport report;
    report.address = "127.0.0.1:1";
    CachedVersion version;
    version.digest = to_string(id);
    version.state = CachedVersion::State::here;
    report.versions.push_back(version);
    replicas->put(name, report, Timestamp{1});
  }
  /// Fills a new node; what became of it.
  Result<VersionSource::Givers> fill(const std::string& name = "new") {
    PeerData data{head,
                  [this](const std::string& node, const std::string&) {
                    return Result<std::shared_ptr<cluster::BulkPort>>{peers.at(node)};
                  },
                  nullptr, clock};
    WorkerPaths paths{dir.path() + "/" + name, dir.path() + "/outputs"};
    VersionBringer bringer{paths, data, id, dataset::MountMethod::plain_copy};
    TROUPE_TRY(bringer.look());
    TROUPE_TRY(bringer.plan());
    TROUPE_TRY(bringer.fill([](uint64_t, uint64_t) {}));
    auto checked = dataset::check_sealed(paths.cache() + "/" + to_string(id));
    EXPECT_TRUE(checked && checked->good());
    return bringer.givers();
  }
  void lose_head_blocks() {
    for (const auto& block : manifest.blocks) ASSERT_TRUE(store.blocks().remove(block.id));
  }

  TempDir dir;
  std::shared_ptr<Clock> clock = std::make_shared<SystemClock>();
  std::shared_ptr<FileThreads> threads = std::make_shared<FileThreads>();
  std::shared_ptr<Replicas> replicas = std::make_shared<Replicas>();
  dataset::DatasetStore store = *dataset::DatasetStore::open(dir.path() + "/head");
  dataset::Manifest manifest = [&] {
    dataset::StoreSink sink{store.blocks()};
    dataset::Files files;
    for (int i = 0; i < 24; ++i)
      files["f" + std::to_string(i)] = dataset::random_text(static_cast<uint64_t>(i), 1 << 20);
    return dataset::pack(files, sink);
  }();
  dataset::ContentId id = dataset::version_id(manifest);
  bool stored = store.put_manifest(dataset::manifest_bytes(manifest)).has_value();
  std::shared_ptr<cluster::BulkPort> head = std::make_shared<cluster::LocalBulk>(
      threads,
      head_files(*storage::CodeStore::open(dir.path() + "/head"), store,
                 {replicas, [](const std::string& name) -> Result<std::string> { return name; }}));
  std::map<std::string, std::shared_ptr<Peer>> peers;
};

TEST_F(PeerDataTest, WithoutOthersTheHeadGivesAll) {
  auto givers = fill();
  ASSERT_TRUE(givers) << to_string(givers.error());
  EXPECT_THAT(givers->gave, ElementsAre("the head"));
  EXPECT_THAT(givers->left, IsEmpty());
}

TEST_F(PeerDataTest, SeveralWorkersGiveAtOnceAndTheHeadNothing) {
  add_worker("a");
  add_worker("b");
  lose_head_blocks();
  auto givers = fill();
  ASSERT_TRUE(givers) << to_string(givers.error());
  EXPECT_THAT(givers->gave, testing::UnorderedElementsAre("node a", "node b"));
  EXPECT_GT(peers["a"]->asked, 0);
  EXPECT_GT(peers["b"]->asked, 0);
  EXPECT_EQ(static_cast<size_t>(peers["a"]->asked + peers["b"]->asked), manifest.blocks.size())
      << "each block once";
}

TEST_F(PeerDataTest, WhoDiesLiesOrHangsIsLeftAndNamed) {
  for (const auto* fault : {"dead", "lying", "silent", "empty"}) {
    add_worker(fault, fault);
    if (std::string{fault} == "dead") add_worker("good");
  }
  auto givers = fill();
  ASSERT_TRUE(givers) << to_string(givers.error());
  EXPECT_THAT(givers->gave, Contains("node good"));
  EXPECT_THAT(givers->left, Contains(HasSubstr("node dead was left: it is dead")));
  EXPECT_THAT(givers->left, Contains(HasSubstr("has another digest")));
  EXPECT_THAT(givers->left, Contains(HasSubstr("node silent was left")));
  EXPECT_THAT(givers->left, Contains(HasSubstr("node empty was left")));
  EXPECT_EQ(givers->left.size(), 4u);
}

TEST_F(PeerDataTest, WhereAllOthersFailTheHeadIsTheLastSource) {
  add_worker("a", "dead");
  add_worker("b", "lying");
  auto givers = fill();
  ASSERT_TRUE(givers) << to_string(givers.error());
  EXPECT_THAT(givers->gave, Contains("the head"));
  EXPECT_EQ(givers->left.size(), 2u);
}

TEST_F(PeerDataTest, WithNobodyLeftItSaysWhy) {
  add_worker("a", "dead");
  lose_head_blocks();
  auto givers = fill();
  ASSERT_FALSE(givers);
  EXPECT_EQ(givers.error().code, Errc::not_found) << to_string(givers.error());
}

TEST_F(PeerDataTest, WhoIsNoMemberGetsNothing) {
  add_worker("a");
  auto open = peer_files(
      std::make_shared<GivenVersions>(WorkerPaths{dir.path() + "/a", dir.path() + "/outputs"}),
      std::make_shared<Members>(std::make_shared<cluster::LocalBulk>(
                                    threads,
                                    head_files(*storage::CodeStore::open(dir.path() + "/head"),
                                               store,
                                               {replicas,
                                                [](const std::string&) -> Result<std::string> {
                                                  return Error{Errc::refused, "it was removed", "",
                                                               ""};
                                                }})),
                                clock));
  auto block = to_string(manifest.blocks[0].id);
  auto asked = open("w1", {"block", block, to_string(id), 0, 0});
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().code, Errc::refused);
}

TEST_F(PeerDataTest, GivesNothingButBlocksAndManifests) {
  add_worker("a");
  auto open = peer_files(
      std::make_shared<GivenVersions>(WorkerPaths{dir.path() + "/a", dir.path() + "/outputs"}),
      std::make_shared<Members>(head, clock));
  for (cluster::BulkRequest bad : std::vector<cluster::BulkRequest>{
           {"output", "1", "x", 0, 10},
           {"block", to_string(manifest.blocks[0].id), to_string(id), 1, 0},
           {"block", to_string(manifest.blocks[0].id), to_string(id), 1u << 30, 0},
           {"block", to_string(manifest.blocks[0].id), "../../head", 0, 0},
           {"manifest", "../head", "", 0, 0}})
    EXPECT_FALSE(open("w1", bad)) << bad.what << " " << bad.of << " " << bad.path;
  EXPECT_TRUE(open("w1", {"block", to_string(manifest.blocks[1].id), to_string(id), 1, 0}));
}

}  // namespace
}  // namespace troupe::actors
