// Strangers at the port of a real head.
#include "bad_input.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::cluster {
namespace {

class BadHttp : public BadInput {
 protected:
  /// Sends the bytes, closes that direction, and answers all that comes back.
  std::string send(const std::string& bytes) {
    auto port = static_cast<uint16_t>(std::stoi(up_.url().substr(up_.url().rfind(':') + 1)));
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval limit{20, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    for (size_t sent = 0; sent < bytes.size();) {
      auto n = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<size_t>(n);
    }
    ::shutdown(fd, SHUT_WR);
    std::string answer;
    char piece[65536];
    ssize_t n = 0;
    while ((n = ::recv(fd, piece, sizeof piece, 0)) > 0) answer.append(piece, size_t(n));
    EXPECT_TRUE(n == 0 || errno == ECONNRESET) << "neither answered nor closed";
    ::close(fd);
    return answer;
  }
  std::string request(const std::string& line, const std::string& body = {},
                      const std::string& token = {}, const std::string& host = "localhost") {
    auto credential = token.empty() ? up_.token() : token;
    auto length = body.empty() ? "" : fmt::format("Content-Length: {}\r\n", body.size());
    return send(
        fmt::format("{} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n"
                    "Connection: close\r\n{}\r\n{}",
                    line, host, credential, length, body));
  }
  static void expect_status(const std::string& answer, int status) {
    EXPECT_TRUE(answer.starts_with(fmt::format("HTTP/1.1 {} ", status))) << answer.substr(0, 1000);
    if (status < 400) return;
    for (const char* part : {"\"code\":\"", "\"message\":\"", "\"detail\":\"", "\"hint\":\""}) {
      auto at = answer.find(part);
      ASSERT_NE(at, std::string::npos) << part << answer;
      EXPECT_NE(answer[at + std::string{part}.size()], '"') << part << " is empty: " << answer;
    }
  }
};

TEST_F(BadHttp, IsAnsweredWithAnError) {
  auto before = list();
  std::string good = R"({"project":"p","run":"true"})";
  expect_status(send("GET /api/v1/nodes HTTP/1.1\r\nHost: localhost\r\n\r\n"), 401);
  expect_status(request("GET /api/v1/nodes", {}, "tu_wrong"), 401);
  expect_status(request("POST /api/v1/experiments", good, "tj_1-1_00"), 401);
  expect_status(request("POST /api/v1/experiments", good, "wrong"), 401);
  expect_status(request("DELETE /api/v1/experiments/1"), 405);
  expect_status(request("PUT /api/v1/experiments", good), 405);
  expect_status(request("BREW /api/v1/nodes"), 405);
  expect_status(request("GET /api/v1/nothing"), 404);
  expect_status(request("GET /api/v1/experiments/abc"), 400);
  expect_status(request("GET /api/v1/../../owner.token"), 400);
  expect_status(request("GET /api/v1/experiments?limit=-1"), 400);
  expect_status(request("POST /api/v1/experiments", "{"), 400);
  expect_status(request("POST /api/v1/experiments", std::string(40, '[')), 400);
  expect_status(request("POST /api/v1/experiments", std::string(100'000, '[')), 400);
  expect_status(request("POST /api/v1/experiments", "{\"project\":\"p\",\"run\":\"\xff\"}"), 400);
  expect_status(request("POST /api/v1/experiments", std::string((1u << 20) + 1, ' ')), 413);
  expect_status(
      send("POST /api/v1/experiments HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
           up_.token() + "\r\nContent-Length: 999999999999\r\n\r\n"),
      413);
  // A page of another site whose name leads here: its browser sends that name.
  expect_status(request("POST /api/v1/experiments", good, {}, "evil.example"), 421);
  expect_status(request("GET /healthz", {}, {}, "evil.example:80"), 421);
  expect_status(
      request("POST /api/v1/experiments HTTP/1.1\r\nOrigin: http://evil.example\r\nX:", good), 403);
  for (const std::string& noise :
       {std::string("\x16\x03\x01\x02\x00", 5), std::string(4096, '\0'), std::string(100'000, 'A'),
        std::string("GET / HTTP/9.9\r\n\r\n"), std::string("\r\n\r\n\r\n"), std::string("GET")})
    (void)send(noise);
  EXPECT_EQ(list(), before);
  expect_status(request("GET /api/v1/nodes"), 200);
}

TEST_F(BadHttp, AJobsTokenIsGoodForItsOwnExperiment) {
  auto other = run_to_end("echo secret; echo file > $TROUPE_OUTPUT/file");
  auto id = up_.submit_shell("cat $TROUPE_TOKEN_FILE; echo; while [ ! -e " + up_.path("over") +
                             " ]; do sleep 0.01; done");
  ASSERT_TRUE(await([&] { return up_.log_text(id).ends_with("\n"); }));
  auto token = up_.log_text(id);
  token.pop_back();
  expect_status(request("GET /api/v1/experiments/" + id, {}, token), 200);
  auto before = list();
  for (const char* rest : {"", "/logs", "/metrics", "/outputs", "/outputs/file", "/why"}) {
    SCOPED_TRACE(rest);
    auto answer = request("GET /api/v1/experiments/" + other + rest, {}, token);
    expect_status(answer, 404);
    EXPECT_EQ(answer.find("secret"), std::string::npos);
  }
  expect_status(request("GET /api/v1/experiments", {}, token), 403);
  expect_status(request("POST /api/v1/experiments/" + other + ":kill", {}, token), 404);
  auto rerun = request("POST /api/v1/experiments/" + other + ":rerun", "{}", token);
  EXPECT_TRUE(rerun.starts_with("HTTP/1.1 40")) << rerun;
  auto more = request("POST /api/v1/experiments", R"({"project":"p","run":"true"})", token);
  expect_status(more, 403);
  auto events = request(
      "GET /api/v1/events?after=0&limit=100 HTTP/1.1\r\nAccept: application/json\r\nX:", {}, token);
  expect_status(events, 200);
  EXPECT_EQ(events.find("\"subject\":\"" + other + "\""), std::string::npos) << events;
  // Another job's signature does not fit, nor does a changed one.
  auto forged = token;
  forged.replace(forged.find('_') + 1, id.size(), other);
  expect_status(request("GET /api/v1/experiments/" + other, {}, forged), 401);
  auto changed = token;
  changed.back() = changed.back() == '0' ? '1' : '0';
  expect_status(request("GET /api/v1/experiments/" + id, {}, changed), 401);
  EXPECT_EQ(list(), before);
  write(up_.path("over"), "");
  EXPECT_EQ(up_.await_end(id), "FINISHED");
  expect_status(request("GET /api/v1/experiments/" + id, {}, token), 401);
}

}  // namespace
}  // namespace troupe::cluster
