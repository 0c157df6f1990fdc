// The bulk channel over real connections: streams beside each other, back-pressure, limits, and
// peers that go in the middle.
#include "runtime/cluster/bulk_client.hpp"
#include "runtime/cluster/bulk_lanes.hpp"
#include "runtime/cluster/bulk_protocol.hpp"
#include "runtime/cluster/bulk_server.hpp"
#include "tests/runtime/cluster/frames.hpp"
#include "tests/runtime/cluster/link_fixture.hpp"

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

namespace troupe::cluster {
namespace {

/// So many bytes that tell their place, made as they are read.
class Counting final : public BulkSource {
 public:
  explicit Counting(uint64_t bytes) : bytes_{bytes} {}
  Result<std::string> next() override {
    if (fails_at_ && done_ >= *fails_at_)
      return Error{Errc::io, "the disk is gone", "detail", "hint"};
    std::string piece(std::min<uint64_t>(bulk_piece_bytes, bytes_ - done_), '\0');
    for (size_t i = 0; i < piece.size(); ++i) piece[i] = static_cast<char>((done_ + i) * 7 >> 3);
    done_ += piece.size();
    ++read;
    return piece;
  }
  BulkEnd end() override { return {done_, bytes_, true}; }
  void fail_at(uint64_t at) { fails_at_ = at; }
  static inline std::atomic<uint64_t> read{0};

 private:
  uint64_t bytes_, done_ = 0;
  std::optional<uint64_t> fails_at_;
};

std::string counted(uint64_t bytes) {
  Counting source{bytes};
  std::string all;
  while (true) {
    auto piece = *source.next();
    if (piece.empty()) return all;
    all += piece;
  }
}

/// What "hold" waits at.
struct Hold {
  std::mutex mutex;
  std::condition_variable changed;
  int held = 0;
  int released = 0;
};
Hold& hold() {
  static Hold one;
  return one;
}
void release_held() {
  std::lock_guard guard{hold().mutex};
  hold().released = hold().held;
  hold().changed.notify_all();
}
void await_held() {
  std::unique_lock lock{hold().mutex};
  hold().changed.wait(lock, [] { return hold().held > hold().released; });
}

/// Answers "count" with so many bytes, "broken" with an error in the middle, and "hold" when it is
/// released.
Result<std::unique_ptr<BulkSource>> open_counting(const std::string& peer,
                                                  const BulkRequest& request) {
  if (request.what == "who") return std::unique_ptr<BulkSource>{new Counting{peer.size()}};
  if (request.what == "hold") {
    std::unique_lock lock{hold().mutex};
    auto mine = ++hold().held;
    hold().changed.notify_all();
    hold().changed.wait(lock, [mine] { return hold().released >= mine; });
  }
  auto source = std::make_unique<Counting>(request.limit);
  if (request.what == "broken") source->fail_at(request.limit / 2);
  if (request.what == "nothing")
    return Error{Errc::not_found, "no such thing", request.path, "look elsewhere"};
  return std::unique_ptr<BulkSource>{std::move(source)};
}

class Bulk : public LinkTest {
 protected:
  void SetUp() override {
    LinkTest::SetUp();
    joined_ = *join("w1");
    start_bulk(64);
    on_bulk = [this](UniqueFd fd, bool serves) { bulk->take(std::move(fd), serves); };
    start();
  }
  /// `threads`: 0 has its loop serve whoever asks.
  void start_bulk(size_t threads) {
    BulkServerOptions options;
    options.lane_threads_max = threads;
    options.authority = authority.certificate;
    options.identity = *make_head_identity(authority, clock->now());
    options.hello = hello("head");
    options.clock = clock;
    options.open = open_counting;
    auto started = BulkServer::start(std::move(options));
    ASSERT_TRUE(started) << to_string(started.error());
    bulk = std::move(*started);
  }
  void TearDown() override {
    server->stop();  // first: it hands connections to the other
  }

  std::unique_ptr<BulkClient> client(const Joined& joined, LinkHello who = hello("one")) {
    BulkClientOptions options;
    options.head = address();
    options.joined = joined;
    options.hello = std::move(who);
    options.clock = clock;
    options.open = open_counting;
    options.lane_idle_max = 200ms;
    auto made = BulkClient::start(std::move(options));
    made->linked(true);
    return made;
  }

  std::shared_ptr<BulkLanes> lanes(const Joined& joined, LinkHello who = hello("one")) {
    return *BulkLanes::open({address(), joined, std::move(who), clock, "head"});
  }

