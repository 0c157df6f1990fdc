// Joining and linking, by peers that mean well.
#include "runtime/cluster/join_desk.hpp"
#include "tests/runtime/cluster/frames.hpp"
#include "tests/runtime/cluster/link_fixture.hpp"
#include "tests/temp_dir.hpp"

namespace troupe::cluster {
namespace {

const auto head_frame = frame(0, some_node_id('h') + "ports");

/// Writes to a socket whose end may be gone.
void put(int fd, const std::string& bytes) {
  EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

class Links : public LinkTest {
 protected:
  struct Pair {
    std::shared_ptr<Link> head;
    std::shared_ptr<UniqueFd> worker;
  };
  /// Both ends of the next link, after the head's first frame has crossed.
  Pair next_link(Worker& worker) {
    Pair pair;
    if (auto link = links.take()) pair.head = *link;
    EXPECT_TRUE(pair.head);
    if (!pair.head) return pair;
    put(pair.head->fd.get(), head_frame);
    if (auto fd = worker.links.take()) pair.worker = *fd;
    EXPECT_TRUE(pair.worker);
    if (!pair.worker) return pair;
    EXPECT_EQ(read_some(pair.worker->get(), head_frame.size()), head_frame);
    return pair;
  }
  struct Member {
    Result<Joined> joined;
    std::unique_ptr<Worker> worker;
    Pair pair;
  };
  /// The worker w1, joined and linked; without `pair.worker` where that failed.
  Member linked_member() {
    Member member{join("w1"), nullptr, {}};
    EXPECT_TRUE(member.joined);
    if (!member.joined) return member;
    member.worker = dial(*member.joined, hello("one"));
    member.pair = next_link(*member.worker);
    return member;
  }
};

TEST_F(Links, AMachineWithATokenJoinsAndItsFramesCross) {
  auto [joined, worker, pair] = linked_member();
  ASSERT_TRUE(pair.worker);
  EXPECT_EQ(pair.head->name, "w1");
  EXPECT_EQ(pair.head->hello.version, "1.2.3");
  auto frames = frame(1, some_node_id('w') + "me") + frame(2, std::string(3'000'000, 'x'));
  std::thread writer{[&] {
    std::string_view left{frames};
    while (!left.empty()) {
      auto n = ::send(pair.worker->get(), left.data(), left.size(), MSG_NOSIGNAL);
      if (n <= 0) break;
      left.remove_prefix(static_cast<size_t>(n));
    }
  }};
  EXPECT_EQ(read_some(pair.head->fd.get(), frames.size()), frames);
  writer.join();
  put(pair.head->fd.get(), frame(2, "an order"));
  EXPECT_EQ(read_some(pair.worker->get(), 32 + 8), frame(2, "an order"));
}

TEST_F(Links, EndsAreToldOnBothSidesAndTheWorkerDialsAgain) {
  auto [joined, worker, first] = linked_member();
  ASSERT_TRUE(first.worker);
  server->close(first.head->number);
  auto end = ends.take();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->number, first.head->number);
  EXPECT_EQ(end->name, "w1");
  ASSERT_TRUE(worker->ends.take());
  auto second = next_link(*worker);
  ASSERT_TRUE(second.worker);
  EXPECT_NE(second.head->number, first.head->number);

  worker->client->hang_up();
  ASSERT_TRUE(ends.take());
  auto third = next_link(*worker);
  ASSERT_TRUE(third.worker);

  // CAF closing its end is an end too.
  third.worker->reset();
  ASSERT_TRUE(ends.take());
  ASSERT_TRUE(next_link(*worker).worker);
}

TEST_F(Links, AWorkerWaitsForAHeadThatIsAway) {
  auto joined = join("w1");
  ASSERT_TRUE(joined);
  auto port = server->port();
  auto worker = dial(*joined, hello("one"));
  ASSERT_TRUE(next_link(*worker).worker);
  server->stop();
  ASSERT_TRUE(worker->ends.take());
  ASSERT_TRUE(worker->ends.take()) << "it goes on dialling";
  server.reset();
  LinkServerOptions options;
  options.port = port;
  options.authority = authority.certificate;
  options.identity = *make_head_identity(authority, clock->now());
  options.hello = hello("head again");
  options.clock = clock;
  LinkServerEvents events;
  events.on_join = [](const JoinRequest&) -> Result<std::string> { return std::string{}; };
  events.on_link = [this](Link link) { links.put(std::make_shared<Link>(std::move(link))); };
  events.on_end = [](uint64_t, const std::string&, const Error&) {};
  auto again = LinkServer::start(std::move(options), std::move(events));
  ASSERT_TRUE(again) << to_string(again.error());
  server = std::move(*again);
  EXPECT_TRUE(next_link(*worker).worker);
}

TEST_F(Links, OneNameOneWorker) {
  auto [joined, worker, pair] = linked_member();
  ASSERT_TRUE(pair.worker);
  auto twin = dial(*joined, hello("two"));
  auto refused = twin->ends.take();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Errc::conflict);
  EXPECT_NE(refused->what.find("w1"), std::string::npos);
  auto second = join("w1");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::conflict);
  // The first is not disturbed; when it goes, its successor comes in.
  put(pair.head->fd.get(), frame(2, "x"));
  EXPECT_EQ(read_some(pair.worker->get(), 33), frame(2, "x"));
  worker->client->stop();
  ASSERT_TRUE(ends.take());
  EXPECT_TRUE(next_link(*twin).worker);
}

