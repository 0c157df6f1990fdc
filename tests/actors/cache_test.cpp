// The cache on the test scheduler: real sealed files in a folder, blocks from a source that a test
// can break. Nothing is mounted here: files are written out.
#include "actors/worker/cache.hpp"

#include "actors/bulk_words.hpp"
#include "actors/head/head_files.hpp"
#include "actors/worker/cache_files.hpp"
#include "runtime/core/fd.hpp"
#include "tests/actors/head_fixture.hpp"
#include "tests/storage/dataset/dataset_fixture.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

namespace troupe::actors {
namespace {

namespace fs = std::filesystem;
using dataset::Files;
using ::testing::HasSubstr;

/// The head's store, with a counter and a fault to be set.
class BrokenData final : public DataSource {
 public:
  explicit BrokenData(dataset::DatasetStore store) : local_{std::move(store)} {}
  std::unique_ptr<VersionSource> version(const dataset::ContentId& id) override {
    return std::make_unique<Version>(*this, local_.version(id));
  }
  std::atomic<int> manifests{0}, blocks{0};
  std::atomic<bool> alter{false}, elsewhere{false};

 private:
  class Version final : public VersionSource {
   public:
    Version(BrokenData& all, std::unique_ptr<VersionSource> local)
        : all_{all}, local_{std::move(local)} {}
    Result<std::string> manifest() override {
      ++all_.manifests;
      return local_->manifest();
    }
    Result<void> block(uint32_t number, const dataset::Block& block, char* to) override {
      ++all_.blocks;
      TROUPE_TRY(local_->block(number, block, to));
      if (all_.alter) to[block.bytes() / 2] ^= 1;
      return ok();
    }
    bool refused(uint32_t) override {
      if (all_.elsewhere) all_.alter = false;
      return all_.elsewhere;
    }
    Givers givers() const override { return {{"a store"}, {}}; }

   private:
    BrokenData& all_;
    std::unique_ptr<VersionSource> local_;
  };

  LocalData local_;
};

/// What the cache tells the head.
hello_port::behavior_type fake_registry(hello_port::pointer,
                                        std::shared_ptr<std::vector<CacheReport>> reports) {
  return {
      [](hello_atom, const NodeHello&, const node_actor&) { return NodeWelcome{}; },
      [](stuck_atom, const std::string&, const std::string&) {},
      [reports](cache_atom, const std::string&, const CacheReport& report) {
        reports->push_back(report);
      },
      [](devices_atom, const std::string&, const GpuReport&) {},
  };
}

class Cache : public ActorTest {
 protected:
  void SetUp() override { begin(0); }
  void begin(uint64_t limit) {
    registry = sys.spawn(fake_registry, reports);
    auto made = std::make_shared<WorkerContext>();
    made->name = "a";
    made->detach_blocking = false;
    made->paths = WorkerPaths{dir.path() + "/w", dir.path() + "/outputs"};
    made->clock = clock;
    made->data = source;
    made->mount_method = dataset::MountMethod::plain_copy;
    made->cache_limit = limit;
    made->registry = registry;
    context = made;
    cache = sys.spawn(cache_behavior, context);
    run();
  }
  void TearDown() override {
    end(cache);
    end(registry);
    context.reset();
  }
  /// What the head would know of a version now; nothing where there is none.
  std::optional<CachedVersion> told(const std::string& digest) {
    caf::anon_send(cache, report_atom_v);
    run();
    for (const auto& version : reports->back().versions)
      if (version.digest == digest) return version;
    return std::nullopt;
  }
  void wish(const CacheWishes& wishes) {
    caf::anon_send(cache, fetch_atom_v, wishes);
    run();
  }
  /// Stores a version at the head; its digest.
  std::string push(const Files& files) {
    dataset::StoreSink sink{store.blocks()};
    auto manifest = dataset::pack(files, sink);
    auto stored = store.put_manifest(dataset::manifest_bytes(manifest));
    EXPECT_TRUE(stored) << to_string(stored.error());
    return to_string(dataset::version_id(manifest));
  }
  /// Asks for versions for job `number`; what was answered once it has been.
  std::shared_ptr<std::optional<Result<void>>> hold(uint64_t number,
                                                    const std::vector<std::string>& digests,
                                                    const std::string& method = "") {
    auto order = std::make_shared<JobOrder>();
    order->key = key(number);
    order->mount_method = method;
    for (const auto& digest : digests) order->data.push_back({"d" + digest, "d:1", digest});
    auto answer = std::make_shared<std::optional<Result<void>>>();
    sys.spawn([=, this](caf::event_based_actor* asking) {
      asking->request(cache, caf::infinite, hold_atom_v, order->key, OrderRef{order})
          .then([answer](const HeldDataRef&) { *answer = ok(); },
                [answer](caf::error& e) { *answer = Result<void>{from_caf(e, "data")}; });
    });
    run();
    return answer;
  }
  void release(uint64_t number) {
    caf::anon_send(cache, release_atom_v, key(number));
    run();
  }
  static JobKey key(uint64_t number) { return JobKey{JobId{{number, 0}, "worker", 0}, 1}; }
  std::string tree(const std::string& digest) const {
    return context->paths.trees() + "/copy/" + digest;
  }