  using Answer = std::shared_future<Result<BulkAnswer>>;
  static std::pair<BulkQuestion, Answer> question(std::string what, uint64_t bytes) {
    BulkQuestion asked;
    asked.request = {std::move(what), "", "some path", 0, bytes};
    asked.bytes_max = 64u << 20;
    auto promise = std::make_shared<std::promise<Result<BulkAnswer>>>();
    asked.done = [promise](Result<BulkAnswer> answer) { promise->set_value(std::move(answer)); };
    return {std::move(asked), promise->get_future().share()};
  }
  Answer ask_worker(std::string what, uint64_t bytes, const std::string& worker = "w1") {
    auto [asked, answer] = question(std::move(what), bytes);
    bulk->ask(worker, std::move(asked));
    return answer;
  }
  static Answer ask_head(BulkClient& from, std::string what, uint64_t bytes) {
    auto [asked, answer] = question(std::move(what), bytes);
    from.ask(std::move(asked));
    return answer;
  }

  Joined joined_;
  std::unique_ptr<BulkServer> bulk;
};

TEST_F(Bulk, BothSidesAskAndAreAnsweredByteForByte) {
  auto worker = client(joined_);
  for (uint64_t bytes :
       {uint64_t{0}, uint64_t{1}, uint64_t{bulk_piece_bytes}, uint64_t{3'000'001}}) {
    auto down = ask_head(*worker, "count", bytes);
    auto up = ask_worker("count", bytes);
    for (const auto& answer : {down.get(), up.get()}) {
      ASSERT_TRUE(answer) << to_string(answer.error());
      EXPECT_EQ(answer->bytes, counted(bytes));
      EXPECT_EQ(answer->end, (BulkEnd{bytes, bytes, true}));
    }
  }
  EXPECT_EQ(ask_head(*worker, "who", 0).get()->bytes.size(), 2u) << "its certificate's name";
}

TEST_F(Bulk, ManyStreamsGoAtOnce) {
  auto worker = client(joined_);
  std::vector<Answer> answers;
  for (int i = 0; i < 40; ++i) {
    answers.push_back(ask_worker("count", 1'000'000));
    answers.push_back(ask_head(*worker, "count", 1'000'000));
  }
  auto wanted = counted(1'000'000);
  for (auto& answer : answers) {
    ASSERT_TRUE(answer.get()) << to_string(answer.get().error());
    EXPECT_TRUE(answer.get()->bytes == wanted);
  }
}

TEST_F(Bulk, ErrorsCrossWholeAndTheConnectionGoesOn) {
  auto worker = client(joined_);
  for (int i = 0; i < 20; ++i) {
    auto none = ask_worker("nothing", 1).get();
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error(),
              (Error{Errc::not_found, "no such thing", "some path", "look elsewhere"}));
    auto broken = ask_head(*worker, "broken", 2'000'000).get();
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().what, "the disk is gone");
    EXPECT_TRUE(ask_worker("count", 10).get());
  }
}

TEST_F(Bulk, MoreThanWasAskedForIsRefusedAndOthersGoOn) {
  auto worker = client(joined_);
  auto [asked, answer] = question("count", 5'000'000);
  asked.bytes_max = 1'000'000;
  bulk->ask("w1", std::move(asked));
  ASSERT_FALSE(answer.get());
  EXPECT_EQ(answer.get().error().code, Errc::exhausted);
  EXPECT_TRUE(ask_worker("count", 5'000'000).get());
}

TEST_F(Bulk, WhoDoesNotTakeStopsTheSenderAndNobodyElse) {
  auto worker = client(joined_);
  auto link = dial(joined_, hello("one"));
  auto pair = links.take();
  ASSERT_TRUE(pair);
  auto frame0 = frame(0, some_node_id('h') + "ports");
  ASSERT_GT(::send((*pair)->fd.get(), frame0.data(), frame0.size(), 0), 0);
  auto caf_end = link->links.take();
  ASSERT_TRUE(caf_end);
  EXPECT_EQ(read_some((*caf_end)->get(), frame0.size()), frame0);

  std::promise<void> release;
  auto released = release.get_future().share();
  std::atomic<int> taken{0};
  Counting::read = 0;
  auto [asked, answer] = question("count", 200'000'000);
  asked.take = [&taken, released](std::string) -> Result<void> {
    if (taken++ == 0) released.wait();
    return ok();
  };
  bulk->ask("w1", std::move(asked));
  // Others, and the link beside it, are served while it stands.
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(ask_worker("count", 1'000'000).get());
    auto beat = frame(2, "beat");
    ASSERT_GT(::send((*pair)->fd.get(), beat.data(), beat.size(), 0), 0);
    EXPECT_EQ(read_some((*caf_end)->get(), beat.size()), beat);
  }
  EXPECT_EQ(taken, 1);
  // Of 800 pieces no more were read than fit the buffers on the way.
  EXPECT_LT(Counting::read - 5 * 5, 400u);
  release.set_value();
  ASSERT_TRUE(answer.get()) << to_string(answer.get().error());
  EXPECT_EQ(taken, (200'000'000 + bulk_piece_bytes - 1) / bulk_piece_bytes);
}

