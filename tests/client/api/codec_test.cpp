// The small pure parts: strings, addresses, ranges, log lines.
#include "client/api/http_service.hpp"
#include "client/api/json_text.hpp"
#include "client/api/log_lines.hpp"
#include "client/api/send_file.hpp"

#include <gtest/gtest.h>

namespace troupe::api {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonText, EscapesAndRepairs) {
  EXPECT_EQ(quoted("a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\n\\u0001\"");
  EXPECT_EQ(quoted("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"");
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(quoted("a\xff"), "\"a" + bad + "\"");
  EXPECT_EQ(quoted("\xed\xa0\x80"), "\"" + bad + bad + bad + "\"");  // a surrogate
  EXPECT_EQ(quoted("\xc0\xaf"), "\"" + bad + bad + "\"");            // overlong
  EXPECT_EQ(quoted("\xe2\x82"), "\"" + bad + bad + "\"");            // cut short
}

TEST(Url, TakesApart) {
  auto url = parse_url("/a%20b/c?x=1%262&y&z=a+b");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->path, (std::vector<std::string>{"a b", "c"}));
  EXPECT_EQ(url->query.at("x"), "1&2");
  EXPECT_EQ(url->query.at("y"), "");
  EXPECT_EQ(url->query.at("z"), "a b");
  EXPECT_TRUE(parse_url("/"));
  for (const char* bad : {"", "a", "/a/", "//", "/.", "/a/../b", "/%2e%2e", "/a%2fb", "/%", "/%1",
                          "/%g0", "/a?x=%", "/a?x=1&x=2", "http://x/a"})
    EXPECT_FALSE(parse_url(bad)) << bad;
}

TEST(Range, OneRangeOnly) {
  auto range = [](std::string_view text) { return parse_range(text, 10); };
  EXPECT_EQ(range("bytes=2-4")->first, 2u);
  EXPECT_EQ(range("bytes=2-4")->end, 5u);
  EXPECT_EQ(range("bytes=2-")->end, 10u);
  EXPECT_EQ(range("bytes=2-99")->end, 10u);
  EXPECT_EQ(range("bytes=-3")->first, 7u);
  EXPECT_EQ(range("bytes=-99")->first, 0u);
  EXPECT_EQ(range("bytes=10-")->first, range("bytes=10-")->end);
  EXPECT_EQ(range("bytes=2-18446744073709551615")->end, 10u);
  for (const char* bad : {"", "bytes=", "bytes=-", "bytes=a-b", "bytes=4-2", "bytes=1-2,3-4",
                          "lines=1-2", "bytes=1-x", "bytes=--1"})
    EXPECT_FALSE(range(bad)) << bad;
}

TEST(LogLines, ReadsTheStoredForm) {
  auto line = parse_stored_line("2026-11-21T01:29:00.123456Z 12e P half a line");
  EXPECT_EQ(line.rank, 12u);
  EXPECT_EQ(line.stream, 'e');
  EXPECT_TRUE(line.partial);
  EXPECT_EQ(line.text, "half a line");
  EXPECT_EQ(parse_stored_line("2026 0o F").text, "");
  EXPECT_EQ(parse_stored_line("2026 0o F ").text, "");
  for (const char* odd : {"", "plain", "a b", "a b c", "a 0o X text", "a xo F text"})
    EXPECT_EQ(parse_stored_line(odd).text, odd);
  EXPECT_EQ(log_as_text("t 0o P ab\nt 0o F cd\nt 0o F \n"), "abcd\n\n");
}

TEST(Hosts, NamesMustBeKnown) {
  ServerOptions options;
  options.allowed_hosts = {"head.example"};
  for (const char* good :
       {"localhost", "LOCALHOST:7070", "127.0.0.1:1", "10.0.0.7", "[::1]:80", "head.example:7070"})
    EXPECT_TRUE(host_is_ours(good, options)) << good;
  for (const char* bad : {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                          "localhost, evil.example", "[::1", "head.example.evil:7070"})
    EXPECT_FALSE(host_is_ours(bad, options)) << bad;
}

}  // namespace
}  // namespace troupe::api
