// What people type and jobs write: conditions, ids, sizes, manifests, placeholders.
#include "hpo/expression.hpp"
#include "mutator.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/code_manifest.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/ids.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/units.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace troupe::fuzz {
namespace {

TEST(FuzzText, StopWhen) {
  Corpus corpus{{"accuracy >= 0.99", "accuracy >= 0.99 and not loss > 1",
                 "(a < 1 or b <= -2.5e-3) and not (c == 0 or not d != 7)",
                 "val/accuracy.top-1 > 0.5 or epoch >= 100"},
                {"and", "or", "not ", "(", ")", ">=", "!=", "((((((((", "not not not ", "nan",
                 "inf", "0x10", "1e400", "a"}};
  for_mutations(corpus, 20'000, [](const std::string& input, Mutator&) {
    auto parsed = hpo::Expression::parse(input);
    if (!parsed) return expect_good_error(parsed.error());
    EXPECT_FALSE(parsed->holds({{"nothing", 1}}) && parsed->names().empty());
    (void)parsed->holds({{"accuracy", std::nan("")}, {"loss", 1e300}, {"a", -1}});
    auto again = hpo::Expression::parse(parsed->text());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->names(), parsed->names());
  });
}

TEST(FuzzText, Ids) {
  Corpus corpus{{"42", "42.7", "42.7.worker.0", "42.1-5", "42.1,3,5-8", "3-7", "1,2,3"},
                {"-", ",", ".", "worker", "99999", "4294967295", "1-1000000", "last"}};
  for_mutations(corpus, 30'000, [](const std::string& input, Mutator&) {
    if (auto id = parse_experiment_id(input)) {
      EXPECT_EQ(*parse_experiment_id(to_string(*id)), *id);
    } else {
      expect_good_error(id.error());
    }
    if (auto id = parse_job_id(input)) {
      EXPECT_EQ(*parse_job_id(to_string(*id)), *id);
    } else {
      expect_good_error(id.error());
    }
    auto selector = parse_selector(input);
    if (!selector) return expect_good_error(selector.error());
    EXPECT_FALSE(selector->experiments.empty());
    EXPECT_LE(selector->experiments.size(), 100'000u);
  });
}

TEST(FuzzText, SizesDurationsAndTimes) {
  Corpus corpus{{"2GiB", "1.5 MB", "784B", "90s", "1h 30m", "2d4h", "2026-11-21T01:29:00.123456Z",
                 "2024-02-29T23:59:59Z"},
                {"GiB", "ms", "w", "e9", "+", "-", ".", "T24:00:00Z"}};
  for_mutations(corpus, 30'000, [](const std::string& input, Mutator&) {
    if (auto bytes = parse_bytes(input); !bytes) expect_good_error(bytes.error());
    if (auto duration = parse_duration(input)) {
      EXPECT_GE(duration->count(), 0);
      EXPECT_FALSE(duration_text(*duration).empty());
    } else {
      expect_good_error(duration.error());
    }
    if (auto time = parse_rfc3339(input)) {
      auto again = parse_rfc3339(rfc3339(*time));
      ASSERT_TRUE(again) << rfc3339(*time);
      EXPECT_EQ(again->us, time->us);
    }
  });
}

TEST(FuzzText, Manifests) {
  CodeManifest tree;
  auto digest = sha256_hex("text");
  tree.entries = {{"a.py", false, true, 3, digest, ""},
                  {"b/c \"d\"\n", false, false, 0, digest, ""},
                  {"b/link", true, false, 0, "", "../a.py"},
                  {"d/e/f", false, false, uint64_t{1} << 29, digest, ""}};
  tree.entries[3].size = 17;
  Corpus corpus{{manifest_text(tree), manifest_text({{tree.entries[0]}}), ""},
                {"../", "/", "..", "\"path\":", "\"target\":\"/etc/passwd\"", "\\u0000", "\n",
                 digest, "{\"path\":\"x\",\"target\":\"..\"}\n"}};
  for_mutations(corpus, 20'000, [](const std::string& input, Mutator&) {
    auto manifest = parse_manifest(input);
    if (!manifest) return expect_good_error(manifest.error());
    // What is accepted is canonical, and nothing in it leaves the tree.
    EXPECT_EQ(manifest_text(*manifest), input);
    for (const auto& entry : manifest->entries) {
      EXPECT_NE(entry.path.front(), '/');
      EXPECT_EQ(("/" + entry.path + "/").find("/../"), std::string::npos) << entry.path;
      EXPECT_TRUE(!entry.is_link || link_stays_inside(entry.path, entry.target));
    }
  });
}

TEST(FuzzText, Json) {
  Corpus corpus{{R"({"a":[1,2.5,-3e-7,true,null],"b":{"c":"d\né😀"}})", "[[[[]]]]", R"("text")",
                 "12345678901234567890"},
                {"[", "{\"a\":", "\\ud800", "\\u0000", "1e999", "NaN", "\xef\xbb\xbf",
                 std::string(100, '['), "\"a\":1,\"a\":2"}};
  for_mutations(corpus, 20'000, [](const std::string& input, Mutator&) {
    auto value = parse_json(input);
    if (!value) return expect_good_error(value.error());
    auto text = json_text(*value);
    auto again = parse_json(text);
    ASSERT_TRUE(again) << text;
    EXPECT_EQ(json_text(*again), text);
  });
}

}  // namespace
}  // namespace troupe::fuzz