TEST_F(Bulk, ATakerThatRefusesEndsItsStreamAlone) {
  auto worker = client(joined_);
  auto [asked, answer] = question("count", 50'000'000);
  asked.take = [](std::string) -> Result<void> {
    return Error{Errc::corrupt, "not what was announced", "", ""};
  };
  worker->ask(std::move(asked));
  ASSERT_FALSE(answer.get());
  EXPECT_EQ(answer.get().error().code, Errc::corrupt);
  EXPECT_TRUE(ask_head(*worker, "count", 10).get());
}

TEST_F(Bulk, AWorkerThatIsNotThereIsSaid) {
  auto [asked, answer] = question("count", 10);
  asked.limit = 300ms;
  bulk->ask("nobody", std::move(asked));
  ASSERT_FALSE(answer.get());
  EXPECT_EQ(answer.get().error().code, Errc::unavailable);
}

TEST_F(Bulk, QuestionsFindTheNextWorkerWhenOneIsStartedAnew) {
  auto first = client(joined_);
  EXPECT_TRUE(ask_worker("count", 10).get());
  first->stop();
  auto second = client(joined_, hello("two"));
  for (int i = 0; i < 20; ++i) {
    auto answer = ask_worker("count", 10).get();
    ASSERT_TRUE(answer) << to_string(answer.error());
  }
}

TEST_F(Bulk, StoppingAnswersWhoeverWaits) {
  auto waiting = ask_worker("count", 10, "nobody");
  bulk->stop();
  EXPECT_FALSE(waiting.get());
  EXPECT_FALSE(ask_worker("count", 10).get()) << "and whoever asks then";
  auto worker = client(joined_);
  auto open = ask_head(*worker, "count", 10);
  worker->stop();
  EXPECT_FALSE(open.get());
  EXPECT_FALSE(ask_head(*worker, "count", 10).get());
}

TEST_F(Bulk, StrangersAndOtherVersionsGetNothing) {
  auto other = *make_authority(clock->now());
  auto key = *make_key_request();
  auto forged = sign_worker(other, key.request, "w1", clock->now());
  auto stranger = client(Joined{{key.key, *forged}, authority.certificate});
  auto old = client(joined_, LinkHello{6, "1.0.0", "i", 0, ""});
  for (auto* who : {stranger.get(), old.get()}) {
    auto [asked, answer] = question("count", 10);
    asked.limit = 500ms;
    who->ask(std::move(asked));
    EXPECT_FALSE(answer.get());
  }
  auto [asked, answer] = question("count", 10);
  asked.limit = 300ms;
  bulk->ask("w1", std::move(asked));
  EXPECT_FALSE(answer.get()) << "neither offered a connection";
}

/// Connections that block, towards either kind of server.
class BulkWay : public Bulk, public testing::WithParamInterface<size_t> {
 protected:
  void SetUp() override {
    Bulk::SetUp();
    server->stop();  // first: it hands connections to the other
    start_bulk(GetParam());
    start();
  }
  static BulkQuestion asked(std::string what, uint64_t bytes) {
    return question(std::move(what), bytes).first;
  }
};
INSTANTIATE_TEST_SUITE_P(Servers, BulkWay, testing::Values(size_t{64}, size_t{0}),
                         [](const auto& threads) {
                           return threads.param == 0 ? "Loop" : "Threads";
                         });

TEST_P(BulkWay, AnswersComeByteForByteToManyAtOnce) {
  auto head = lanes(joined_);
  for (uint64_t bytes :
       {uint64_t{0}, uint64_t{1}, uint64_t{bulk_piece_bytes}, uint64_t{3'000'001}}) {
    auto answer = head->ask_here(asked("count", bytes));
    ASSERT_TRUE(answer) << to_string(answer.error());
    EXPECT_EQ(answer->bytes, counted(bytes));
    EXPECT_EQ(answer->end, (BulkEnd{bytes, bytes, true}));
  }
  EXPECT_EQ(head->ask_here(asked("who", 0))->bytes.size(), 2u) << "its certificate's name";
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 12; ++i)
    threads.emplace_back([&, wanted = counted(1'000'000)] {
      for (int j = 0; j < 10; ++j) {
        auto answer = head->ask_here(asked("count", 1'000'000));
        good += answer && answer->bytes == wanted;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 120);
}

TEST_P(BulkWay, ErrorsCrossWholeAndOthersGoOn) {
  auto head = lanes(joined_);
  auto none = head->ask_here(asked("nothing", 1));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error(), (Error{Errc::not_found, "no such thing", "some path", "look elsewhere"}));
  EXPECT_EQ(head->ask_here(asked("broken", 2'000'000)).error().what, "the disk is gone");
  auto small = asked("count", 5'000'000);
  small.bytes_max = 1'000'000;
  EXPECT_EQ(head->ask_here(std::move(small)).error().code, Errc::exhausted);
  auto refusing = asked("count", 50'000'000);
  refusing.take = [](std::string) -> Result<void> {
    return Error{Errc::corrupt, "not what was announced", "", ""};
  };
  EXPECT_EQ(head->ask_here(std::move(refusing)).error().code, Errc::corrupt);
  EXPECT_TRUE(head->ask_here(asked("count", 10)));
}

