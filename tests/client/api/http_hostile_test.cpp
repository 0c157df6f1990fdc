// What no good client sends.
#include "harness.hpp"

namespace troupe::api {
namespace {

using namespace std::string_literals;

class HttpHostile : public ::testing::Test {
 protected:
  static ServerOptions quick() {
    ServerOptions options;
    options.header_timeout = 300 * kj::MILLISECONDS;
    options.body_timeout = 300 * kj::MILLISECONDS;
    options.allowed_hosts = {"head.example"};
    return options;
  }
  Reply raw(const std::string& text) {
    RawClient client{server.port()};
    client.send(text);
    return client.read_reply();
  }
  Reply post(const std::string& body) {
    return ask(server.port(), "POST /api/v1/experiments", body);
  }
  void still_alive() { EXPECT_EQ(ask(server.port(), "GET /api/v1/version").status, 200); }
  /// A four-part error that tells nothing of what is inside.
  static void expect_error(const Reply& reply, int status, const std::string& code) {
    EXPECT_EQ(reply.status, status) << reply.body;
    EXPECT_EQ(reply.error_part("code"), code);
    for (const char* part : {"message", "detail", "hint"})
      EXPECT_FALSE(reply.error_part(part).empty()) << part;
    for (const char* leak : {"kj", "c++", ".cpp", "exception", "expected"})
      EXPECT_EQ(reply.body.find(leak), std::string::npos) << reply.body;
  }
  static constexpr const char* head =
      " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n";

