// Peers on the cluster port that are silent, slow, broken or bad: none gets in, none costs much.
#include "runtime/cluster/dial.hpp"
#include "runtime/cluster/kj_text.hpp"
#include "tests/runtime/cluster/frames.hpp"
#include "tests/runtime/cluster/link_fixture.hpp"

#include <kj/debug.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>

namespace troupe::cluster {
namespace {

class HostilePeers : public LinkTest {
 protected:
  /// A plain connection to the port.
  UniqueFd connect() const {
    UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    return fd;
  }
  static void say(const UniqueFd& fd, const std::string& text) {
    (void)::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
  /// Whether the server hangs up, saying at most `bytes` before.
  static bool hung_up(const UniqueFd& fd, size_t bytes = 0) {
    while (true) {
      pollfd polled{fd.get(), POLLIN, 0};
      if (::poll(&polled, 1, 10'000) <= 0) return false;
      char piece[4096];
      auto n = ::recv(fd.get(), piece, sizeof piece, 0);
      if (n <= 0) return true;
      if (static_cast<size_t>(n) > bytes) return false;
      bytes -= static_cast<size_t>(n);
    }
  }
  /// Nobody was let in, and who means well still gets in.
  void expect_unharmed() {
    EXPECT_FALSE(links.take(0ms));
    auto joined = join("honest");
    ASSERT_TRUE(joined) << to_string(joined.error());
    auto worker = dial(*joined, hello("honest"));
    EXPECT_TRUE(links.take());
  }
  /// Speaks to the port with TLS, as `identity` or nobody; what the server answered, or why not.
  Result<std::string> speak(const std::string& trusted, const Identity* identity,
                            const std::string& bytes) {
    Result<std::string> result{std::string{}};
    std::thread{[&] {
      auto io = kj::setupAsyncIo();
      auto context = make_client_context(trusted, identity);
      auto failed = kj::runCatchingExceptions([&] {
        auto stream = open_connection(*io.provider, address(), link_opening).wait(io.waitScope);
        auto secure = context->wrapClient(kj::mv(stream), kj::StringPtr{"head"}).wait(io.waitScope);
        secure->write(bytes.data(), bytes.size()).wait(io.waitScope);
        auto text = io.provider->getTimer()
                        .timeoutAfter(10 * kj::SECONDS, read_text(*secure, greeting_bytes_max))
                        .wait(io.waitScope);
        result = text;
      });
      KJ_IF_MAYBE (exception, failed) {
        result = Error{Errc::refused, "refused", cause_of(*exception), ""};
      }
    }}.join();
    return result;
  }
};

int64_t cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto us = [](const timeval& t) { return int64_t{t.tv_sec} * 1'000'000 + t.tv_usec; };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

TEST_F(HostilePeers, GarbageIsHungUpOnAtOnce) {
  for (const auto& garbage :
       {std::string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n"}, std::string(100'000, '\xff'),
        std::string{"\x16\x03\x01\x02\x01\x01\x01\x01", 8}, std::string{"TROUPEX\n"},
        header(1, UINT32_MAX)}) {
    auto fd = connect();
    say(fd, garbage);
    EXPECT_TRUE(hung_up(fd));
  }
  expect_unharmed();
}

TEST_F(HostilePeers, SilentAndHalfOpenOnesAreCutAndPinNoCpu) {
  start(300ms);
  std::vector<UniqueFd> peers;
  for (int i = 0; i < 50; ++i) {
    peers.push_back(connect());
    if (i % 4 == 1) say(peers.back(), "TROU");
    if (i % 4 == 2) say(peers.back(), std::string{link_opening});
    if (i % 4 == 3) say(peers.back(), std::string{link_opening} + "\x16\x03\x01\x02");
  }
  auto cpu = cpu_us();
  auto began = std::chrono::steady_clock::now();
  for (const auto& peer : peers) EXPECT_TRUE(hung_up(peer));
  auto wall = std::chrono::steady_clock::now() - began;
  auto wall_us = std::chrono::duration_cast<std::chrono::microseconds>(wall).count();
  EXPECT_LT(cpu_us() - cpu, wall_us / 2 + 50'000);
  expect_unharmed();
}

TEST_F(HostilePeers, ASlowOneIsCutHoweverBusyItLooks) {
  start(300ms);
  auto fd = connect();
  bool cut = false;
  // Many bytes of a greeting, each in time: the patience is for the whole.
  for (char c : std::string{join_opening} + std::string(2000, '\x16')) {
    say(fd, std::string(1, c));
    pollfd polled{fd.get(), POLLIN, 0};
    if (::poll(&polled, 1, 5) > 0 && (cut = hung_up(fd, greeting_bytes_max))) break;
  }
  EXPECT_TRUE(cut);
  expect_unharmed();
}

TEST_F(HostilePeers, MoreThanTheLimitAreClosedUnread) {
  start(2s, 8);
  std::vector<UniqueFd> peers;
  for (int i = 0; i < 8; ++i) peers.push_back(connect());
  // Those in the queue are taken before this one.
  auto late = connect();
  EXPECT_TRUE(hung_up(late));
  peers.clear();
  // Their places are free when the server has heard that they are gone.
  auto until = std::chrono::steady_clock::now() + 10s;
  while (!join("first") && std::chrono::steady_clock::now() < until) {
  }
  expect_unharmed();
}

TEST_F(HostilePeers, WithoutACertificateNobodyIsLinked) {
  auto answer = speak(authority.certificate, nullptr, "\0\0\0\2{}");
  EXPECT_FALSE(answer);
  expect_unharmed();
}

TEST_F(HostilePeers, CertificatesOfAnotherAuthorityAreRefused) {
  auto other = *make_authority(clock->now());
  auto key = *make_key_request();
  Identity identity{key.key, *sign_worker(other, key.request, "w1", clock->now())};
  auto answer = speak(authority.certificate, &identity, "\0\0\0\2{}");
  EXPECT_FALSE(answer);
  // Nor does a worker talk to a head of another authority.
  auto joined = join("w1");
  ASSERT_TRUE(joined);
  auto mistaken = speak(other.certificate, &joined->identity, "\0\0\0\2{}");
  EXPECT_FALSE(mistaken);
  expect_unharmed();
}

TEST_F(HostilePeers, AHeadsCertificateIsNoWorkers) {
  auto identity = *make_head_identity(authority, clock->now());
  auto answer = speak(authority.certificate, &identity, std::string("\0\0\0\2{}", 6));
  EXPECT_FALSE(answer) << "its certificate is for servers";
  expect_unharmed();
}

TEST_F(HostilePeers, AHugeGreetingIsRefusedWithoutBeingTaken) {
  auto joined = join("w1");
  ASSERT_TRUE(joined);
  rusage before{}, after{};
  ::getrusage(RUSAGE_SELF, &before);
  auto answer = speak(authority.certificate, &joined->identity, "\xff\xff\xff\xff more to come");
  EXPECT_FALSE(answer);
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 << 10) << "KiB";
  expect_unharmed();
}

TEST_F(HostilePeers, AGreetingThatIsNoneIsAnsweredWithAnError) {
  auto joined = join("w1");
  ASSERT_TRUE(joined);
  for (const auto& greeting :
       {std::string("\0\0\0\2[]", 6), std::string("\0\0\0\1x", 5), std::string("\0\0\0\2{}", 6)}) {
    auto answer = speak(authority.certificate, &joined->identity, greeting);
    ASSERT_TRUE(answer) << to_string(answer.error());
    auto parsed = parse_link_hello(*answer);
    ASSERT_FALSE(parsed);
    EXPECT_FALSE(parsed.error().what.empty());
  }
  expect_unharmed();
}

TEST_F(HostilePeers, FramesThatWouldHurtCafNeverReachIt) {
  auto joined = join("w1");
  ASSERT_TRUE(joined);
  for (const auto& bad : {header(1, UINT32_MAX), header(2, 10), header(1, 0), frame(6, ""),
                          frame(0, some_node_id())}) {
    auto worker = dial(*joined, hello("bad"));
    auto link = links.take();
    ASSERT_TRUE(link);
    auto ports = frame(0, some_node_id('h'));
    ASSERT_EQ(::send((*link)->fd.get(), ports.data(), ports.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(ports.size()));
    auto fd = worker->links.take();
    ASSERT_TRUE(fd);
    (void)::send((**fd).get(), bad.data(), bad.size(), MSG_NOSIGNAL);
    auto end = ends.take();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->error.code, Errc::refused) << to_string(end->error);
    EXPECT_EQ(read_some((*link)->fd.get(), 1), "") << "CAF sees an end and nothing else";
    worker->client->stop();
    while (links.take(0ms)) {
    }
  }
}

TEST_F(HostilePeers, TwoWorkersOfOneNodeIdAreToldApart) {
  auto one = join("w1");
  auto two = join("w2");
  ASSERT_TRUE(one && two);
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::shared_ptr<Link>> heads;
  for (const auto& joined : {*one, *two}) {
    workers.push_back(dial(joined, hello("i")));
    auto link = links.take();
    ASSERT_TRUE(link);
    heads.push_back(*link);
    auto ports = frame(0, some_node_id('h'));
    (void)::send((*link)->fd.get(), ports.data(), ports.size(), MSG_NOSIGNAL);
    auto fd = workers.back()->links.take();
    ASSERT_TRUE(fd);
    auto mine = frame(1, some_node_id('s') + "same");
    (void)::send((**fd).get(), mine.data(), mine.size(), MSG_NOSIGNAL);
    if (heads.size() == 1) {
      EXPECT_EQ(read_some(heads[0]->fd.get(), mine.size()), mine);
    }
  }
  auto end = ends.take();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->name, "w2");
  EXPECT_EQ(end->error.code, Errc::conflict);
}

}  // namespace
}  // namespace troupe::cluster
