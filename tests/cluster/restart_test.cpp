// The death of `up` (head and worker at once) by kill -9: what runs goes on, what was acknowledged
// is there, and nothing is done twice.
#include "tests/cluster/harness.hpp"

#include <fmt/format.h>

#include <fstream>

namespace troupe::cluster {
namespace {

TEST(Restart, RunningJobsGoOnAndAreAdopted) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i)
    ids.push_back(up.submit_shell(fmt::format(
        "echo begun $$ >> {0}/runs{1}; n=0; while [ ! -e {0}/go ]; do n=$((n+1)); echo line $n; "
        "sleep 0.02; done; echo last $n; exit {1}",
        up.root(), i)));
  std::vector<pid_t> pids;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(await([&] { return up.lines(fmt::format("runs{}", i)).size() == 1; }));
    pids.push_back(std::atoi(up.lines(fmt::format("runs{}", i))[0].substr(6).c_str()));
  }
  for (auto& id : ids) ASSERT_TRUE(up.await_state(id, "RUNNING"));
  up.kill9();
  for (auto pid : pids) EXPECT_TRUE(is_alive(pid));
  ASSERT_TRUE(up.start());
  for (auto pid : pids) EXPECT_TRUE(is_alive(pid));
  for (auto& id : ids) EXPECT_EQ(up.state(id), "RUNNING");
  auto seen = up.log_text(ids[0]).size();
  EXPECT_TRUE(await([&] { return up.log_text(ids[0]).size() > seen; })) << "the log stands still";
  std::ofstream{up.path("go")};
  EXPECT_EQ(up.await_end(ids[0]), "FINISHED");
  EXPECT_EQ(up.await_end(ids[1]), "FAILED");
  EXPECT_EQ(up.await_end(ids[2]), "FAILED");
  for (int i = 0; i < 3; ++i) {
    auto record = up.show(ids[static_cast<size_t>(i)]);
    EXPECT_EQ(number_of(record, "exit_code"), i);
    EXPECT_EQ(record.find("attempts")->as_list().size(), 1u);
    EXPECT_EQ(up.lines(fmt::format("runs{}", i)).size(), 1u) << "it ran more than once";
    auto text = up.log_text(ids[static_cast<size_t>(i)]);
    auto last = text.rfind("last ");
    ASSERT_NE(last, std::string::npos);
    auto count = std::atoi(text.c_str() + last + 5);
    std::string expected;
    for (int n = 1; n <= count; ++n) expected += fmt::format("line {}\n", n);
    EXPECT_EQ(text, expected + fmt::format("last {}\n", count));
  }
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

}  // namespace
}  // namespace troupe::cluster
