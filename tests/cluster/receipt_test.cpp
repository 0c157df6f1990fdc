// The placement receipt of gangs on two real workers.
#include "runtime/core/json.hpp"
#include "tests/cluster/harness.hpp"

#include <gmock/gmock.h>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Receipt, IsFoundInWhatIsShownOfAGang) {
  UpProcess up{{"--cpus", "2", "--workers", "2"}};
  ASSERT_TRUE(up.start());
  auto gang = [&](const std::string& more) {
    auto id =
        up.submit(R"({"project":"p","workers":2,"resources":{"cpus":2},"run":["ls -A $TMPDIR"])" +
                  more + "}");
    EXPECT_EQ(up.await_end(id), "FINISHED");
    return id;
  };
  auto id = gang("");
  auto shown = up.cli({"show", id, "-o", "json"});
  auto record = parse_json(shown.out);
  ASSERT_TRUE(record) << shown.out << shown.err;
  const auto* receipt = record->find("attempts")->as_list().back().find("receipt");
  ASSERT_TRUE(receipt != nullptr && receipt->is_map()) << shown.out;
  ASSERT_TRUE(receipt->find("all_reduce")->is_number()) << shown.out;
  EXPECT_GT(receipt->find("all_reduce")->as_number(), 0);
  EXPECT_GT(receipt->find("latency")->as_number(), 0);
  const auto& nodes = receipt->find("nodes")->as_list();
  ASSERT_EQ(nodes.size(), 2u);
  for (const auto& node : nodes) {
    EXPECT_GT(node.find("copy")->as_number(), 0);
    EXPECT_GT(node.find("link")->as_number(), 0);
    EXPECT_TRUE(node.find("error")->is_null());
  }
  EXPECT_EQ(nodes[0].find("next")->to_text(), nodes[1].find("node")->to_text());
  EXPECT_THAT(up.cli({"show", id}).out, HasSubstr("all_reduce"));
  EXPECT_EQ(up.log_text(id), "") << "what measured has left nothing behind";

  auto second = gang("");
  EXPECT_THAT(up.cli({"show", second}).out, HasSubstr("measured for " + id));
  auto without = gang(R"(,"receipt":false)");
  EXPECT_THAT(up.cli({"show", without}).out, Not(HasSubstr("all_reduce")));
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

}  // namespace
}  // namespace troupe::cluster
