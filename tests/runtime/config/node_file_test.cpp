#include "runtime/config/node_file.hpp"

#include "runtime/core/fd.hpp"

#include <gtest/gtest.h>

namespace troupe::config {
namespace {

TEST(NodeFile, AHeadsFile) {
  auto file = parse_head_file(
      "dir: /var/lib/troupe\nbind: 10.0.0.1\nport: 7070\n"
      "cluster: {bind: 10.0.0.1, port: 7071, address: \"head.example:7071\"}\n"
      "policy: attained\n",
      "head.yaml");
  ASSERT_TRUE(file) << to_string(file.error());
  EXPECT_EQ(file->dir, "/var/lib/troupe");
  EXPECT_EQ(file->cluster_port, 7071);
  EXPECT_EQ(file->cluster_address, "head.example:7071");
  EXPECT_EQ(file->policy, "attained");
  auto empty = parse_head_file("# nothing\n", "head.yaml");
  ASSERT_TRUE(empty);
  EXPECT_FALSE(empty->dir);
}

TEST(NodeFile, AHeadsRulesForNodes) {
  auto file = parse_head_file(
      "liveness: {suspect_after: 5s, lost_after: 30s}\nnode_failures: {max: 5, within: 12h}\n",
      "head.yaml");
  ASSERT_TRUE(file) << to_string(file.error());
  EXPECT_EQ(file->rules.suspect_after, std::chrono::seconds{5});
  EXPECT_EQ(file->rules.lost_after, std::chrono::seconds{30});
  EXPECT_EQ(file->rules.failures_max, 5u);
  EXPECT_EQ(file->rules.failures_within, std::chrono::hours{12});
  EXPECT_EQ(parse_head_file("dir: d\n", "head.yaml")->rules, NodeRules{});
  for (const auto* text :
       {"liveness: {suspect_after: 100ms}", "liveness: {suspect_after: 9s}",
        "liveness: {lost_after: 4s}", "liveness: {lost_after: 2h}", "liveness: {lost: 20s}",
        "node_failures: {max: -1}", "node_failures: {within: 1s}"}) {
    auto bad = parse_head_file(text, "head.yaml");
    ASSERT_FALSE(bad) << text;
    EXPECT_NE(bad.error().what.find("head.yaml:1"), std::string::npos) << bad.error().what;
  }
}

TEST(NodeFile, AWorkersFile) {
  auto file = parse_worker_file(
      "head: head:7071\njoin_token_file: /etc/troupe/token\nname: w1\ncpus: 7.5\nmem: 30GiB\n"
      "gpus: 2\nlabels: {rack: a3, disk: nvme}\ncache_limit: 200GiB\ndata_port: 7072\n",
      "worker.yaml");
  ASSERT_TRUE(file) << to_string(file.error());
  EXPECT_EQ(file->head, "head:7071");
  EXPECT_EQ(file->cpus, 7.5);
  EXPECT_EQ(file->mem, uint64_t{30} << 30);
  EXPECT_EQ(file->gpus, 2u);
  EXPECT_EQ(file->labels.at("rack"), "a3");
  EXPECT_EQ(file->cache_limit, uint64_t{200} << 30);
  EXPECT_EQ(file->data_port, 7072);
  EXPECT_FALSE(file->dir);
}

/// The fenced block of the page that begins with that line.
std::string block_of(const std::string& page, const std::string& first_line) {
  auto begin = page.find("```yaml\n" + first_line + "\n");
  if (begin == std::string::npos) return {};
  begin += std::string{"```yaml\n"}.size();
  return page.substr(begin, page.find("```", begin) - begin);
}

TEST(NodeFile, TheFilesOfTheGuideAreRead) {
  auto page = read_file(TROUPE_SOURCE "/docs/guide/cluster.md", 1u << 20);
  ASSERT_TRUE(page) << to_string(page.error());
  auto head = block_of(*page, "# head.yaml");
  ASSERT_FALSE(head.empty());
  auto head_file = parse_head_file(head, "head.yaml");
  EXPECT_TRUE(head_file) << to_string(head_file.error());
  auto worker = block_of(*page, "# worker.yaml");
  ASSERT_FALSE(worker.empty());
  auto worker_file = parse_worker_file(worker, "worker.yaml");
  EXPECT_TRUE(worker_file) << to_string(worker_file.error());
}

TEST(NodeFile, AHeadKeepsWhatItsRulesSay) {
  auto file = parse_head_file(
      "retention:\n"
      "  every: 10m\n"
      "  copies: 3d\n"
      "  outputs: {age: 30d, keep_last: 20}\n"
      "  projects:\n"
      "    digits: {keep_best: 3}\n",
      "head.yaml");
  ASSERT_TRUE(file) << to_string(file.error());
  RetentionRules rules;
  rules.every = std::chrono::minutes{10};
  rules.copies = std::chrono::hours{72};
  rules.outputs = {std::chrono::hours{24 * 30}, 20, {}};
  rules.projects["digits"] = {{}, {}, 3};
  EXPECT_EQ(file->retention, rules);
  EXPECT_EQ(parse_head_file("", "head.yaml")->retention, RetentionRules{});
  auto short_time = parse_head_file("retention: {every: 10ms}\n", "head.yaml");
  ASSERT_FALSE(short_time);
  EXPECT_NE(to_string(short_time.error()).find("retention.every"), std::string::npos);
  auto typo = parse_head_file("retention:\n  outputs: {keep_lst: 2}\n", "head.yaml");
  ASSERT_FALSE(typo);
  EXPECT_NE(to_string(typo.error()).find("keep_last"), std::string::npos);
  EXPECT_FALSE(parse_head_file("retention: {outputs: {age: 3}}\n", "head.yaml"));
  EXPECT_FALSE(parse_head_file("retention: {outputs: {keep_best: -1}}\n", "head.yaml"));
}

TEST(NodeFile, MistakesHaveTheirPlace) {
  auto typo = parse_worker_file("head: h:1\njoin_token: x\n", "worker.yaml");
  ASSERT_FALSE(typo);
  EXPECT_NE(to_string(typo.error()).find("worker.yaml:2"), std::string::npos);
  EXPECT_NE(to_string(typo.error()).find("join_token_file"), std::string::npos);
  EXPECT_FALSE(parse_worker_file("mem: 30\n", "worker.yaml")) << "memory has a unit";
  EXPECT_FALSE(parse_worker_file("cpus: 0\n", "worker.yaml"));
  EXPECT_FALSE(parse_head_file("port: 70700\n", "head.yaml"));
  EXPECT_FALSE(parse_head_file("cluster: [1]\n", "head.yaml"));
  EXPECT_FALSE(parse_head_file("- a\n", "head.yaml"));
}

}  // namespace
}  // namespace troupe::config
