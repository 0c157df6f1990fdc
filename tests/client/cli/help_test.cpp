#include "client/cli/help.hpp"

#include "client/cli/arguments.hpp"
#include "runtime/core/fd.hpp"

#include <gtest/gtest.h>

#include <set>

namespace troupe::cli {
namespace {

TEST(Help, EveryVerbHasAFunctionASummaryAndAPage) {
  Output out{{}, Face{}, Face{}};
  for (const auto& verb : verbs()) {
    EXPECT_NE(verb.run, nullptr) << verb.name;
    EXPECT_FALSE(verb.summary.empty()) << verb.name;
    if (verb.hidden) continue;
    EXPECT_FALSE(verb.examples.empty()) << verb.name;
    EXPECT_NE(overview(out).find(std::string{verb.name}), std::string::npos) << verb.name;
    auto page = verb_help(verb, out);
    for (auto group : verb.options)
      for (const auto& option : group) {
        EXPECT_FALSE(option.help.empty()) << verb.name << " --" << option.name;
        EXPECT_NE(page.find("--" + std::string{option.name}), std::string::npos) << option.name;
      }
    EXPECT_NE(reference_page().find("## troupe " + std::string{verb.name} + "\n"),
              std::string::npos);
  }
}

TEST(Help, LettersAndNamesAreUniqueInAVerb) {
  for (const auto& verb : verbs()) {
    std::set<std::string_view> names;
    std::set<char> letters;
    for (auto group : verb.options)
      for (const auto& option : group) {
        EXPECT_TRUE(names.insert(option.name).second) << verb.name << " --" << option.name;
        if (option.letter != 0) {
          EXPECT_TRUE(letters.insert(option.letter).second) << verb.name << " -" << option.letter;
        }
      }
  }
}

TEST(Help, ShellsOfferTheValuesThatOptionsHave) {
  for (const auto* shell : {"bash", "fish"}) {
    auto script = completion_script(shell);
    EXPECT_NE(script.find("history importance parallel pareto contour curves slices"),
              std::string::npos);
    EXPECT_NE(script.find("asha hyperband bohb"), std::string::npos);
    EXPECT_NE(script.find("fifo backfill greedy attained"), std::string::npos);
  }
}

TEST(Help, ExamplesOfTroupeParse) {
  for (const auto& verb : verbs())
    for (auto example : verb.examples) {
      if (!example.starts_with("troupe ")) continue;
      std::vector<std::string> words;
      std::string word;
      bool quoted = false;
      for (char c : std::string{example.substr(7)} + " ") {
        if (c == '"') quoted = !quoted;
        if (c == '<') break;
        if (c == ' ' && !quoted) {
          if (!word.empty()) words.push_back(word);
          word.clear();
        } else {
          word.push_back(c);
        }
      }
      auto parsed = parse_arguments(words);
      ASSERT_TRUE(parsed) << example << ": " << parsed.error().what;
      EXPECT_EQ(parsed->verb->name, verb.name) << example;
    }
}

#ifdef TROUPE_HAS_UP
TEST(Help, TheReferencePageIsTheOneOfThisProgram) {
  auto page = read_file(TROUPE_SOURCE_DIR "/docs/reference/cli.md");
  ASSERT_TRUE(page);
  EXPECT_EQ(*page, reference_page()) << "run: troupe reference > docs/reference/cli.md";
}
#endif

TEST(Completion, KnowsEveryVerbAndOption) {
  for (const auto* shell : {"bash", "zsh", "fish"}) {
    auto script = completion_script(shell);
    for (const auto& verb : verbs()) {
      if (verb.hidden) continue;
      EXPECT_NE(script.find(std::string{verb.name.substr(verb.name.find(' ') + 1)}),
                std::string::npos)
          << shell << " " << verb.name;
      for (auto group : verb.options)
        for (const auto& option : group)
          EXPECT_NE(script.find(std::string{option.name}), std::string::npos)
              << shell << " " << option.name;
    }
  }
  EXPECT_EQ(completion_script("tcsh"), "");
}

}  // namespace
}  // namespace troupe::cli