  dataset::DatasetStore store = *dataset::DatasetStore::open(dir.path() + "/head");
  std::shared_ptr<BrokenData> source = std::make_shared<BrokenData>(store);
  std::shared_ptr<std::vector<CacheReport>> reports = std::make_shared<std::vector<CacheReport>>();
  hello_port registry;
  WorkerContextRef context;
  cache_actor cache;
};

TEST_F(Cache, BringsAVersionOnceForAllThatAsk) {
  auto files = dataset::odd_files(1 << 20);
  auto digest = push(files);
  auto first = hold(1, {digest}), second = hold(2, {digest});
  ASSERT_TRUE(*first && **first) << to_string((*first)->error());
  ASSERT_TRUE(*second && **second);
  EXPECT_EQ(source->manifests, 1);
  for (const auto& [path, bytes] : files)
    EXPECT_TRUE(read_file(tree(digest) + "/" + path).value_or("not there") == bytes) << path;
  // Also for those that come when nobody holds it any more, and after a restart.
  release(1);
  release(2);
  EXPECT_TRUE(**hold(3, {digest}));
  EXPECT_EQ(source->manifests, 1);
}

TEST_F(Cache, AnswersWhenTheLastOfSeveralIsHere) {
  auto a = push({{"a", "1"}}), b = push({{"b", "2"}});
  auto both = hold(1, {a, b});
  ASSERT_TRUE(*both && **both);
  EXPECT_TRUE(fs::exists(tree(a) + "/a"));
  EXPECT_TRUE(fs::exists(tree(b) + "/b"));
}

TEST_F(Cache, NeverShowsABlockThatIsNotTheManifests) {
  auto digest = push({{"a", dataset::random_text(1, 3 << 20)}});
  source->alter = true;
  auto answer = hold(1, {digest});
  ASSERT_TRUE(*answer);
  ASSERT_FALSE(**answer);
  EXPECT_EQ((**answer).error().code, Errc::corrupt);
  EXPECT_FALSE(fs::exists(tree(digest)));
  release(1);
  source->alter = false;
  auto again = hold(2, {digest});
  EXPECT_TRUE(*again && **again);
}

TEST_F(Cache, ShowsAVersionTheWayThatIsAskedForOrNotAtAll) {
  auto digest = push({{"a", "1"}});
  auto loop = hold(1, {digest}, "erofs-loop"), copy = hold(2, {digest}, "copy");
  ASSERT_TRUE(*loop && *copy);
  EXPECT_TRUE(**copy);
  EXPECT_EQ(source->manifests, 1) << "two ways of one version are one fill";
  EXPECT_TRUE(fs::exists(tree(digest) + "/a"));
  auto mounted = context->paths.trees() + "/erofs-loop/" + digest;
  if (**loop) {
    EXPECT_EQ(read_file(mounted + "/a").value_or("not there"), "1");
    EXPECT_FALSE(fs::exists(context->paths.trees() + "/erofs/" + digest));
  } else {
    EXPECT_EQ((**loop).error().code, Errc::invalid);
    EXPECT_THAT((**loop).error().what, HasSubstr("cannot be mounted by erofs-loop"));
    EXPECT_FALSE(fs::exists(mounted));
  }
  release(1);
  release(2);
  ASSERT_TRUE(remove_version(context->paths, digest));
  EXPECT_FALSE(fs::exists(mounted));
  EXPECT_FALSE(fs::exists(tree(digest)));
}

TEST_F(Cache, SaysWhatTheHeadHasNot) {
  auto answer = hold(1, {std::string(64, '7')});
  ASSERT_TRUE(*answer);
  EXPECT_EQ((**answer).error().code, Errc::not_found);
}

TEST_F(Cache, FetchesADamagedVersionAgain) {
  auto digest = push({{"a", dataset::random_text(1, 2 << 20)}});
  ASSERT_TRUE(**hold(1, {digest}));
  release(1);
  fs::remove_all(tree(digest));
  auto blocks = context->paths.cache() + "/" + digest + "/blocks.mdb";
  fs::permissions(blocks, fs::perms::owner_all);
  fs::resize_file(blocks, fs::file_size(blocks) / 2);
  auto answer = hold(2, {digest});
  ASSERT_TRUE(*answer && **answer) << to_string((**answer).error());
  EXPECT_EQ(source->manifests, 2);
  EXPECT_EQ(fs::file_size(tree(digest) + "/a"), 2u << 20);
}

TEST_F(Cache, FetchesAgainWhatSomebodyHasWrittenTo) {
  auto bytes = dataset::random_text(1, 2 << 20);
  auto digest = push({{"a", bytes}});
  ASSERT_TRUE(**hold(1, {digest}));
  release(1);
  fs::remove_all(tree(digest));
  auto blocks = context->paths.cache() + "/" + digest + "/blocks.mdb";
  fs::permissions(blocks, fs::perms::owner_all);
  {
    std::fstream file{blocks, std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(static_cast<std::streamoff>(fs::file_size(blocks) / 2));
    auto byte = static_cast<char>(file.peek() ^ 1);
    file.put(byte);
  }
  auto answer = hold(2, {digest});
  ASSERT_TRUE(*answer && **answer) << to_string((**answer).error());
  EXPECT_EQ(source->manifests, 2);
  EXPECT_TRUE(read_file(tree(digest) + "/a").value_or("") == bytes);
  // A touch alone costs a look at all of it, once.
  release(2);
  fs::last_write_time(blocks, fs::file_time_type::clock::now());
  EXPECT_TRUE(**hold(3, {digest}));
  EXPECT_EQ(source->manifests, 2);
}

TEST_F(Cache, ShowsAgainWhatIsGoneWhileItWaitsForSomethingElse) {
  auto a = push({{"a", "1"}}), b = push({{"b", "2"}});
  ASSERT_TRUE(**hold(1, {b}));
  fs::remove_all(tree(b));
  auto both = hold(2, {a, b});
  ASSERT_TRUE(*both) << "it waits for ever";
  EXPECT_TRUE(**both);
  EXPECT_TRUE(fs::exists(tree(b) + "/b"));
}

TEST_F(Cache, IsHereEvenWhereItCannotBeShown) {
  auto digest = push({{"a", "1"}});
  ASSERT_TRUE(**hold(1, {digest}));
  auto loop = hold(2, {digest}, "erofs-loop");
  ASSERT_TRUE(*loop);
  auto here = told(digest);
  ASSERT_TRUE(here);
  EXPECT_EQ(here->state, CachedVersion::State::here);
  EXPECT_EQ(here->mount, **loop ? "erofs-loop" : "copy");
  EXPECT_TRUE(**hold(3, {digest}));
  for (uint64_t job : {1, 2, 3}) release(job);  // what is held stays mounted
}

TEST_F(Cache, TellsTheHeadWhatItHas) {
  auto digest = push({{"a", dataset::random_text(1, 3 << 20)}});
  ASSERT_TRUE(**hold(1, {digest}));
  auto held = told(digest);
  ASSERT_TRUE(held);
  EXPECT_EQ(held->state, CachedVersion::State::here);
  EXPECT_GE(held->bytes, 6u << 20) << "the sealed file, and its files written out";
  EXPECT_EQ(held->mount, "copy");
  EXPECT_THAT(held->sources, testing::ElementsAre("a store"));
  ASSERT_EQ(held->holders.size(), 1u);
  EXPECT_EQ(held->hits, 0u);
  release(1);
  ASSERT_TRUE(**hold(2, {digest}));
  held = told(digest);
  EXPECT_EQ(held->hits, 1u);
  EXPECT_EQ(reports->back().used, held->bytes);
  EXPECT_GT(reports->back().disk_free, 0u);
  release(2);
  EXPECT_TRUE(told(digest)->holders.empty());
}

TEST_F(Cache, BringsWhatTheHeadWishesFor) {
  auto digest = push({{"a", "1"}});
  wish({{digest}, {digest}, true});
  EXPECT_TRUE(fs::exists(tree(digest) + "/a"));
  EXPECT_TRUE(told(digest)->wanted);
  EXPECT_TRUE(**hold(1, {digest}));
  EXPECT_EQ(source->manifests, 1) << "the job found it there";
  EXPECT_EQ(told(digest)->hits, 1u);
  wish({{std::string(64, '7')}, {}, true});
  auto failed = told(std::string(64, '7'));
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->state, CachedVersion::State::failed);
  EXPECT_NE(failed->error, "");
}

TEST_F(Cache, TakesABlockThatWasRefusedFromElsewhere) {
  auto digest = push({{"a", dataset::random_text(1, 3 << 20)}});
  source->alter = source->elsewhere = true;
  auto answer = hold(1, {digest});
  ASSERT_TRUE(*answer && **answer) << to_string((**answer).error());
}

class SmallCache : public Cache {
 protected:
  // Each version below takes a mebibyte and is written out once more, and a little besides.
  void SetUp() override { begin(7u << 20); }
  std::string push_one(uint64_t seed) { return push({{"a", dataset::random_text(seed, 1 << 20)}}); }
};

TEST_F(SmallCache, TheOldestGoesThatNobodyHoldsOrWants) {
  auto a = push_one(1), b = push_one(2), c = push_one(3);
  ASSERT_TRUE(**hold(1, {a}));
  release(1);
  clock->advance(std::chrono::seconds{1});
  ASSERT_TRUE(**hold(2, {b}));
  release(2);
  ASSERT_TRUE(told(a) && told(b));
  wish({{}, {a}, true});
  ASSERT_TRUE(**hold(3, {c}));
  EXPECT_TRUE(told(a)) << "the queue needs it";
  EXPECT_FALSE(told(b));
  EXPECT_FALSE(fs::exists(context->paths.cache() + "/" + b));
  EXPECT_FALSE(fs::exists(tree(b)));
  EXPECT_LE(reports->back().used, 7u << 20);
  // And that one too, where nothing else can go.
  ASSERT_TRUE(**hold(4, {b}));
  EXPECT_FALSE(told(a));
  EXPECT_TRUE(fs::exists(tree(c) + "/a")) << "what is held stays";
}

TEST_F(SmallCache, WhatIsLargerThanTheLimitIsRefusedWithBothNumbers) {
  auto digest = push({{"a", dataset::random_text(1, 5 << 20)}});
  auto answer = hold(1, {digest});
  ASSERT_TRUE(*answer);
  ASSERT_FALSE(**answer);
  EXPECT_EQ((**answer).error().code, Errc::exhausted);
  EXPECT_THAT((**answer).error().detail, HasSubstr("the limit of the cache there is 7 MiB"));
  EXPECT_EQ(source->blocks, 0) << "before anything moved";
}

TEST_F(SmallCache, WhatIsHeldIsNamedWhereItLeavesNoRoom) {
  auto a = push_one(1), b = push_one(2), c = push_one(3);
  ASSERT_TRUE(**hold(1, {a, b}));
  auto answer = hold(2, {c});
  ASSERT_TRUE(*answer);
  ASSERT_FALSE(**answer);
  EXPECT_THAT((**answer).error().detail, HasSubstr("are held by jobs or on their way"));
  release(1);
  EXPECT_TRUE(**hold(3, {c}));
}

TEST_F(Cache, FindsWhatAnEarlierStartLeft) {
  auto digest = push({{"a", dataset::random_text(1, 1 << 20)}});
  ASSERT_TRUE(**hold(1, {digest}));
  release(1);
  end(cache);
  cache = sys.spawn(cache_behavior, context);
  run();
  auto found = told(digest);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->state, CachedVersion::State::here);
  EXPECT_GT(found->bytes, 1u << 20);
}

TEST_F(Cache, BlocksComeOverTheBulkChannelToo) {
  Files files{{"a", dataset::random_text(1, 3 << 20)}};
  dataset::StoreSink sink{store.blocks()};
  auto manifest = dataset::pack(files, sink);
  auto bytes = dataset::manifest_bytes(manifest);
  ASSERT_TRUE(store.put_manifest(bytes));
  auto threads = std::make_shared<FileThreads>();
  auto open = head_files(*storage::CodeStore::open(dir.path() + "/head"), store);
  RemoteData remote{std::make_shared<cluster::LocalBulk>(threads, open)};
  auto version = remote.version(dataset::version_id(manifest));
  EXPECT_EQ(*version->manifest(), bytes);
  for (uint32_t i = 0; i < manifest.blocks.size(); ++i) {
    auto block = manifest.blocks[i];
    std::string payload(block.bytes(), '\0');
    ASSERT_TRUE(version->block(i, block, payload.data()));
    EXPECT_EQ(dataset::content_id_of(payload), block.id);
    --block.pages;
    EXPECT_EQ(version->block(i, block, payload.data()).error().code, Errc::corrupt);
  }
  char page[4096];
  dataset::Block none{dataset::content_id_of("none"), 1};
  EXPECT_EQ(version->block(0, none, page).error().code, Errc::not_found);
}

}  // namespace
}  // namespace troupe::actors