TEST_F(Links, AWorkerThatWasRemovedIsCutAndCannotReturn) {
  TempDir dir;
  auto desk = *JoinDesk::open(dir.path(), clock);
  desk->set_address("127.0.0.1:7071");
  authority = *read_identity(dir.path() + "/cluster/authority");
  admit = [desk](const std::string& name) { return desk->admit(name); };
  start();
  auto request = [&](const std::string& token, const KeyRequest& key) {
    return JoinRequest{hello("i"), "w1", token, key.request};
  };
  auto key = *make_key_request();
  auto first = desk->join(request(desk->make_token(10min), key));
  ASSERT_TRUE(first) << to_string(first.error());
  Joined joined{{key.key, *first}, authority.certificate};
  auto worker = dial(joined, hello("one"));
  ASSERT_TRUE(next_link(*worker).worker);

  ASSERT_TRUE(desk->remove("w1"));
  server->drop("w1");
  ASSERT_TRUE(ends.take()) << "its link is cut";
  auto refused = worker->ends.take_until([](const Error& e) { return e.code == Errc::refused; });
  ASSERT_TRUE(refused);
  EXPECT_NE(refused->detail.find("removed"), std::string::npos) << refused->detail;
  worker->client->stop();

  // With a new token it is a worker like any other, also for a head that was restarted meanwhile.
  desk = *JoinDesk::open(dir.path(), clock);
  desk->set_address("127.0.0.1:7071");
  EXPECT_FALSE(desk->admit("w1"));
  auto anew = *make_key_request();
  auto second = desk->join(request(desk->make_token(10min), anew));
  ASSERT_TRUE(second) << to_string(second.error());
  admit = [desk](const std::string& name) { return desk->admit(name); };
  start();
  auto back = dial({{anew.key, *second}, authority.certificate}, hello("two"));
  auto pair = next_link(*back);
  ASSERT_TRUE(pair.worker);
  EXPECT_EQ(pair.head->name, "w1");
  auto old = dial(joined, hello("one"));
  ASSERT_TRUE(old->ends.take_until([](const Error& e) { return e.code == Errc::refused; }));
}

TEST_F(Links, AClockThatIsADayOffKeepsNobodyOut) {
  for (auto off : {-24h, 24h}) {
    auto far = Timestamp{clock->now().us + std::chrono::microseconds{off}.count()};
    authority = *make_authority(far);
    start();
    auto key = *make_key_request();
    auto certificate = sign_worker(authority, key.request, "w1", far);
    ASSERT_TRUE(certificate);
    auto worker = std::make_unique<Worker>();
    LinkClientOptions options{address(),    {{key.key, *certificate}, authority.certificate},
                              hello("one"), std::make_shared<VirtualClock>(far),
                              20ms,         50ms};
    LinkClientEvents events;
    events.on_link = [w = worker.get()](UniqueFd fd, const LinkHello&) {
      w->links.put(std::make_shared<UniqueFd>(std::move(fd)));
    };
    events.on_end = [](const Error&) {};
    worker->client = LinkClient::start(std::move(options), std::move(events));
    auto pair = next_link(*worker);
    ASSERT_TRUE(pair.worker);
    auto told = skew_text(pair.head->hello.time_us, clock->now().us);
    EXPECT_NE(told.find(off < 0h ? "behind" : "ahead"), std::string::npos) << told;
  }
}

