// The HTTP client against a small server of plain sockets, so that it can misbehave.
#include "client/cpp/client.hpp"
#include "runtime/core/fd.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace troupe::client {
namespace {

std::string answer(int status, const std::string& body, const std::string& more = {}) {
  return fmt::format("HTTP/1.1 {} x\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), more,
                     body);
}

/// Answers each request with what `reply` returns for it; an empty answer closes the connection.
class Server {
 public:
  using Reply = std::function<std::string(const std::string& request)>;

  explicit Server(Reply reply) : reply_{std::move(reply)} {
    listener_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_.get(), 16), 0);
    socklen_t length = sizeof address;
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port = ntohs(address.sin_port);
    thread_ = std::thread{[this] { accept_all(); }};
  }
  ~Server() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    for (auto& worker : workers_) worker.join();
  }

  Result<std::unique_ptr<Client>> client() const {
    return Client::connect({fmt::format("http://127.0.0.1:{}", port), "secret", "test"});
  }

  uint16_t port = 0;
  std::atomic<int> connections{0};

 private:
  void accept_all() {
    for (;;) {
      int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      ++connections;
      workers_.emplace_back([this, fd] { serve(UniqueFd{fd}); });
    }
  }

  void serve(UniqueFd fd) {
    std::string input;
    char buffer[4096];
    for (;;) {
      size_t head = input.find("\r\n\r\n");
      size_t body = 0;
      if (head != std::string::npos)
        if (auto at = input.find("Content-Length: "); at < head)
          body = std::stoul(input.substr(at + 16));
      if (head == std::string::npos || input.size() < head + 4 + body) {
        auto count = read(fd.get(), buffer, sizeof buffer);
        if (count <= 0) return;
        input.append(buffer, static_cast<size_t>(count));
        continue;
      }
      auto reply = reply_(input.substr(0, head + 4 + body));
      input.erase(0, head + 4 + body);
      if (reply.empty() || !write_all(fd.get(), reply)) return;
    }
  }

  Reply reply_;
  UniqueFd listener_;
  std::thread thread_;
  std::vector<std::thread> workers_;
};

TEST(HttpClient, SendsTheTokenAndKeepsTheConnection) {
  std::atomic<int> with_token{0};
  Server server{[&](const std::string& request) {
    if (request.find("Authorization: Bearer secret\r\n") != std::string::npos) ++with_token;
    return answer(200, R"({"user":"ada"})");
  }};
  auto client = server.client();
  ASSERT_TRUE(client);
  for (int i = 0; i < 3; ++i) {
    auto who = (*client)->whoami();
    ASSERT_TRUE(who) << to_string(who.error());
    EXPECT_EQ(who->find("user")->as_string(), "ada");
  }
  EXPECT_EQ(with_token, 3);
  EXPECT_EQ(server.connections, 1);
  client->reset();
}

TEST(HttpClient, ErrorsKeepTheirFourParts) {
  Server server{[](const std::string&) {
    return answer(404,
                  R"({"error":{"code":"not_found","message":"no 7","detail":"d","hint":"h"}})");
  }};
  auto client = server.client();
  ASSERT_TRUE(client);
  auto entry = (*client)->show({7, 0});
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error(), (Error{Errc::not_found, "no 7", "d", "h"}));
  client->reset();
}

TEST(HttpClient, ForeignErrorsAreNamedByStatus) {
  EXPECT_EQ(error_of(401, "<html>", "/x").code, Errc::unauthenticated);
  EXPECT_EQ(error_of(503, "", "/x").code, Errc::unavailable);
  EXPECT_EQ(error_of(418, "", "/x").code, Errc::invalid);
}

TEST(HttpClient, NobodyThereIsUnavailable) {
  uint16_t port = 0;
  {
    Server gone{[](const std::string&) { return answer(200, "{}"); }};
    port = gone.port;
  }
  auto client = Client::connect({fmt::format("http://127.0.0.1:{}", port), "", "test"});
  ASSERT_TRUE(client);
  auto who = (*client)->whoami();
  ASSERT_FALSE(who);
  EXPECT_EQ(who.error().code, Errc::unavailable);
  EXPECT_FALSE(who.error().hint.empty());
}

TEST(HttpClient, AClosedKeptConnectionIsOpenedAgain) {
  std::atomic<int> count{0};
  Server server{
      [&](const std::string&) { return ++count == 2 ? std::string{} : answer(200, "{}"); }};
  auto client = server.client();
  ASSERT_TRUE(client);
  EXPECT_TRUE((*client)->whoami());
  auto second = (*client)->whoami();
  EXPECT_TRUE(second) << to_string(second.error());
  EXPECT_EQ(server.connections, 2);
  client->reset();
}

