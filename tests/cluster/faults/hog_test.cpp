// Jobs that take more than is theirs, and jobs that cannot be ended: only they suffer, and nothing
// of theirs is given to others before they are gone.
#include "runtime/process/confinement.hpp"
#include "tests/cluster/faults/faults.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sys/stat.h>

namespace troupe::cluster {
namespace {

using Hogs = FaultTest;

/// Memory, descriptors and processes, one after the other, beside a neighbour on the same machine.
TEST_F(Hogs, HurtNobodyButThemselves) {
  ASSERT_TRUE(many().start_head());
  ASSERT_TRUE(many().start_worker("w1"));
  auto neighbour = recorder().submit("neighbour", recorder().mark(6000, 1),
                                     R"(,"resources":{"cpus":1,"mem":"64MiB"})");
  ASSERT_TRUE(many().await_state(neighbour, "RUNNING"));
  auto hog = [&](const std::string& script) {
    return many().submit_shell(script, R"(,"resources":{"cpus":1,"mem":"64MiB"})");
  };
  auto memory = hog("head -c 500M /dev/zero | tail > /dev/null; exit $?");
  EXPECT_EQ(many().await_end(memory), "FAILED");
  auto reason = text_of(many().show(memory), "reason");
  if (process::probe_confinement().memory()) {
    EXPECT_NE(reason.find("memory"), std::string::npos) << reason;
  }
  auto descriptors =
      hog("exec python3 -c 'import os\nwhile True: os.open(\"/dev/null\", os.O_RDONLY)' 2>&1");
  EXPECT_EQ(many().await_end(descriptors), "FAILED");
  EXPECT_NE(many().log_text(descriptors).find("Too many open files"), std::string::npos);
  // As many processes as a machine of tests bears; all of them end with their job.
  auto processes = many().submit_shell(
      "n=0; while [ $n -lt 1000 ]; do sleep 1000 & n=$((n+1)); done; echo all; wait",
      R"(,"resources":{"cpus":1,"mem":"1GiB"})");
  ASSERT_TRUE(await([&] { return many().log_text(processes) == "all\n"; }));
  EXPECT_EQ(many().cli({"kill", processes}).code, 0);
  EXPECT_EQ(many().await_end(processes), "KILLED");
  EXPECT_TRUE(await([&] { return many().processes_with("TROUPE_ID=" + processes).empty(); }, 20s));
  if (process::probe_confinement().processes()) {
    auto bomb = many().submit_shell("n=0; while [ $n -lt 1000 ]; do sleep 1000 & n=$((n+1)); done",
                                    R"(,"resources":{"cpus":1,"max_processes":100})");
    EXPECT_EQ(many().await_end(bomb), "FAILED");
    EXPECT_NE(many().cli({"show", bomb}).out.find("ran out of processes"), std::string::npos);
  }
  recorder().healed();
  recorder().finish();
  EXPECT_EQ(doubts("w1"), 0u);
}

/// The kernel does not let go of what sits in a frozen group, whatever signal it was sent.
class FrozenGroup {
 public:
  FrozenGroup() : path_{fmt::format("/sys/fs/cgroup/freezer/troupe-test-{}", ::getpid())} {
    made_ = ::mkdir(path_.c_str(), 0755) == 0 && write("freezer.state", "THAWED");
  }
  ~FrozenGroup() {
    thaw();
    await([&] { return ::rmdir(path_.c_str()) == 0 || errno != EBUSY; }, 10s);
  }
  bool made() const { return made_; }
  void freeze(pid_t pid) {
    EXPECT_TRUE(write("cgroup.procs", fmt::to_string(pid)));
    EXPECT_TRUE(write("freezer.state", "FROZEN"));
  }
  void thaw() { (void)write("freezer.state", "THAWED"); }

 private:
  bool write(const char* name, const std::string& text) {
    std::ofstream file{path_ + "/" + name};
    file << text;
    file.close();
    return !file.fail();
  }
  std::string path_;
  bool made_ = false;
};

TEST_F(Hogs, ThatCannotBeKilledKeepWhatTheyHave) {
  FrozenGroup group;
  if (!group.made()) GTEST_SKIP() << "no freezer of version 1 can be used here";
  ASSERT_TRUE(many().start_head());
  ASSERT_TRUE(many().start_worker("w1"));
  auto stuck = recorder().submit("stuck", recorder().mark(60'000, 2), two_cpus);
  ASSERT_TRUE(many().await_state(stuck, "RUNNING"));
  auto ranks = many().processes_with("TROUPE_JOB=" + stuck);
  ASSERT_EQ(ranks.size(), 1u);
  group.freeze(ranks.front());
  auto next = recorder().submit("next", recorder().mark(200, 2), two_cpus);
  recorder().kill(stuck);
  pass(12s);  // beyond the grace: it was sent SIGKILL, too
  EXPECT_EQ(many().state(stuck), "KILLING");
  EXPECT_EQ(many().state(next), "QUEUED") << "its processors are not free";
  EXPECT_TRUE(is_alive(ranks.front()));
  // After a minute the machine counts as sick: it gets nothing new, not even what would fit.
  ASSERT_TRUE(many().await_node("w1", "drained", 90s));
  auto shown = many().cli({"node", "show", "w1"}).out;
  EXPECT_NE(shown.find("what job " + stuck), std::string::npos) << shown;
  EXPECT_NE(shown.find("was killed and does not end: process"), std::string::npos) << shown;
  EXPECT_EQ(many().state(stuck), "KILLING");
  EXPECT_EQ(many().state(next), "QUEUED");
  group.thaw();
  EXPECT_TRUE(many().await_node("w1", "up")) << "nobody has to say that it is well again";
  recorder().healed();
  recorder().finish();
  EXPECT_EQ(many().state(stuck), "KILLED");
  EXPECT_EQ(many().state(next), "FINISHED");
}

}  // namespace
}  // namespace troupe::cluster
