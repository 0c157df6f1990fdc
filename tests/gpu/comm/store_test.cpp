// The ranks' store, asked by those who do not finish their question.
#include "gpu/comm/store.hpp"

#include "gpu/comm/doorman.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace troupe::comm {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct Store : testing::Test {
  void SetUp() override {
    auto started = StoreServer::start({"127.0.0.1", 0}, "secret", {"127.0.0.1"});
    ASSERT_TRUE(started) << to_string(started.error());
    server = std::move(*started);
  }
  Endpoint at() const { return {"127.0.0.1", server->port()}; }
  /// A rank that was let in, and has said so much.
  UniqueFd begun(const std::string& said) const {
    auto until = Clock::now() + 10s;
    auto fd = connect_tcp(at(), until);
    EXPECT_TRUE(fd && introduce(fd->get(), "secret", {}, until));
    EXPECT_TRUE(send_fully(fd->get(), said.data(), said.size(), until));
    return std::move(*fd);
  }
  std::unique_ptr<TcpStore> rank() const {
    return std::move(TcpStore::open(at(), "secret", false, Clock::now() + 10s).value());
  }

  std::unique_ptr<StoreServer> server;
};

const std::string half{"\1\0\0\0s\3\0\0\0ke", 11};
const std::string rest{"y\5\0\0\0value", 10};

TEST_F(Store, AnswersOthersWhileOneHasSaidHalfOfItsRequest) {
  auto began = Clock::now();
  std::vector<UniqueFd> stopped;
  for (const auto& said : {std::string{}, half.substr(0, 2), half}) stopped.push_back(begun(said));
  auto http = connect_tcp(at(), Clock::now() + 10s);
  ASSERT_TRUE(http && send_fully(http->get(), "PUT /a", 6, Clock::now() + 10s));
  auto store = rank();
  for (int i = 0; i < 20; ++i) {
    auto key = std::to_string(i);
    ASSERT_TRUE(store->set(key, key));
    EXPECT_EQ(store->get(key).value(), key);
  }
  // Each of them would be waited for 5 s.
  EXPECT_LT(Clock::now() - began, 3s);
  ASSERT_TRUE(send_fully(stopped.back().get(), rest.data(), rest.size(), Clock::now() + 10s));
  char answer[5];
  ASSERT_TRUE(receive_fully(stopped.back().get(), answer, sizeof answer, Clock::now() + 10s));
  EXPECT_EQ(std::string(answer, 5), (std::string{"\1\0\0\0+", 5}));
  EXPECT_EQ(store->get("key").value(), "value");
}

TEST_F(Store, AnswersOthersWhileOneDoesNotTakeItsAnswer) {
  const std::string big(1u << 20, 'x');
  ASSERT_TRUE(server->values().set("big", big));
  auto ask = std::string{"\1\0\0\0g\3\0\0\0big\0\0\0\0", 16};
  std::vector<UniqueFd> deaf;
  for (int i = 0; i < 8; ++i) deaf.push_back(begun(ask));
  auto began = Clock::now();
  auto store = rank();
  EXPECT_EQ(store->get("big").value(), big);
  EXPECT_LT(Clock::now() - began, 3s);
  std::string answer(5 + big.size(), '\0');
  for (auto& fd : deaf)
    ASSERT_TRUE(receive_fully(fd.get(), answer.data(), answer.size(), Clock::now() + 10s));
  EXPECT_EQ(answer.substr(4), "+" + big);
}

TEST_F(Store, SendsAwayWhoSaysTooMuch) {
  auto fd = begun(std::string{"\1\0\0\0s\0\0\0\x7f", 9});
  char byte;
  auto came = receive_fully(fd.get(), &byte, 1, Clock::now() + 3s);
  ASSERT_FALSE(came);
  EXPECT_EQ(came.error().code, Errc::unavailable) << to_string(came.error());
}

TEST_F(Store, RefusesATextThatIsTooLongAtOnce) {
  auto began = Clock::now();
  auto set = rank()->set("key", std::string((1u << 20) + 1, 'x'));
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code, Errc::invalid) << to_string(set.error());
  EXPECT_LT(Clock::now() - began, 3s);
}

/// Where many ranks meet, one of them asks for each of the others.
TEST_F(Store, AnswersWithoutWaitingForAcknowledgements) {
  auto store = rank();
  ASSERT_TRUE(store->set("key", "value"));
  auto began = Clock::now();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(store->get("key").value(), "value");
  EXPECT_LT(Clock::now() - began, 2s) << "40 ms each, where small writes wait for each other";
}

TEST_F(Store, LetsMoreInThanItServesAtOnce) {
  std::vector<UniqueFd> outside;
  for (int i = 0; i < 300; ++i) {
    auto fd = connect_tcp(at(), Clock::now() + 10s);
    ASSERT_TRUE(fd);
    outside.push_back(std::move(*fd));
  }
  outside.clear();
  auto store = rank();
  EXPECT_TRUE(store->set("key", "value"));
}

TEST_F(Store, AnswersManyAtOnce) {
  std::vector<std::thread> ranks;
  std::atomic<int> right{0};
  for (int i = 0; i < 32; ++i)
    ranks.emplace_back([&, key = std::to_string(i)] {
      auto store = rank();
      for (int turn = 0; turn < 20; ++turn)
        if (store->set(key, key) && store->get(key).value() == key) ++right;
    });
  for (auto& one : ranks) one.join();
  EXPECT_EQ(right, 32 * 20);
}

}  // namespace
}  // namespace troupe::comm
