// A disk of the head that answers EIO: what could not be made durable is refused and not half
// there, what was there is served, and when the disk is good again the head needs nobody's help.
#include "tests/cluster/checkers/recorder.hpp"

#include <fmt/format.h>

#include <fstream>
#include <unistd.h>

namespace troupe::cluster {
namespace {

class FailingDisk : public ManyMachines {
 public:
  void set(const std::string& what) {
    if (what.empty())
      ::unlink(path("failing").c_str());
    else
      std::ofstream{path("failing")} << what;
  }

 protected:
  Child launch(const std::string& machine, const std::vector<std::string>& argv,
               const std::string& out_path, const std::string& err_path) override {
    auto env = environment();
    if (machine.empty()) {
      env.push_back(std::string{"LD_PRELOAD="} + TROUPE_FAILING_DISK_LIBRARY);
      env.push_back("TROUPE_FAILING_DISK=" + path("failing"));
    }
    return Child{argv, env, root(), out_path, err_path};
  }
};

class HeadDiskErrors : public ::testing::TestWithParam<std::string> {};

TEST_P(HeadDiskErrors, RefuseWhatIsNotDurableAndPass) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer lets nothing be loaded before itself";
#endif
  FailingDisk many;
  Recorder recorder{many};
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  auto before = recorder.submit("before", recorder.mark(20, 1));
  EXPECT_EQ(many.await_end(before), "FINISHED");
  auto running = recorder.submit("running", recorder.mark(1500, 1));
  ASSERT_TRUE(many.await_state(running, "RUNNING"));
  many.set(GetParam());
  for (int i = 0; i < 5; ++i) {
    auto body = R"({"project":"p","name":"refused","run":"true"})";
    auto answer = many.post("/api/v1/experiments", body, fmt::format("refused{}", i));
    EXPECT_FALSE(answer) << "acknowledged without being durable";
    if (!answer) {
      EXPECT_NE(answer.error().what, "");
    }
  }
  if (GetParam() == "head") {
    EXPECT_TRUE(await([&] { return !is_alive(many.pid()); }));
  }
  // (The others hit a root as well where they come in the middle of a commit.)
  if (!is_alive(many.pid())) {
    // What the disk holds is unknown to this process; it ends, and a supervisor starts the next.
    EXPECT_NE(many.err().find("the head ends, to be started again"), std::string::npos);
    many.kill9();
    many.set("");
    ASSERT_TRUE(many.start_head());
  } else {
    EXPECT_EQ(many.state(before), "FINISHED");
    EXPECT_EQ(many.cli({"ls", "-a"}).code, 0);
    many.set("");
  }
  auto after = recorder.submit("after", recorder.mark(20, 1));
  EXPECT_EQ(many.await_end(after), "FINISHED");
  recorder.healed();
  recorder.finish();
  EXPECT_EQ(many.stop(), 0);
  ASSERT_TRUE(many.start_head());
  for (const auto& [id, name] : recorder.acknowledged()) EXPECT_EQ(many.state(id), "FINISHED");
}

INSTANTIATE_TEST_SUITE_P(Faults, HeadDiskErrors, ::testing::Values("sync", "write", "head"),
                         [](const auto& each) { return each.param; });

/// On either side of the one write that makes a submission durable.
class DeathAtTheCommit : public ::testing::TestWithParam<std::string> {};

TEST_P(DeathAtTheCommit, MakesOneJobOfOneKey) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer lets nothing be loaded before itself";
#endif
  FailingDisk many;
  Recorder recorder{many};
  ASSERT_TRUE(many.start_head());
  recorder.submit("before", recorder.mark(20, 1));
  for (int round = 0; round < 3; ++round) {
    many.set("die-" + GetParam());
    auto answered = recorder.submit(fmt::format("n{}", round), recorder.mark(20, 1), "", true);
    EXPECT_EQ(answered, "") << "it was answered by a head that was to be dead";
    EXPECT_TRUE(await([&] { return !is_alive(many.pid()); }));
    many.kill9();
    many.set("");
    ASSERT_TRUE(many.start_head());
    EXPECT_TRUE(recorder.submit_open());
  }
  ASSERT_TRUE(many.start_worker("w1"));
  recorder.healed();
  recorder.finish();
  EXPECT_EQ(recorder.acknowledged().size(), 4u);
  auto list = many.get("/api/v1/experiments?project=p");
  ASSERT_TRUE(list && list->find("experiments") != nullptr);
  EXPECT_EQ(list->find("experiments")->as_list().size(), 4u);
  EXPECT_EQ(recorder.marks("begin"), 4u);
}

INSTANTIATE_TEST_SUITE_P(Faults, DeathAtTheCommit, ::testing::Values("before", "after"),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace troupe::cluster
