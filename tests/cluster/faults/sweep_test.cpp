// The digits sweep of the getting-started page over three machines, while each is killed in turn
// and comes back: every member ends FINISHED, once.
#include "tests/cluster/faults/faults.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

namespace troupe::cluster {
namespace {

class DigitsSweep : public FaultTest {
 protected:
  std::string gate() { return many().path("gate"); }
  std::optional<double> number_of(const std::string& node, const char* what) {
    auto view = many().get("/api/v1/nodes/" + node);
    const auto* value = view ? view->find(what) : nullptr;
    if (value == nullptr || !value->is_number()) return std::nullopt;
    return value->as_number();
  }
  /// The example with fewer epochs, and each training between two marks.
  void write_project() {
    auto folder = many().path("digits");
    std::filesystem::copy(TROUPE_DIGITS, folder);
    auto file = many().read("digits/troupe.yaml");
    auto at = file.find("/usr/bin/python3 train.py");
    ASSERT_NE(at, std::string::npos);
    auto end = file.find('\n', at);
    auto command = file.substr(at, end - at) + " --epochs 12";
    // `mark` says begin and end; the training stands between, so that it has to have happened.
    // Most members wait for the gate: however fast they train, some run when the last machine dies.
    auto script = fmt::format(
        "set -e; {}; [ ${{TROUPE_ID##*.}} -le 3 ] || until [ -e {} ]; do sleep 0.1; done; {}",
        command, gate(), recorder().mark(500, 1));
    file.replace(at, end - at, fmt::format("['{}']", script));
    std::ofstream{folder + "/troupe.yaml"} << file;
  }
};

TEST_F(DigitsSweep, FinishesEachMemberOnceWhileEachMachineIsKilledInTurn) {
  if (std::system("/usr/bin/python3 -c 'import sklearn' 2>/dev/null") != 0)
    GTEST_SKIP() << "python3-sklearn is not installed";
  ASSERT_TRUE(many().start_head());
  for (const char* name : {"w1", "w2", "w3"}) ASSERT_TRUE(many().start_worker(name));
  write_project();
  if (HasFatalFailure()) return;
  // Two members to a machine, however many cores it has: each machine has some at any time.
  auto cpus = number_of("w1", "cpus");
  ASSERT_TRUE(cpus);
  auto sweep = many().cli({"sweep", "-d", "--cpus", fmt::format("{}", *cpus / 2)}, 60s,
                          many().path("digits"));
  ASSERT_EQ(sweep.code, 0) << sweep.err;
  auto id = sweep.out.substr(0, sweep.out.find('\n'));
  recorder().add(id);
  for (const char* name : {"w1", "w2", "w3"}) {
    ASSERT_TRUE(await([&] { return number_of(name, "jobs").value_or(0) > 0; })) << name;
    recorder().lost(name);
    many().cut_power(name);
    EXPECT_TRUE(many().await_node(name, "suspect"));
    ASSERT_TRUE(many().start_worker(name));
    recorder().back(name);
  }
  std::ofstream{gate()} << "open";
  recorder().healed();
  recorder().finish(150s);
  auto record = many().show(id);
  EXPECT_EQ(text_of(record, "state"), "FINISHED");
  const auto* members = record.find("members");
  ASSERT_TRUE(members != nullptr && members->is_list());
  EXPECT_EQ(members->as_list().size(), 16u);
  for (const auto& member : members->as_list()) {
    EXPECT_EQ(text_of(member, "state"), "FINISHED") << text_of(member, "id");
    size_t finished = 0;
    for (const auto& step : many().transitions(text_of(member, "id")))
      if (step == "RUNNING->FINISHED") ++finished;
    EXPECT_EQ(finished, 1u) << text_of(member, "id");
    const auto* value = member.find("value");
    EXPECT_TRUE(value != nullptr && value->is_number() && value->as_number() > 0.3);
  }
}

}  // namespace
}  // namespace troupe::cluster