  TestServer server{quick()};
};

TEST_F(HttpHostile, NeedsATokenAlsoOnLoopback) {
  expect_error(raw("GET /api/v1/nodes HTTP/1.1\r\nHost: localhost\r\n\r\n"), 401,
               "unauthenticated");
  expect_error(raw("GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n"), 401, "unauthenticated");
  expect_error(raw("GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic x\r\n\r\n"),
               401, "unauthenticated");
  expect_error(
      raw("POST /api/v1/experiments HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer no\r\n"
          "Content-Length: 2\r\n\r\n{}"),
      401, "unauthenticated");
  EXPECT_EQ(raw("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 200);
}

TEST_F(HttpHostile, RefusesForeignHostsAndOrigins) {
  expect_error(raw("GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 421, "invalid");
  expect_error(raw("GET /healthz HTTP/1.1\r\n\r\n"), 421, "invalid");
  EXPECT_EQ(raw("GET /healthz HTTP/1.1\r\nHost: HEAD.example:70\r\n\r\n").status, 200);
  EXPECT_EQ(raw("GET /healthz HTTP/1.1\r\nHost: [::1]:7070\r\n\r\n").status, 200);
  auto body = R"({"project":"p","run":"true"})"s;
  auto with = [&](const std::string& origin) {
    return ask(server.port(), "POST /api/v1/experiments", body, "Origin: " + origin + "\r\n");
  };
  expect_error(with("http://evil.example"), 403, "refused");
  expect_error(with("null"), 403, "refused");
  EXPECT_EQ(with("http://localhost").status, 201);
}

TEST_F(HttpHostile, RefusesLengthsThatCouldSmuggle) {
  auto body = R"({"project":"p","run":"true"})"s;
  for (const char* length : {"-1", "+3", "0x3", "18446744073709551618", "", "3 ", "2, 2"}) {
    auto text =
        "POST /api/v1/experiments"s + head + "Content-Length: " + length + "\r\n\r\n" + body;
    auto reply = raw(text);
    if (reply.status != 0) {
      EXPECT_GE(reply.status, 400) << length;
      EXPECT_LT(reply.status, 500) << length;
      EXPECT_EQ(reply.error_part("code"), "invalid");
    }
  }
  auto chunked = "POST /api/v1/experiments"s + head +
                 "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n"
                 "GET /api/v1/nodes"s +
                 head + "\r\n";
  RawClient client{server.port()};
  client.send(chunked);
  expect_error(client.read_reply(), 411, "invalid");
  EXPECT_TRUE(client.closed());  // what is hidden behind it is never run
  EXPECT_EQ(client.read_until("nodes\":").find("nodes\":"), std::string::npos);
  auto both = raw("POST /api/v1/experiments"s + head +
                  "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
  EXPECT_EQ(both.status, 411);
  auto twice =
      raw("POST /api/v1/experiments"s + head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x");
  EXPECT_GE(twice.status, 400);
  EXPECT_LT(twice.status, 500) << twice.body;
  still_alive();
}

TEST_F(HttpHostile, RefusesWhatIsTooLarge) {
  auto announced = raw("POST /api/v1/experiments"s + head + "Content-Length: 99999999999\r\n\r\n");
  expect_error(announced, 413, "invalid");
  expect_error(ask(server.port(), "GET /api/v1/nodes", "{}"), 400, "invalid");
  expect_error(raw("GET /api/v1/nodes?x=" + std::string(9000, 'a') + head + "\r\n"), 414,
               "invalid");
  RawClient client{server.port()};
  client.send("GET /healthz HTTP/1.1\r\nX: " + std::string(200'000, 'a') + "\r\n\r\n");
  auto reply = client.read_reply();
  EXPECT_TRUE(reply.status == 0 || reply.status == 400) << reply.body;
  expect_error(post(R"({"project":"p","run":")" + std::string(700'000, 'a') + "\"}"), 400,
               "invalid");
  still_alive();
}

TEST_F(HttpHostile, RefusesBadTargets) {
  auto port = server.port();
  expect_error(ask(port, "GET /api/v1/nothing"), 404, "not_found");
  expect_error(ask(port, "GET /api/v1/nodes%zz"), 400, "invalid");
  expect_error(ask(port, "GET /api/v1/nodes%4"), 400, "invalid");
  expect_error(ask(port, "GET /api/v1/nodes%00"), 400, "invalid");
  expect_error(ask(port, "GET //api/v1/nodes"), 400, "invalid");
  expect_error(ask(port, "GET /api/v1/experiments/abc"), 400, "invalid");
  expect_error(ask(port, "GET /api/v1/experiments?limit=1&limit=2"), 400, "invalid");
  expect_error(ask(port, "GET /api/v1/experiments?limit=999999"), 400, "invalid");
  expect_error(ask(port, "GET /api/v1/experiments?state=RUNING"), 400, "invalid");
  EXPECT_EQ(ask(port, "GET /api/v1/experiments?projct=x").error_part("hint"),
            "did you mean `project`?");
  auto method = ask(port, "DELETE /api/v1/experiments/1");
  expect_error(method, 405, "invalid");
  EXPECT_NE(method.head.find("Allow: GET, HEAD"), std::string::npos) << method.head;
  auto unknown = ask(port, "BREW /api/v1/nodes");
  EXPECT_EQ(unknown.status, 405);
}

TEST_F(HttpHostile, RefusesBadSubmissions) {
  for (const char* body :
       {"",
        "{",
        "[]",
        "null",
        "1",
        "{\"project\":\"p\"}",
        R"({"project":1,"run":"a"})",
        R"({"project":"","run":"a"})",
        R"({"project":"p","run":""})",
        R"({"project":"p","run":[[]]})",
        R"({"project":"p","run":{"a":1}})",
        R"({"project":"p","run":"a","resources":{"mem":"2"}})",
        R"({"project":"p","run":"a","resources":{"gpus":-1}})",
        R"({"project":"p","run":"a","resources":{"gpus":1,"gpu_share":0}})",
        R"({"project":"p","run":"a","resources":{"gpus":1,"gpu_share":1.5}})",
        R"({"project":"p","run":"a","resources":{"gpus":4294967296}})",
        R"({"project":"p","run":"a","workers":0})",
        R"({"project":"p","run":"a","workers":"8..2"})",
        R"({"project":"p","run":"a","priority":101})",
        R"({"project":"p","run":"a","env":{"A=B":"c"}})",
        R"({"project":"p","run":"a\u0000b"})",
        R"({"project":"p","run":"a","after":["x"]})",
        R"({"project":"p","run":"a","parameters":[{"name":"x"}]})",
        R"({"project":"p","run":"a","parameters":[{"name":"x","range":{"min":2,"max":1}}]})",
        R"({"project":"p","run":"a","params":{"x":[1,1]}})"})
    expect_error(post(body), 400, "invalid");
  std::string deep = R"({"project":"p","run":"a","params":{"x":)";
  deep += std::string(5000, '[') + std::string(5000, ']') + "}}";
  expect_error(post(deep), 400, "invalid");
  auto typo = post(R"({"project":"p","run":"a","resources":{"cpu":1}})");
  expect_error(typo, 400, "invalid");
  EXPECT_EQ(typo.error_part("detail"), "resources: unknown field \"cpu\"");
  EXPECT_EQ(typo.error_part("hint"), "did you mean `cpus`?");
}

TEST_F(HttpHostile, AnExceptionInsideTellsNothing) {
  auto reply = post(R"({"project":"throws","run":"a"})");
  expect_error(reply, 500, "bug");
  EXPECT_EQ(reply.body.find("secret text"), std::string::npos);
  still_alive();
}

TEST_F(HttpHostile, SlowAndSilentClientsAreClosed) {
  RawClient silent{server.port()};
  RawClient slow_head{server.port()};
  slow_head.send("GET /healthz HT");
  RawClient slow_body{server.port()};
  slow_body.send("POST /api/v1/experiments"s + head + "Content-Length: 100\r\n\r\n{");
  RawClient slow_rpc{server.port()};
  slow_rpc.send("\0"s);
  EXPECT_EQ(slow_body.read_reply().status, 408);
  EXPECT_TRUE(silent.closed());
  EXPECT_TRUE(slow_head.closed());
  EXPECT_TRUE(slow_rpc.closed());
}

TEST_F(HttpHostile, ConnectionsAreLimited) {
  ServerOptions options;
  options.connections_max = 2;
  TestServer small{options};
  RawClient a{small.port()};
  RawClient b{small.port()};
  a.send(request_text("GET /healthz"));
  b.send(request_text("GET /healthz"));
  EXPECT_EQ(a.read_reply().status, 200);
  EXPECT_EQ(b.read_reply().status, 200);
  RawClient c{small.port()};
  expect_error(c.read_reply(), 503, "unavailable");
}

TEST_F(HttpHostile, PipelinedRequestsAreAnsweredInOrder) {
  RawClient client{server.port()};
  client.send(request_text("GET /healthz") + request_text("GET /api/v1/version"));
  EXPECT_EQ(client.read_reply().body, "ok\n");
  EXPECT_EQ(client.read_reply().json().find("api")->as_string(), "v1");
}

TEST_F(HttpHostile, GarbageIsClosed) {
  RawClient other{server.port()};
  other.send("\x16\x03\x01 tls hello");
  EXPECT_TRUE(other.closed());
  RawClient client{server.port()};
  client.send("GET \x01\x02 garbage\r\n\r\n");
  auto reply = client.read_reply();
  EXPECT_TRUE(reply.status == 0 || reply.status / 100 == 4) << reply.status;
  still_alive();
}

}  // namespace
}  // namespace troupe::api
