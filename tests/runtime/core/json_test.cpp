#include "runtime/core/json.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace troupe {
namespace {

std::string problem(std::string_view text, JsonLimits limits = {}) {
  auto value = parse_json(text, limits);
  return value ? "" : value.error().what + ": " + value.error().detail;
}

std::string nested(size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST(Json, KeepsTypes) {
  auto value = parse_json(R"({"i":1,"f":1.0,"e":1e2,"s":"1","b":true,"n":null,"l":[],"m":{}})");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->find("i")->kind(), "int");
  EXPECT_EQ(value->find("f")->kind(), "float");
  EXPECT_EQ(value->find("e")->kind(), "float");
  EXPECT_EQ(value->find("s")->kind(), "string");
  EXPECT_EQ(value->find("b")->kind(), "bool");
  EXPECT_EQ(value->find("n")->kind(), "null");
  EXPECT_EQ(value->find("l")->kind(), "list");
  EXPECT_EQ(value->find("m")->kind(), "map");
}

TEST(Json, KeepsLargeIntegersExact) {
  for (const char* text : {"9223372036854775807", "-9223372036854775808", "9007199254740993"}) {
    auto value = parse_json(text);
    ASSERT_TRUE(value) << text;
    EXPECT_TRUE(value->is_int());
    EXPECT_EQ(json_text(*value), text);
  }
  EXPECT_TRUE(parse_json("9223372036854775808")->is_double());
  EXPECT_TRUE(parse_json("-9223372036854775809")->is_double());
}

TEST(Json, SaysOfAKeyGivenTwice) {
  EXPECT_NE(problem(R"({"a":1,"b":{"a":1,"c":2},"a":2})").find("key \"a\" is given twice"),
            std::string::npos);
  EXPECT_EQ(problem(R"({"a":{"a":1}})"), "");
}

TEST(Json, EndsAtItsLimits) {
  EXPECT_EQ(problem(nested(64)), "");
  EXPECT_NE(problem(nested(65)).find("deeper than 64"), std::string::npos);
  EXPECT_NE(problem(std::string(1'000'000, '[')).find("deeper"), std::string::npos);
  EXPECT_EQ(problem("[[1]]", {.depth_max = 2}), "");
  EXPECT_NE(problem("[[[1]]]", {.depth_max = 2}), "");
  EXPECT_EQ(problem("[1,2]", {.bytes_max = 5}), "");
  EXPECT_NE(problem("[1,2] ", {.bytes_max = 5}).find("6 bytes, at most 5"), std::string::npos);
}

TEST(Json, RefusesWhatIsNoneAndSaysWhere) {
  for (const char* text :
       {"",    " ",        "{",       "[1,]",  "{\"a\":}", "{a:1}",     "'a'",
        "NaN", "Infinity", "-",       "01",    "1 2",      "nul",       "\"\\x\"",
        "\"a", "[1}",      "// c\n1", "1e999", "\"\x01\"", "{\"a\":1,}"}) {
    auto value = parse_json(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().code, Errc::invalid);
    EXPECT_NE(value.error().detail.find("at byte"), std::string::npos) << text;
  }
}

TEST(Json, RefusesBytesThatAreNoUtf8) {
  for (std::string_view text : {"\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"",
                                "\"\xf8\x88\x80\x80\x80\"", "\"\xc0\xaf\"", "\"\\ud800\""})
    EXPECT_NE(problem(text), "") << text;
  EXPECT_EQ(problem("\"\xe2\x82\xac \\ud83d\\ude00\""), "");
}

TEST(Json, KeepsNulBytesInStrings) {
  auto value = parse_json(R"("a\u0000b")");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->as_string(), std::string("a\0b", 3));
  EXPECT_EQ(json_text(*value), R"("a\u0000b")");
}

TEST(Json, WritesWhatItCannotHoldAsText) {
  EXPECT_EQ(json_text(std::nan("")), "\"NaN\"");
  EXPECT_EQ(json_text(std::numeric_limits<double>::infinity()), "\"Infinity\"");
  EXPECT_EQ(json_text(-std::numeric_limits<double>::infinity()), "\"-Infinity\"");
}

TEST(Json, WritesValidTextWhateverTheBytes) {
  auto text = json_text(std::string{"a\xff\xfe b\n\"\\"});
  auto back = parse_json(text);
  ASSERT_TRUE(back) << text;
  EXPECT_NE(back->as_string().find("\xef\xbf\xbd"), std::string::npos);
}

TEST(Json, IsCanonical) {
  auto value = parse_json("{ \"b\" : [ 1 , 2.50 ] , \"a\" : \"\\u00e9\\/\" }");
  ASSERT_TRUE(value);
  EXPECT_EQ(json_text(*value), "{\"a\":\"\xc3\xa9/\",\"b\":[1,2.5]}");
  EXPECT_EQ(json_pretty(*value), "{\n  \"a\": \"\xc3\xa9/\",\n  \"b\": [\n    1,\n    2.5\n  ]\n}");
  EXPECT_EQ(*parse_json(json_pretty(*value)), *value);
}

}  // namespace
}  // namespace troupe
