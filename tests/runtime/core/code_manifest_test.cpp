#include "runtime/core/code_manifest.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/limits.hpp"

#include <gtest/gtest.h>

namespace troupe {
namespace {

CodeEntry file(std::string path, uint64_t size = 3, bool executable = false) {
  return CodeEntry{std::move(path), false, executable, size, std::string(64, 'a'), ""};
}
CodeEntry link(std::string path, std::string target) {
  return CodeEntry{std::move(path), true, false, 0, "", std::move(target)};
}

TEST(CodeManifest, ReadsBackWhatItWrote) {
  CodeManifest manifest{{file("a b.py"), link("d/link", "../a b.py"), file("d/run.sh", 9, true),
                         file("\xc3\xa9\"\n.txt", 0)}};
  auto text = manifest_text(manifest);
  auto back = parse_manifest(text);
  ASSERT_TRUE(back) << to_string(back.error());
  EXPECT_EQ(*back, manifest);
  EXPECT_EQ(manifest_digest(manifest), sha256_hex(text));
  EXPECT_EQ(text.substr(0, text.find('\n')),
            "{\"digest\":\"" + std::string(64, 'a') + "\",\"path\":\"a b.py\",\"size\":3}");
}

TEST(CodeManifest, EmptyTreeIsValid) {
  ASSERT_TRUE(parse_manifest(""));
  EXPECT_TRUE(parse_manifest("")->entries.empty());
}

TEST(CodeManifest, RefusesWhatNobodyShouldUnpack) {
  auto refused = [](std::vector<CodeEntry> entries) {
    return !parse_manifest(manifest_text(CodeManifest{std::move(entries)}));
  };
  for (auto path : {"", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", ".", "a/."})
    EXPECT_TRUE(refused({file(path)})) << path;
  EXPECT_TRUE(refused({file(std::string{"a\0b", 3})}));
  EXPECT_TRUE(refused({file(std::string(4097, 'x'))}));
  EXPECT_TRUE(refused({file("b"), file("a")}));
  EXPECT_TRUE(refused({file("a"), file("a")}));
  EXPECT_TRUE(refused({file("a"), file("a/b")}));
  EXPECT_TRUE(refused({link("a", "b"), file("a/b")}));
  EXPECT_TRUE(refused({file("a"), file("a.txt"), file("a/b")}));  // '.' sorts before '/'
  EXPECT_TRUE(refused({link("a", "/etc")}));
  EXPECT_TRUE(refused({link("a", "../x")}));
  EXPECT_TRUE(refused({file("a", limits::code_bytes_max), file("b", 1)}));
  auto bad = file("a");
  bad.digest = "../../etc/passwd";
  EXPECT_TRUE(refused({bad}));
  bad.digest = std::string(64, 'A');
  EXPECT_TRUE(refused({bad}));
}

TEST(CodeManifest, RefusesOtherSpellings) {
  auto line = manifest_text(CodeManifest{{file("a")}});
  EXPECT_TRUE(parse_manifest(line));
  EXPECT_FALSE(parse_manifest(line.substr(0, line.size() - 1)));
  EXPECT_FALSE(parse_manifest("\n" + line));
  EXPECT_FALSE(parse_manifest(" " + line));
  EXPECT_FALSE(parse_manifest("[]\n"));
  EXPECT_FALSE(parse_manifest("{}\n"));
  EXPECT_FALSE(parse_manifest("{\"path\":\"a\",\"target\":3}\n"));
  auto extra = line;
  extra.insert(1, "\"a\":1,");
  EXPECT_FALSE(parse_manifest(extra));
  auto negative = line;
  negative.replace(negative.find(":3"), 2, ":-3");
  EXPECT_FALSE(parse_manifest(negative));
}

TEST(CodeManifest, JudgesLinks) {
  EXPECT_TRUE(link_stays_inside("a", "b"));
  EXPECT_TRUE(link_stays_inside("a", "."));
  EXPECT_TRUE(link_stays_inside("d/e/a", "../../b/c"));
  EXPECT_TRUE(link_stays_inside("d/a", "./../b/"));
  EXPECT_FALSE(link_stays_inside("d/a", "../../b"));
  EXPECT_FALSE(link_stays_inside("a", ".."));
  EXPECT_FALSE(link_stays_inside("a", "/b"));
  EXPECT_FALSE(link_stays_inside("a", ""));
  // If b is a link to the root, "b/.." is outside.
  EXPECT_FALSE(link_stays_inside("d/a", "b/.."));
}

}  // namespace
}  // namespace troupe
