// Small submissions a second through parsing, checking and routing. Prints; asserts only that all
// were answered.
#include "harness.hpp"

#include <chrono>
#include <cstdio>

namespace troupe::api {
namespace {

TEST(Speed, SmallSubmissions) {
  TestServer server;
  constexpr int clients = 8, rounds = 20, pipelined = 50;
  auto one = request_text(
      "POST /api/v1/experiments",
      R"({"project":"p","name":"n","run":"true","params":{"lr":0.1,"n":3},"labels":{"a":"b"}})");
  std::string burst;
  for (int i = 0; i < pipelined; ++i) burst += one;
  auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int c = 0; c < clients; ++c)
    threads.emplace_back([&] {
      RawClient client{server.port()};
      for (int r = 0; r < rounds; ++r) {
        client.send(burst);
        for (int i = 0; i < pipelined; ++i) good += client.read_reply().status == 201 ? 1 : 0;
      }
    });
  for (auto& thread : threads) thread.join();
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(good, clients * rounds * pipelined);
  RecordProperty("requests_per_second", static_cast<int>(good / took.count()));
  std::printf("[ figures  ] %.0f submissions a second\n", good / took.count());
}

}  // namespace
}  // namespace troupe::api
