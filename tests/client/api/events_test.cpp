// The event stream: live, resumable, and ended by drain.
#include "harness.hpp"

namespace troupe::api {
namespace {

ServerOptions fast_heartbeat() {
  ServerOptions options;
  options.heartbeat = 50 * kj::MILLISECONDS;
  return options;
}

TEST(Events, StreamIsLiveAndResumes) {
  TestServer server{fast_heartbeat()};
  auto add = [&](const char* cause) {
    server.with([&](FakeService& fake, ApiServer&) { fake.add_event(cause); });
  };
  add("one");
  {
    RawClient client{server.port()};
    client.send(request_text("GET /api/v1/events?after=0"));
    EXPECT_NE(client.read_until("\"cause\":\"one\"").find("id: 1\nevent: state\ndata: {"),
              std::string::npos);
    add("two");
    EXPECT_NE(client.read_until("\"cause\":\"two\"").find("id: 2\n"), std::string::npos);
    EXPECT_NE(client.read_until(": still here").find(": still here"), std::string::npos);
  }
  add("three");
  RawClient again{server.port()};
  again.send(request_text("GET /api/v1/events?after=0", "", "Last-Event-ID: 2\r\n"));
  auto text = again.read_until("\"cause\":\"three\"");
  EXPECT_NE(text.find("id: 3\n"), std::string::npos);
  EXPECT_EQ(text.find("id: 2\n"), std::string::npos);
}

TEST(Events, OnePageAsJson) {
  TestServer server;
  server.with([](FakeService& fake, ApiServer&) {
    for (int i = 0; i < 5; ++i) fake.add_event("e");
  });
  auto reply =
      ask(server.port(), "GET /api/v1/events?after=1&limit=2", "", "Accept: application/json\r\n");
  const auto json = reply.json();
  EXPECT_EQ(json.find("last")->as_int(), 5);
  ASSERT_EQ(json.find("events")->as_list().size(), 2u);
  EXPECT_EQ(json.find("events")->as_list()[0].find("number")->as_int(), 2);
  EXPECT_EQ(ask(server.port(), "GET /api/v1/events", "", "Last-Event-ID: x\r\n").status, 400);
  EXPECT_EQ(ask(server.port(), "GET /api/v1/events?after=x").status, 400);
}

TEST(Events, DrainEndsStreams) {
  auto server = std::make_unique<TestServer>();
  RawClient client{server->port()};
  client.send(request_text("GET /api/v1/events"));
  client.read_until("retry: 1000");
  server.reset();
  EXPECT_TRUE(client.closed());
}

TEST(Events, AReaderThatDoesNotReadIsClosed) {
  ServerOptions options;
  options.write_timeout = 100 * kj::MILLISECONDS;
  TestServer server{options};
  RawClient client{server.port()};
  client.send(request_text("GET /api/v1/events"));
  client.read_until("retry: 1000");
  auto open = [&] {
    uint32_t count = 0;
    server.with([&](FakeService& fake, ApiServer& api) {
      for (int i = 0; i < 500; ++i) fake.add_event(std::string(2000, 'x'));
      count = api.connections();
    });
    return count;
  };
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  while (open() != 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(open(), 0u);
}

}  // namespace
}  // namespace troupe::api
