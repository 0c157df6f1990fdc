#include "client/cli/arguments.hpp"

#include <gtest/gtest.h>

namespace troupe::cli {
namespace {

TEST(Arguments, EverythingAfterDashesIsTheCommand) {
  auto parsed = parse_arguments({"run", "--gpus", "2", "--", "python3", "a.py", "--gpus", "3"});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->get("gpus"), "2");
  EXPECT_EQ(*parsed->command, (std::vector<std::string>{"python3", "a.py", "--gpus", "3"}));
}

TEST(Arguments, OptionsStandBeforeAndAfterTheVerbAndItsArguments) {
  auto parsed = parse_arguments({"--context", "a", "logs", "42", "-f", "--tail=20", "-ojson"});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->verb->name, "logs");
  EXPECT_EQ(parsed->get("context"), "a");
  EXPECT_TRUE(parsed->has("follow"));
  EXPECT_EQ(parsed->get("tail"), "20");
  EXPECT_EQ(parsed->get("output"), "json");
  EXPECT_EQ(parsed->arguments, std::vector<std::string>{"42"});
}

TEST(Arguments, VerbsOfTwoWordsAndTheirOwnMeaningOfO) {
  auto parsed = parse_arguments({"out", "get", "42", "model.bin", "-o", "/tmp/x", "--json"});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->verb->name, "out get");
  EXPECT_EQ(parsed->get("dir"), "/tmp/x");
  EXPECT_FALSE(parsed->has("output"));
  EXPECT_TRUE(parsed->has("json"));
}

TEST(Arguments, RepeatedOptionsKeepTheirOrderAndValuesMayBeginWithADash) {
  auto parsed = parse_arguments({"run", "--param", "b=-1", "--param", "a=2", "--priority", "-5"});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->all("param"), (std::vector<std::string>{"b=-1", "a=2"}));
  EXPECT_EQ(parsed->get("priority"), "-5");
}

TEST(Arguments, UnknownWordsGetASuggestion) {
  auto verb = parse_arguments({"swep"});
  ASSERT_FALSE(verb);
  EXPECT_NE(verb.error().hint.find("troupe sweep"), std::string::npos);
  auto option = parse_arguments({"run", "--gpu", "1"});
  ASSERT_FALSE(option);
  EXPECT_NE(option.error().hint.find("--gpus"), std::string::npos);
}

TEST(Arguments, VerbsOfLaterVersionsSaySo) {
  auto parsed = parse_arguments({"serve", "digits"});
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().what.find("not in this version"), std::string::npos);
}

TEST(Arguments, ACommandWithoutDashesIsExplained) {
  auto parsed = parse_arguments({"run", "python3", "train.py"});
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().hint.find("troupe run -- python3 train.py"), std::string::npos);
}

TEST(Arguments, WrongUse) {
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"show"},
                                             {"show", "1", "2"},
                                             {"run", "--"},
                                             {"run", "--gpus"},
                                             {"ls", "--all=3"},
                                             {"ls", "-Z"},
                                             {"run", "--name", "a", "--name", "b"}})
    EXPECT_FALSE(parse_arguments(words)) << words.back();
}

TEST(Arguments, NumbersAreChecked) {
  auto parsed = parse_arguments({"ls", "--limit", "12x"});
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(parsed->number("limit", 1, 100));
  parsed = parse_arguments({"ls", "--limit", "12"});
  EXPECT_EQ(parsed->number("limit", 1, 100)->value(), 12U);
  EXPECT_FALSE(parsed->number("limit", 1, 10));
}

}  // namespace
}  // namespace troupe::cli
