#include "client/cpp/ignore_rules.hpp"

#include "runtime/core/spec.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

namespace troupe::client {
namespace {

TEST(WildMatch, FollowsGit) {
  EXPECT_TRUE(wild_match("*.o", "a.o"));
  EXPECT_FALSE(wild_match("*.o", "d/a.o"));
  EXPECT_TRUE(wild_match("a/**/b", "a/b"));
  EXPECT_TRUE(wild_match("a/**/b", "a/x/y/b"));
  EXPECT_FALSE(wild_match("a/**/b", "a/xb"));
  EXPECT_TRUE(wild_match("**/b", "x/y/b"));
  EXPECT_TRUE(wild_match("a/**", "a/x/y"));
  EXPECT_FALSE(wild_match("a/**", "a"));
  EXPECT_TRUE(wild_match("a?c", "abc"));
  EXPECT_FALSE(wild_match("a?c", "a/c"));
  EXPECT_TRUE(wild_match("[a-c]x", "bx"));
  EXPECT_FALSE(wild_match("[!a-c]x", "bx"));
  EXPECT_TRUE(wild_match("[^a-c]x", "dx"));
  EXPECT_TRUE(wild_match("[]a]", "]"));
  EXPECT_TRUE(wild_match("[[:digit:]]", "7"));
  EXPECT_FALSE(wild_match("a[^b]c", "a/c"));
  EXPECT_TRUE(wild_match("\\*", "*"));
  EXPECT_FALSE(wild_match("\\*", "a"));
  EXPECT_FALSE(wild_match("[a", "[a"));
}

TEST(WildMatch, TakesNoExponentialTime) {
  std::string pattern;
  for (int i = 0; i < 60; ++i) pattern += "*a";
  EXPECT_FALSE(wild_match(pattern + "b", std::string(200, 'a')));
}

TEST(IgnoreRules, DeeperAndLaterRulesWin) {
  IgnoreRules rules;
  rules.add("*.log\n!keep.log\nbuild/\n/top\n# no rule\n\\#odd\nsp\\ \n", "");
  EXPECT_TRUE(rules.ignores("a.log", false));
  EXPECT_TRUE(rules.ignores("d/a.log", false));
  EXPECT_FALSE(rules.ignores("d/keep.log", false));
  EXPECT_TRUE(rules.ignores("d/build", true));
  EXPECT_FALSE(rules.ignores("d/build", false));
  EXPECT_TRUE(rules.ignores("top", false));
  EXPECT_FALSE(rules.ignores("d/top", false));
  EXPECT_TRUE(rules.ignores("#odd", false));
  EXPECT_TRUE(rules.ignores("sp ", false));
  auto mark = rules.mark();
  rules.add("!a.log\n/x", "d");
  EXPECT_FALSE(rules.ignores("d/a.log", false));
  EXPECT_TRUE(rules.ignores("a.log", false));
  EXPECT_TRUE(rules.ignores("d/x", false));
  EXPECT_FALSE(rules.ignores("x", false));
  rules.cut_to(mark);
  EXPECT_TRUE(rules.ignores("d/a.log", false));
}

/// Git's own answer for each path, or nothing where git is not there.
std::set<std::string> git_ignored(const std::filesystem::path& root,
                                  const std::vector<std::string>& paths) {
  {
    std::ofstream list{root / ".git" / "paths", std::ios::binary};
    for (const auto& path : paths) list << path << '\0';
  }
  auto line = "cd " + shell_quote(root.string()) +
              " && git -c core.excludesFile=/dev/null check-ignore --no-index -z --stdin "
              "< .git/paths";
  std::string out;
  FILE* pipe = ::popen(line.c_str(), "r");
  std::array<char, 4096> buffer{};
  while (auto n = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
  ::pclose(pipe);
  std::set<std::string> ignored;
  for (size_t at = 0; at < out.size();) {
    auto end = out.find('\0', at);
    ignored.insert(out.substr(at, end - at));
    at = end + 1;
  }
  return ignored;
}

TEST(IgnoreRules, AgreeWithGitOnRandomTrees) {
  if (std::system("git --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "git is not installed";
  char name[] = "/tmp/troupe-ignore-XXXXXX";
  std::filesystem::path root{::mkdtemp(name)};
  auto init = "git init -q " + shell_quote(root.string());
  ASSERT_EQ(std::system(init.c_str()), 0);

  std::vector<std::pair<std::string, bool>> paths;  // with whether it is a folder
  const std::vector<std::string> names{"a", "b", "a.o", "b.log", "ab", "#x", "sp ", "[z]", "A"};
  for (const auto& x : {"a", "b", "build"}) {
    paths.emplace_back(x, true);
    for (const auto& y : {"a", "src", "out"}) {
      auto folder = std::string{x} + "/" + y;
      paths.emplace_back(folder, true);
      std::filesystem::create_directories(root / folder);
      for (const auto& n : names) {
        if (n == "a" && std::string{y} == "x") continue;
        paths.emplace_back(folder + "/" + n, false);
      }
    }
    for (const auto& n : names)
      if (n != "a") paths.emplace_back(std::string{x} + "/" + n, false);
  }
  for (const auto& n : names)
    if (n != "a" && n != "b") paths.emplace_back(n, false);
  for (const auto& [path, is_folder] : paths)
    if (!is_folder) std::ofstream{root / path} << "x";

  const std::vector<std::string> patterns{
      "*.o",      "!a.o",   "a/",    "/a",    "b/*",     "!b/src",   "**/out",      "a/**",
      "a/**/a.o", "[ab]",   "[!a]*", "\\#x",  "#x",      "sp\\ ",    "sp ",         "?",
      "a?",       "*",      "!*/",   "!a",    "build/",  "!build/",  "/*",          "src/a",
      "/b/src",   "!*.log", "**",    "***",   "a**",     "**/src/*", "[[:upper:]]", "\\[z\\]",
      "[z]",      "/",      "!",     "a/b/",  "*/*.log", "!/b",      "a//b",        "./a",
      "ab\\",     "[",      "!**/a", "*.l?g", "b\r"};
  uint64_t state = 7;
  auto random = [&](size_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>((state >> 33) % below);
  };
  for (int round = 0; round < 60; ++round) {
    std::vector<std::pair<std::string, std::string>> files;
    for (const auto& folder : {"", "a", "b/src"}) {
      std::string text;
      for (size_t n = random(5); n > 0; --n) text += patterns[random(patterns.size())] + "\n";
      files.emplace_back(folder, text);
      std::ofstream{root / folder / ".gitignore", std::ios::binary} << text;
    }
    std::vector<std::string> asked;
    for (const auto& [path, is_folder] : paths) asked.push_back(path);
    auto expected = git_ignored(root, asked);
    std::set<std::string> ours;
    for (const auto& [path, is_folder] : paths) {
      bool ignored = false;
      // As a walk does: from the top, with the files of each folder it enters.
      for (size_t slash = 0; !ignored && slash != std::string::npos;) {
        slash = path.find('/', slash + 1);
        auto part = path.substr(0, slash);
        IgnoreRules rules;
        for (const auto& [folder, text] : files)
          if (folder.empty() || part.starts_with(folder + "/")) rules.add(text, folder);
        ignored = rules.ignores(part, slash != std::string::npos || is_folder);
      }
      if (ignored) ours.insert(path);
    }
    std::string all;
    for (const auto& [folder, text] : files) all += "[" + folder + "]\n" + text;
    EXPECT_EQ(ours, expected) << all;
  }
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace troupe::client