TEST_P(BulkWay, AHeadThatIsStartedAnewIsFoundAndOneThatIsAwayIsSaidAtOnce) {
  auto head = lanes(joined_);
  ASSERT_TRUE(head->ask_here(asked("count", 10)));
  bulk->stop();
  auto away = head->ask_here(asked("count", 10));
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().code, Errc::unavailable);
  start_bulk(GetParam());
  auto again = head->ask_here(asked("count", 10));
  EXPECT_TRUE(again) << to_string(again.error());
}

TEST_P(BulkWay, WhoStandsStillIsLeftInTheTimeGiven) {
  auto head = lanes(joined_);
  auto stuck = asked("hold", 1);
  stuck.limit = 200ms;
  auto answer = head->ask_here(std::move(stuck));
  release_held();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::timed_out);
  EXPECT_TRUE(head->ask_here(asked("count", 10))) << "on another connection";
}

TEST_P(BulkWay, StoppingTellsWhoeverWaitsOnEitherSide) {
  for (bool ours : {true, false}) {
    auto head = lanes(joined_);
    std::promise<Result<BulkAnswer>> promise;
    std::thread waiting{[&] { promise.set_value(head->ask_here(asked("hold", 1))); }};
    await_held();
    std::thread stopping{[&] {
      if (ours)
        head->stop();
      else
        bulk->stop();
    }};
    if (!ours) release_held();  // what reads a file is waited for
    auto answer = promise.get_future().get();
    EXPECT_FALSE(ours && answer);
    release_held();
    waiting.join();
    stopping.join();
    if (!ours) continue;
    EXPECT_FALSE(head->ask_here(asked("count", 10))) << "and whoever asks then";
  }
}

TEST_P(BulkWay, StrangersAndOtherVersionsGetNothing) {
  auto other = *make_authority(clock->now());
  auto key = *make_key_request();
  auto forged = sign_worker(other, key.request, "w1", clock->now());
  auto stranger = lanes(Joined{{key.key, *forged}, authority.certificate});
  EXPECT_FALSE(stranger->ask_here(asked("count", 10)));
  auto old = lanes(joined_, LinkHello{6, "1.0.0", "i", 0, ""});
  auto refused = old->ask_here(asked("count", 10));
  ASSERT_FALSE(refused);
  EXPECT_NE(to_string(refused.error()).find("1.0.0"), std::string::npos)
      << to_string(refused.error());
  auto elsewhere = *BulkLanes::open(
      {address(), joined_, hello("one"), clock, "w2"});  // another name than it has
  EXPECT_FALSE(elsewhere->ask_here(asked("count", 10)));
}

TEST(BulkProtocol, FramesAreReadBackAndNonsenseIsRefused) {
  BulkRequest request{"output", "42", std::string("a\0b\xff", 4), UINT64_MAX, 7};
  EXPECT_EQ(*parse_bulk_request(bulk_body(request)), request);
  BulkEnd end{1, UINT64_MAX, false};
  EXPECT_EQ(*parse_bulk_end(bulk_body(end)), end);
  Error error{Errc::corrupt, "what", "detail", "hint"};
  EXPECT_EQ(parse_bulk_error(bulk_body(error)), error);
  Error long_error{Errc::io, std::string(100'000, 'x'), std::string(100'000, 'y'), ""};
  EXPECT_LT(bulk_body(long_error).size(), bulk_small_frame_max);
  auto body = bulk_body(request);
  for (size_t cut = 0; cut < body.size(); ++cut)
    EXPECT_FALSE(parse_bulk_request(std::string_view{body}.substr(0, cut)));
  EXPECT_FALSE(parse_bulk_request(body + "x"));
  EXPECT_EQ(parse_bulk_error("nonsense").code, Errc::refused);
  auto header = [](BulkFrame kind, size_t bytes) {
    return parse_bulk_header(bulk_frame(kind, std::string(bytes, ' ')).substr(0, 5));
  };
  EXPECT_TRUE(header(BulkFrame::data, bulk_piece_bytes));
  EXPECT_FALSE(header(BulkFrame::data, bulk_piece_bytes + 1));
  EXPECT_FALSE(header(BulkFrame::data, 0));
  EXPECT_FALSE(header(BulkFrame::request, bulk_small_frame_max + 1));
  EXPECT_FALSE(header(static_cast<BulkFrame>('z'), 1));
}

}  // namespace
}  // namespace troupe::cluster
