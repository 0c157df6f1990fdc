// Values over HTTP: what Horovod's Gloo asks, and what nobody should.
#include "gpu/comm/http_values.hpp"

#include "gpu/comm/store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::comm {
namespace {

using testing::EndsWith;
using testing::StartsWith;

std::string asked(HttpValues& values, const std::string& line, const std::string& body = "") {
  auto answer = values.answer(line + " HTTP/1.1\r\nHost: n1:20002\r\nContent-length:  " +
                              std::to_string(body.size()) + "\r\n\r\n" + body);
  return answer.value_or("more");
}

TEST(HttpValues, ArePutAndGotAsTheyAre) {
  HttpValues values;
  const std::string bytes{"\0\r\n\r\n\xff", 6};
  EXPECT_THAT(asked(values, "GET /global/0"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(asked(values, "PUT /global/0", bytes), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(asked(values, "GET /global/0"),
              EndsWith("\r\nContent-Length: 6\r\nConnection: close\r\n\r\n" + bytes));
  EXPECT_THAT(asked(values, "PUT /global/0", "other"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(asked(values, "GET /global/0"), EndsWith("\r\n\r\nother"));
  EXPECT_THAT(asked(values, "GET /local_n1/0"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(asked(values, "DELETE /global/0"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(asked(values, "GET /global/0"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(values.answer("GET /a HTTP/1.0\r\n\r\n").value(), StartsWith("HTTP/1.1 404 "));
}

TEST(HttpValues, WaitForTheRestOfARequest) {
  HttpValues values;
  const std::string whole = "PUT /a/b HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz";
  for (size_t bytes = 0; bytes < whole.size(); ++bytes)
    EXPECT_FALSE(values.answer(whole.substr(0, bytes))) << bytes;
  EXPECT_TRUE(values.answer(whole));
  EXPECT_THAT(asked(values, "GET /a/b"), EndsWith("xyz"));
}

TEST(HttpValues, RefuseWhatIsNoRequestOrTooMuch) {
  HttpValues values;
  EXPECT_THAT(asked(values, "POST /a/b", "x"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(asked(values, "GET a"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(asked(values, "GET"), StartsWith("HTTP/1.1 400 "));
  for (const char* length : {"x", "-1", "3x", "99999999999999999999"})
    EXPECT_THAT(
        values.answer(std::string{"PUT /a HTTP/1.1\r\nContent-Length: "} + length + "\r\n\r\n")
            .value(),
        StartsWith("HTTP/1.1 400 "))
        << length;
  EXPECT_THAT(values.answer("PUT /a HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n").value(),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(values.answer(std::string(9000, 'x')).value(), StartsWith("HTTP/1.1 431 "));
  const std::string big(1u << 20, 'x');
  for (int i = 0; i < 63; ++i)
    EXPECT_THAT(asked(values, "PUT /a/" + std::to_string(i), big), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(asked(values, "PUT /a/64", big), StartsWith("HTTP/1.1 507 "));
  EXPECT_THAT(asked(values, "DELETE /a/0"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(asked(values, "PUT /a/64", big), StartsWith("HTTP/1.1 200 "));
}

std::string over_tcp(uint16_t port, const std::string& request) {
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  auto fd = connect_tcp({"127.0.0.1", port}, until);
  if (!fd || !send_fully(fd->get(), request.data(), request.size(), until)) return "no connection";
  std::string answer;
  for (char byte; receive_fully(fd->get(), &byte, 1, until);) answer += byte;
  return answer;
}

TEST(HttpValues, AreServedBesideTheStoreToTheJobsOwnAddressesAlone) {
  auto ours = StoreServer::start({"127.0.0.1", 0}, "secret", {"10.0.0.7", "127.0.0.1"});
  auto others = StoreServer::start({"127.0.0.1", 0}, "secret", {"10.0.0.7"});
  auto nobody = StoreServer::start({"127.0.0.1", 0}, "secret");
  ASSERT_TRUE(ours && others && nobody);
  const std::string put = "PUT /a/b HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz";
  EXPECT_THAT(over_tcp((*ours)->port(), put), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(over_tcp((*ours)->port(), "GET /a/b HTTP/1.1\r\n\r\n"), EndsWith("xyz"));
  EXPECT_THAT(over_tcp((*others)->port(), put), StartsWith("HTTP/1.1 403 "));
  EXPECT_EQ(over_tcp((*nobody)->port(), put + std::string(100, 'x')), "");
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  auto store = TcpStore::open({"127.0.0.1", (*ours)->port()}, "secret", false, until);
  ASSERT_TRUE(store);
  EXPECT_TRUE((*store)->set("key", "value"));
  EXPECT_EQ((*store)->get("/a/b").value(), std::nullopt) << "they are apart";
}

}  // namespace
}  // namespace troupe::comm
