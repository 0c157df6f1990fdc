// A rank that computes for longer than the others is named while it does, and no more afterwards.
#include "runtime/core/fd.hpp"
#include "tests/cluster/many.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace troupe::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Straggling : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(many.start_head());
    ASSERT_TRUE(many.start_worker("w1"));
    ASSERT_TRUE(many.start_worker("w2"));
  }
  std::string first_straggler(const std::string& id, const char* field) {
    auto shown = many.show(id);
    const auto* list = shown.find("stragglers");
    if (list == nullptr || !list->is_list() || list->as_list().empty()) return "";
    const auto* value = list->as_list().front().find(field);
    return value == nullptr ? "" : value->to_text();
  }

  ManyMachines many;
};

/// Two ranks, with needs of their own.
TEST_F(Straggling, RanksAreNamedUntilTheyKeepUp) {
  // tidy: allow sleep: how long ranks compute is the subject
  const std::string program = R"(
import os, time
from array import array
from troupe import comm
role, files = os.environ["TROUPE_ROLE"], os.environ["FILES"]
with comm.open() as ranks:
    over = 0
    while not over:
        even = os.path.exists(os.path.join(files, "even"))
        time.sleep(0.05 if role == "worker" and not even else 0.02)
        over = ranks.all_reduce(array("d", [os.path.exists(os.path.join(files, "over"))]))[0]
)";
  ASSERT_TRUE(replace_file(many.path("steps.py"), program, 0755, false));
  auto id = many.submit_shell(
      "/usr/bin/python3 " + many.path("steps.py"),
      fmt::format(R"(,"roles":[{{"name":"chief","resources":{{"cpus":2}}}},{{"name":"worker",)"
                  R"("resources":{{"cpus":1.5,"mem":67108864}}}}],"env":{{"FILES":"{}"}})",
                  many.path("")));
  ASSERT_TRUE(await([&] { return first_straggler(id, "rank") == "1"; }))
      << many.cli({"show", id}).out << many.cli({"logs", id}).out;
  EXPECT_GT(std::stod(first_straggler(id, "share")), 0.2);
  EXPECT_NE(first_straggler(id, "node"), "");
  auto shown = many.cli({"show", id}).out;
  EXPECT_THAT(shown, HasSubstr("rank 1 on "));
  EXPECT_THAT(shown, HasSubstr("chief 1 (2 cpus), worker 1 (1.5 cpus, 64 MiB)"));
  ASSERT_TRUE(replace_file(many.path("even"), "", 0644, false));
  EXPECT_TRUE(await([&] { return first_straggler(id, "rank").empty(); }))
      << many.cli({"show", id}).out;
  ASSERT_TRUE(replace_file(many.path("over"), "", 0644, false));
  EXPECT_EQ(many.await_end(id), "FINISHED") << many.cli({"logs", id}).out;
  std::vector<std::string> causes;
  for (const auto& event : many.events())
    if (event.find("kind")->to_text() == "straggler")
      causes.push_back(event.find("cause")->to_text());
  EXPECT_THAT(causes, ElementsAre(HasSubstr("is late: the others wait"),
                                  HasSubstr("keeps up with the others again")));
}

}  // namespace
}  // namespace troupe::cluster
