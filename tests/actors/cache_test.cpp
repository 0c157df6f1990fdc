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
  Result<std::string> manifest(const dataset::ContentId& version) override {
    ++manifests;
    return local_.manifest(version);
  }
  Result<void> block(const dataset::ContentId& id, char* to, size_t count) override {
    ++blocks;
    TROUPE_TRY(local_.block(id, to, count));
    if (alter) to[count / 2] ^= 1;
    return ok();
  }
  std::atomic<int> manifests{0}, blocks{0};
  std::atomic<bool> alter{false};

 private:
  LocalData local_;
};

class Cache : public ActorTest {
 protected:
  void SetUp() override {
    auto made = std::make_shared<WorkerContext>();
    made->name = "a";
    made->detach_blocking = false;
    made->paths = WorkerPaths{dir.path() + "/w", dir.path() + "/outputs"};
    made->clock = clock;
    made->data = source;
    made->mount_method = dataset::MountMethod::plain_copy;
    context = made;
    cache = sys.spawn(cache_behavior, context);
    run();
  }
  void TearDown() override {
    end(cache);
    context.reset();
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
  ASSERT_TRUE(remove_oldest(context->paths, {}));
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

TEST_F(Cache, RemovesTheOldestThatNobodyHolds) {
  auto a = push({{"a", "1"}}), b = push({{"b", "2"}}), c = push({{"c", "3"}});
  for (uint64_t i = 1; const auto& digest : {a, b, c}) ASSERT_TRUE(**hold(i++, {digest}));
  auto hour = std::chrono::hours{1};
  release(1);
  release(2);
  fs::last_write_time(context->paths.cache() + "/" + a, fs::file_time_type::clock::now() - hour);
  fs::last_write_time(context->paths.cache() + "/" + c,
                      fs::file_time_type::clock::now() - 2 * hour);
  EXPECT_TRUE(remove_oldest(context->paths, {c}));
  EXPECT_FALSE(fs::exists(context->paths.cache() + "/" + a));
  EXPECT_FALSE(fs::exists(tree(a)));
  EXPECT_TRUE(fs::exists(tree(b)));
  EXPECT_TRUE(remove_oldest(context->paths, {c}));
  EXPECT_FALSE(remove_oldest(context->paths, {c})) << "what is held stays";
  EXPECT_TRUE(fs::exists(tree(c)));
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
  EXPECT_EQ(*remote.manifest(dataset::version_id(manifest)), bytes);
  for (const auto& block : manifest.blocks) {
    std::string payload(block.bytes(), '\0');
    ASSERT_TRUE(remote.block(block.id, payload.data(), payload.size()));
    EXPECT_EQ(dataset::content_id_of(payload), block.id);
    EXPECT_EQ(remote.block(block.id, payload.data(), payload.size() - 1).error().code,
              Errc::exhausted);
  }
  char byte = 0;
  EXPECT_EQ(remote.block(dataset::content_id_of("none"), &byte, 1).error().code, Errc::not_found);
}

}  // namespace
}  // namespace troupe::actors