TEST(HttpClient, SubmitsWithAKeyOfItsOwn) {
  std::string seen;
  Server server{[&](const std::string& request) {
    seen = request;
    return answer(201, R"({"id":"42","kind":"experiment","size":1,"repeated":false})");
  }};
  auto client = server.client();
  ASSERT_TRUE(client);
  Submission submission;
  submission.experiment.project = "p";
  submission.experiment.run.push_back({"", {"true"}});
  auto submitted = (*client)->submit(submission);
  ASSERT_TRUE(submitted) << to_string(submitted.error());
  client->reset();
  EXPECT_NE(seen.find("POST /api/v1/experiments HTTP/1.1\r\n"), std::string::npos);
  EXPECT_NE(seen.find("Idempotency-Key: "), std::string::npos);
  EXPECT_NE(seen.find(R"("run":[["true"]])"), std::string::npos);
}

TEST(HttpClient, StreamsLinesInPieces) {
  auto chunk = [](const std::string& text) {
    return fmt::format("{:x}\r\n{}\r\n", text.size(), text);
  };
  Server server{[&](const std::string&) {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("{\"text\":\"o") +
           chunk("ne\"}\n{\"text\":\"two\"}\n") + "0\r\n\r\n";
  }};
  auto client = server.client();
  ASSERT_TRUE(client);
  std::vector<std::string> lines;
  std::optional<bool> good;
  auto stream = (*client)->follow_logs(
      {42, 0}, "worker.0", 0, 0,
      [&](const Value& line) { lines.push_back(line.find("text")->as_string()); },
      [&](Result<void> end) { good = end.has_value(); });
  for (int i = 0; i < 100 && !good; ++i) (*client)->http().pump(Duration{1'000});
  EXPECT_EQ(good, true);
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two"}));
  stream.reset();
  client->reset();
}

TEST(HttpClient, SendsManyAndStopsAtTheFirstError) {
  constexpr int bad_one = 10, slots = 4;
  std::atomic<int> count{0};
  std::promise<void> over;
  auto until_over = over.get_future().share();
  Server server{[&](const std::string& request) {
    ++count;
    // Unanswered until the client has given up, so that nothing depends on whose turn it is.
    if (request.find("/later") != std::string::npos) until_over.wait();
    return request.find("/bad") == std::string::npos ? answer(200, "") : answer(403, "");
  }};
  auto client = server.client();
  ASSERT_TRUE(client);
  auto make = [](size_t at) -> Result<HttpRequest> {
    HttpRequest request;
    request.method = "PUT";
    request.path = at == bad_one ? "/bad" : at < bad_one ? "/good" : "/later";
    request.body = "x";
    return request;
  };
  EXPECT_TRUE((*client)->http().send_all(bad_one, slots, make));
  EXPECT_EQ(count, bad_one);
  EXPECT_LE(server.connections, slots);
  auto failed = (*client)->http().send_all(1000, slots, make);
  over.set_value();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::refused);
  EXPECT_LE(count, bad_one + bad_one + slots);
  client->reset();
}

TEST(Url, IsReadAndRefused) {
  EXPECT_EQ(parse_url("http://head:80/x/")->base, "/x");
  EXPECT_EQ(parse_url("head")->port, 7070);
  EXPECT_EQ(parse_url("http://[::1]:81")->host, "::1");
  for (const auto* bad : {"https://head", "ftp://head", "http://", "http://h:0", "http://h:x",
                          "http://user@h", "http://[::1"})
    EXPECT_FALSE(parse_url(bad)) << bad;
  EXPECT_EQ(url_encode("a b/c?"), "a%20b%2Fc%3F");
  EXPECT_EQ(url_encode("a/b", true), "a/b");
}

TEST(Events, AreCutFromAnyPieces) {
  std::vector<std::string> seen;
  EventParser parser;
  std::string text =
      ": hello\n\nid: 1\nevent: state\ndata: {\"a\":1}\n\ndata: x\r\ndata: y\r\n\r\n";
  for (char c : text) parser.add({&c, 1}, [&](std::string_view data) { seen.emplace_back(data); });
  EXPECT_EQ(seen, (std::vector<std::string>{"{\"a\":1}", "x\ny"}));
}

}  // namespace
}  // namespace troupe::client