TEST_F(Links, AProcessThatDialsAgainReplacesItsDeadLink) {
  auto [joined, worker, pair] = linked_member();
  ASSERT_TRUE(pair.worker);
  auto again = dial(*joined, hello("one"));
  auto end = ends.take();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->number, pair.head->number);
  worker->client->stop();
  EXPECT_TRUE(next_link(*again).worker);
}

TEST_F(Links, OtherVersionsAreRefusedAndBothAreNamed) {
  auto old = join_cluster(address(), token(), "w1", *make_key_request(),
                          LinkHello{6, "1.0.0", "i", 0, ""}, *clock);
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().code, Errc::refused);
  EXPECT_NE(old.error().detail.find("1.0.0"), std::string::npos);
  EXPECT_NE(old.error().detail.find("1.2.3"), std::string::npos);
  auto joined = join("w1");
  ASSERT_TRUE(joined);
  auto worker = dial(*joined, LinkHello{8, "2.0.0", "i", 0, ""});
  auto refused = worker->ends.take();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Errc::refused);
  EXPECT_NE(refused->detail.find("2.0.0"), std::string::npos);
  EXPECT_NE(refused->detail.find("1.2.3"), std::string::npos);
}

TEST_F(Links, BadTokensAreToldApart) {
  auto key = *make_key_request();
  auto with = [&](const JoinToken& which) {
    auto answer = join_cluster(address(), which, "w1", key, hello("i"), *clock);
    return answer ? Error{} : answer.error();
  };
  auto expired = tokens.make("h:1", *fingerprint(authority.certificate),
                             Timestamp{clock->now().us - int64_t{3600} * 1'000'000}, 1min);
  EXPECT_NE(with(expired).what.find("expired"), std::string::npos);

  auto foreign =
      JoinTokens{"other"}.make("h:1", *fingerprint(authority.certificate), clock->now(), 1min);
  EXPECT_NE(with(foreign).detail.find("did not make it"), std::string::npos);

  auto used = token();
  ASSERT_TRUE(join_cluster(address(), used, "w0", *make_key_request(), hello("i"), *clock));
  EXPECT_NE(with(used).what.find("used before"), std::string::npos);

  auto other_head = token();
  other_head.fingerprint = std::string(64, '0');
  auto wrong = with(other_head);
  EXPECT_EQ(wrong.code, Errc::refused);
  EXPECT_NE(wrong.what.find("not the head"), std::string::npos);
  EXPECT_TRUE(join("w1")) << "and a good one works all the same";
}

TEST_F(Links, ALostAnswerCanBeAskedForAgainWithTheSameKey) {
  auto key = *make_key_request();
  auto one = token();
  EXPECT_TRUE(join_cluster(address(), one, "w1", key, hello("i"), *clock));
  EXPECT_TRUE(join_cluster(address(), one, "w1", key, hello("i"), *clock));
}

TEST(LinkProtocol, ClocksThatDifferAreTold) {
  constexpr int64_t hour_us = int64_t{3600} * 1'000'000;
  constexpr int64_t now = 1'790'000'000'000'000;
  EXPECT_EQ(skew_text(now + 59'000'000, now), "");
  EXPECT_EQ(skew_text(now - 24 * hour_us, now), duration_text(24h) + " behind");
  EXPECT_EQ(skew_text(now + 2 * hour_us, now), duration_text(2h) + " ahead");
  EXPECT_NE(skew_text(INT64_MIN, now), "");
  EXPECT_NE(skew_text(INT64_MAX, now), "");
}

TEST(LinkAddress, IsAHostAndAPort) {
  EXPECT_EQ(parse_address("head")->port, default_cluster_port);
  EXPECT_EQ(parse_address("head:80")->port, 80);
  EXPECT_EQ(parse_address("[::1]:80")->host, "::1");
  EXPECT_EQ(parse_address("::1")->host, "::1");
  for (const char* bad : {"", ":80", "head:", "head:0", "head:65536", "head:x", "a b:1", "h/x:1"})
    EXPECT_FALSE(parse_address(bad)) << bad;
}

}  // namespace
}  // namespace troupe::cluster
