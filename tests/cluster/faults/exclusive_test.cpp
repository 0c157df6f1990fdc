// Exclusive experiments: two attempts never run at the same time, whoever is cut off, frozen or
// dead, and for however long. Without the mark they do, which shows that the checker would see it.
#include "runtime/core/fd.hpp"
#include "tests/cluster/faults/faults.hpp"

#include <fmt/format.h>

namespace troupe::cluster {
namespace {

class Exclusive : public FaultTest {
 protected:
  /// The first attempt would run beyond every patience, those behind it are short.
  void begin(bool exclusive = true) {
    ASSERT_TRUE(many().start_head());
    ASSERT_TRUE(many().start_worker("w1"));
    auto command = fmt::format("if test $TROUPE_ATTEMPT -gt 1; then {}; else {}; fi",
                               recorder().mark(1000), recorder().mark(100'000));
    first_ = recorder().submit("first", command, exclusive ? R"(,"exclusive":true)" : "");
    ASSERT_TRUE(many().await_state(first_, "RUNNING"));
    ASSERT_TRUE(await([&] { return recorder().marks("begin") == 1; }));
  }
  bool second_begins() {
    return await([&] { return recorder().marks("begin") == 2; }, 60s);
  }
  void finish(size_t wanted) {
    recorder().healed();
    recorder().finish();
    EXPECT_EQ(many().state(first_), wanted > 1 ? "FINISHED" : "KILLED");
    EXPECT_EQ(attempts(first_), wanted);
  }
};

TEST_F(Exclusive, WhoseMachineIsCutOffEndsThereBeforeItStartsElsewhere) {
  begin();
  if (HasFatalFailure()) return;
  ASSERT_TRUE(many().start_worker("w2"));
  recorder().lost("w1");
  lab().unplug("w1");
  EXPECT_TRUE(second_begins());
  EXPECT_EQ(many().await_end(first_), "FINISHED") << "while the first machine is still away";
  lab().plug("w1");
  EXPECT_TRUE(many().await_node("w1", "up"));
  recorder().back("w1");
  finish(2);
}

TEST_F(Exclusive, WhoseWorkerIsFrozenEndsAllTheSame) {
  begin();
  if (HasFatalFailure()) return;
  ASSERT_TRUE(many().start_worker("w2"));
  recorder().lost("w1");
  many().worker("w1").signal(SIGSTOP);
  EXPECT_TRUE(second_begins());
  EXPECT_EQ(many().await_end(first_), "FINISHED");
  many().worker("w1").signal(SIGCONT);
  EXPECT_TRUE(many().await_node("w1", "up"));
  recorder().back("w1");
  finish(2);
}

TEST_F(Exclusive, WhoseHeadIsDeadForLongEndsAndStartsAnewWhenThereIsOne) {
  begin();
  if (HasFatalFailure()) return;
  many().kill9();
  EXPECT_TRUE(await([&] { return many().processes_with("TROUPE_ATTEMPT=1").empty(); }, 40s));
  ASSERT_TRUE(many().start_head());
  EXPECT_TRUE(second_begins());
  finish(2);
}

TEST_F(Exclusive, WhoseHeadIsRestartedRunsOn) {
  begin();
  if (HasFatalFailure()) return;
  many().kill9();
  ASSERT_TRUE(many().start_head());
  EXPECT_TRUE(many().await_node("w1", "up"));
  many().kill_worker("w1");
  ASSERT_TRUE(many().start_worker("w1"));
  EXPECT_EQ(many().state(first_), "RUNNING");
  recorder().kill(first_);
  finish(1);
}

/// The control: what is not exclusive runs twice, and the history of that is caught where it says
/// that it was.
TEST_F(Exclusive, OrElseBothRun) {
  begin(false);
  if (HasFatalFailure()) return;
  ASSERT_TRUE(many().start_worker("w2"));
  recorder().lost("w1");
  lab().unplug("w1");
  EXPECT_TRUE(second_begins());
  EXPECT_EQ(many().await_end(first_), "FINISHED");
  lab().plug("w1");
  EXPECT_TRUE(many().await_node("w1", "up"));
  recorder().back("w1");
  finish(2);
  auto text = *read_file(recorder().path());
  auto at = text.find(R"("exclusive":false)");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, std::string_view{R"("exclusive":false)"}.size(), R"("exclusive":true)");
  auto doctored = recorder().path() + "-doctored";
  ASSERT_TRUE(replace_file(doctored, text));
  auto output = run_checker("one", doctored);
  EXPECT_NE(output.code, 0);
  EXPECT_NE(output.out.find("still ran on w1"), std::string::npos) << output.out;
}

}  // namespace
}  // namespace troupe::cluster
