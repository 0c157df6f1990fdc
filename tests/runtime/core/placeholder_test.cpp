#include "runtime/core/placeholder.hpp"

#include "runtime/core/suggest.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <sys/wait.h>

namespace troupe {
namespace {

using Params = std::map<std::string, Value>;

std::string fill(const std::string& line, const Params& params) {
  auto filled = fill_placeholders(Command{line, {}}, params);
  return filled ? filled->shell : "error: " + to_string(filled.error());
}

/// What the real shell prints for a line.
std::string shell_output(const std::string& line) {
  std::string quoted = "sh -c " + shell_quote(line) + " 2>&1";
  FILE* pipe = ::popen(quoted.c_str(), "r");
  std::string out;
  std::array<char, 4096> buffer{};
  while (auto n = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
  ::pclose(pipe);
  return out;
}

TEST(Placeholder, FindsNamesWithAndWithoutSpaces) {
  auto found = find_placeholders("a {{lr}} b{{ hidden-units.1 }}c");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0].name, "lr");
  EXPECT_EQ((*found)[0].begin, 2u);
  EXPECT_EQ((*found)[0].end, 8u);
  EXPECT_EQ((*found)[1].name, "hidden-units.1");
}

TEST(Placeholder, RefusesOpenBracesAndBadNames) {
  for (auto text : {"{{lr", "x {{lr} y", "{{}}", "{{ }}", "{{a b}}", "{{1x}}", "{{{x}}}", "{{.N}}"})
    EXPECT_FALSE(find_placeholders(text)) << text;
  for (auto text : {"{x}", "}}", "{ {x} }", "", "{\"a\": {\"b\": 1}}"})
    EXPECT_TRUE(find_placeholders(text)) << text;
}

TEST(Placeholder, KeepsTypesInText) {
  Params params{{"i", 3}, {"f", 1e-4}, {"one", 1.0}, {"b", true}, {"s", "a b"}, {"n", Value{}}};
  EXPECT_EQ(fill("x {{i}} {{f}} {{one}} {{b}} {{s}} {{n}}", params),
            "x 3 0.0001 1.0 true 'a b' ''");
}

TEST(Placeholder, UnknownOneIsAnErrorWithASuggestion) {
  auto filled = fill_placeholders(Command{"x {{hiden}}", {}}, {{"hidden", 1}, {"lr", 2}});
  ASSERT_FALSE(filled);
  EXPECT_EQ(filled.error().code, Errc::invalid);
  EXPECT_EQ(filled.error().hint, "did you mean `hidden`?");
}

TEST(Placeholder, FillsArgumentsLiterally) {
  auto filled = fill_placeholders(Command{"", {"echo", "--x={{x}}", "{{x}}"}}, {{"x", "a 'b' $c"}});
  ASSERT_TRUE(filled);
  EXPECT_EQ(filled->argv, (std::vector<std::string>{"echo", "--x=a 'b' $c", "a 'b' $c"}));
}

TEST(Placeholder, HostileValuesStayOneWordInTheRealShell) {
  const std::vector<std::string> values{"plain",
                                        "a b",
                                        "$(echo HACKED)",
                                        "`echo HACKED`",
                                        "'; echo HACKED; '",
                                        "\"; echo HACKED; \"",
                                        "a\necho HACKED",
                                        "\\",
                                        "\\'; echo HACKED #",
                                        "$HOME",
                                        "*",
                                        "~",
                                        "# not a comment",
                                        "a=b",
                                        "2",
                                        "",
                                        "\\\"",
                                        "!!",
                                        "${IFS}",
                                        ") ; echo HACKED",
                                        "-n",
                                        "'",
                                        "\"'\"'",
                                        "\\\\\"$(echo HACKED)\""};
  // The value stands where % is in the output of each line.
  const std::vector<std::pair<std::string, std::string>> lines{
      {"printf '[%s]' {{x}}", "[%]"},
      {"printf '[%s]' --x={{x}}", "[--x=%]"},
      {"printf '[%s]' '{{x}}'", "[%]"},
      {"printf '[%s]' \"{{ x }}\"", "[%]"},
      {"printf '[%s]' \"a{{x}}b\"'c{{x}}d'{{x}}", "[a%bc%d%]"},
      {"printf '[%s]' \"$(printf '%s.' {{x}})\"", "[%.]"},
      {"printf '[%s]' \"$(printf '%s.' \"{{x}}\" '{{x}}')\"", "[%.%.]"},
      {"(printf '[%s]' {{x}})", "[%]"},
      {"(true)# it's {{x}}\nprintf ok", "ok"},
      {"printf ok # it's {{x}}\nprintf '[%s]' {{x}}", "ok[%]"},
      {"printf '[%s]' a#'{{x}}'", "[a#%]"},
      {"printf '[%s]' it\\'s\"{{x}}\"", "[it's%]"},
      {"printf '[%s]' \"it's \\\" {{x}}\"", "[it's \" %]"},
      {"printf '[%s]' \"$$\" >/dev/null; printf '[%s]' {{x}}", "[%]"},
      {"V=1; printf '[%s]' \"${V}{{x}}\"", "[1%]"},
      {"printf '[%s]' {{x}}>&1", "[%]"},
      {"case a in a) printf '[%s]' {{x}};; esac", "[%]"},
  };
  for (const auto& [line, expected] : lines)
    for (const auto& value : values) {
      auto filled = fill(line, {{"x", value}});
      std::string wanted;
      for (char c : expected)
        if (c == '%')
          wanted += value;
        else
          wanted += c;
      EXPECT_EQ(shell_output(filled), wanted) << filled;
    }
}

TEST(Placeholder, RefusesPlacesWhereNoValueIsSafe) {
  for (auto line : {"echo `cat {{x}}`", "echo \"`cat {{x}}`\"", "cat <<E\n{{x}}\nE", "echo \\{{x}}",
                    "echo \"\\{{x}}\"", "echo ${{x}}", "echo \"${{x}}\"", "echo $(({{x}} + 1))",
                    "echo ${V:-{{x}}}", "echo \"${V:-'{{x}}'}\"", "echo $'{{x}}'",
                    "echo \"$(case a in a) echo {{x}};; esac)\"", "echo \"$\\\n( {{x}} )\""}) {
    auto filled = fill_placeholders(Command{line, {}}, {{"x", 1}});
    ASSERT_FALSE(filled) << line << " -> " << filled->shell;
    EXPECT_NE(filled.error().hint.find("env"), std::string::npos);
    EXPECT_FALSE(placeholder_names(Command{line, {}})) << line;
  }
}

TEST(Placeholder, RefusesNulInAShellLine) {
  EXPECT_FALSE(fill_placeholders(Command{"x {{x}}", {}}, {{"x", std::string{"a\0b", 3}}}));
}

TEST(Suggest, FindsTheClosestWord) {
  const std::vector<std::string> keys{"trials", "seed", "strategy", "metric", "mem", "env"};
  EXPECT_EQ(closest_word("trails", keys), "trials");
  EXPECT_EQ(closest_word("Strategy", keys), "strategy");
  EXPECT_EQ(closest_word("sed", keys), "seed");
  EXPECT_EQ(closest_word("xyz", keys), "");
  EXPECT_EQ(closest_word("completely", keys), "");
  EXPECT_EQ(suggestion("trails", keys), "did you mean `trials`?");
  EXPECT_EQ(suggestion("qqqq", {"a", "b"}), "one of: a, b");
  EXPECT_EQ(closest_word(std::string(100'000, 'x'), {"trials"}), "");
  EXPECT_EQ(edit_distance("abc", "acb"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
}

}  // namespace
}  // namespace troupe
