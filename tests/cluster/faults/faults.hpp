// What the fault tests share: a cluster in a lab with its history, and waiting for the time that a
// fault is to last.
#pragma once

#include "tests/cluster/checkers/recorder.hpp"
#include "tests/cluster/lab/lab_machines.hpp"

#include <chrono>
#include <string>
#include <thread>

namespace troupe::cluster {

class FaultTest : public LabTest {
 protected:
  /// A head, w1 with a job on it that fills it, and w2 with another: `first_`, `second_`.
  void start(int milliseconds) {
    ASSERT_TRUE(many().start_head());
    ASSERT_TRUE(many().start_worker("w1"));
    first_ = recorder().submit("first", recorder().mark(milliseconds, 2), two_cpus);
    ASSERT_TRUE(many().await_state(first_, "RUNNING"));
    ASSERT_TRUE(many().start_worker("w2"));
    second_ = recorder().submit("second", recorder().mark(milliseconds, 2), two_cpus);
    ASSERT_TRUE(many().await_state(second_, "RUNNING"));
    recorder().nodes();
  }
  /// The fault has ended: both jobs end once, `first_` in a second attempt where w1 was lost.
  void expect_done_once(bool lost) {
    EXPECT_TRUE(many().await_node("w1", "up"));
    EXPECT_TRUE(many().await_node("w2", "up"));
    recorder().back("w1");
    recorder().healed();
    recorder().finish();
    EXPECT_EQ(attempts(first_), lost ? 2u : 1u);
    EXPECT_EQ(attempts(second_), 1u);
    EXPECT_EQ(many().state(first_), "FINISHED");
    EXPECT_LE(doubts("w1"), 1u) << "it flaps";
  }
  void TearDown() override {
    recorder_.reset();
    many_.reset();
  }
  LabMachines& many() {
    if (!many_) many_ = std::make_unique<LabMachines>();
    return *many_;
  }
  Lab& lab() { return many().lab(); }
  Recorder& recorder() {
    if (!recorder_) recorder_ = std::make_unique<Recorder>(many());
    return *recorder_;
  }
  size_t attempts(const std::string& id) {
    auto record = many().show(id);
    const auto* list = record.find("attempts");
    return list != nullptr && list->is_list() ? list->as_list().size() : 0;
  }
  /// How often the head began to doubt a node.
  size_t doubts(const std::string& node) {
    auto text = many().err();
    size_t count = 0;
    auto wanted = "node " + node + " is suspect";
    for (size_t at = 0; (at = text.find(wanted, at)) != std::string::npos; ++at) ++count;
    return count;
  }
  /// A fault goes on for that long.
  static void pass(std::chrono::milliseconds time) {
    // tidy: allow sleep: the length of a fault is what is tested
    std::this_thread::sleep_for(time);
  }

  static constexpr const char* two_cpus = R"(,"resources":{"cpus":2})";
  std::string first_, second_;

 private:
  std::unique_ptr<LabMachines> many_;
  std::unique_ptr<Recorder> recorder_;
};

}  // namespace troupe::cluster
