// Ask and tell from people's own loops: of the Python package, and of a head that is killed while
// they run.
#include "client/cpp/client.hpp"
#include "tests/cluster/harness.hpp"

#include <fmt/format.h>

#include <fstream>
#include <thread>

namespace troupe::cluster {
namespace {

std::string new_set(UpProcess& up, const std::string& strategy, int trials) {
  auto made = up.cli({"sweep", "--ask", "--strategy", strategy, "--trials", std::to_string(trials),
                      "--seed", "5", "--metric", "min.loss", "--param", "x=0.0..1.0", "--param",
                      "y=a,b,c"});
  EXPECT_EQ(made.code, 0) << made.err;
  return made.out.substr(0, made.out.find('\n'));
}

/// Asks and tells some times; whether nothing was left.
bool some_turns(const client::Endpoint& endpoint, ExperimentId set, int first, int count) {
  auto client = client::Client::connect(endpoint).value();
  for (int turn = first; turn < first + count; ++turn) {
    auto asked = client->ask_trials(set, 1, fmt::format("key {}", turn));
    EXPECT_TRUE(asked) << to_string(asked.error());
    if (!asked || asked->find("trials")->as_list().empty()) return true;
    const auto& trial = asked->find("trials")->as_list()[0];
    auto x = trial.find("params")->find("x")->as_number();
    auto number = static_cast<uint32_t>(trial.find("trial")->as_int());
    auto told = client->tell_trial(set, number, {{"loss", (x - 0.3) * (x - 0.3)}});
    EXPECT_TRUE(told) << to_string(told.error());
  }
  return false;
}

/// Through a client of C++, until nothing is left. It has an event loop of its own, and so a
/// thread.
void run_loop(UpProcess& up, const std::string& set, bool disturbed) {
  auto id = parse_experiment_id(set).value();
  bool over = false;
  for (int turn = 0; !over; turn += 7) {
    if (disturbed && turn > 0) {
      up.kill9();
      ASSERT_TRUE(up.start());
    }
    client::Endpoint endpoint{up.url(), up.token(), "a test"};
    std::thread{[&] { over = some_turns(endpoint, id, turn, 7); }}.join();
  }
}

TEST(AskedSet, AHeadThatIsKilledChangesNoPoint) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto undisturbed = new_set(up, "tpe", 24);
  run_loop(up, undisturbed, false);
  auto disturbed = new_set(up, "tpe", 24);
  run_loop(up, disturbed, true);
  EXPECT_EQ(up.state(disturbed), "FINISHED");
  EXPECT_EQ(up.points(disturbed).size(), 24u);
  EXPECT_EQ(up.points(disturbed), up.points(undisturbed));
  auto replay = up.cli({"sweep", "--replay", disturbed});
  EXPECT_EQ(replay.code, 0) << replay.out;
  EXPECT_EQ(up.stop(), 0);
}

TEST(AskedSet, LoopsOfPythonShareIt) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto set = new_set(up, "auto", 30);
  std::ofstream{up.path("loop.py")} << R"(
import sys, troupe
done = 0
with troupe.Search(sys.argv[1]) as search:
    for trial in search:
        if done == 2:
            trial.fail()
        else:
            trial.report(step=1, loss=2.0)
            trial.tell((trial["x"] - 0.3) ** 2)
        done += 1
    try:
        search.tell(1, float("nan"))
    except troupe.Error as error:
        print(error.code, error.detail)
    print(done, search.done, search.best["id"].split(".")[0])
two = troupe.Search.create({"x": [1, 2]}, metric=["min.loss", "max.gain"], trials=1)
for trial in two:
    trial.tell([0.5, 2])
)";
  std::vector<Child> loops;
  auto environment = [&] {
    std::vector<std::string> env{"PYTHONPATH=" TROUPE_PYTHON_PACKAGE, "PYTHONDONTWRITEBYTECODE=1",
                                 "TROUPE_URL=" + up.url(), "TROUPE_TOKEN=" + up.token()};
    return env;
  }();
  for (int i = 0; i < 3; ++i)
    loops.emplace_back(std::vector<std::string>{"/usr/bin/python3", up.path("loop.py"), set},
                       environment, up.root(), up.path(fmt::format("loop{}.out", i)),
                       up.path(fmt::format("loop{}.err", i)));
  ASSERT_TRUE(await([&] { return up.show(set).find("next")->as_int() > 10; }));
  up.kill9();
  auto url = up.url();
  ASSERT_TRUE(up.start({"up", "--port", url.substr(url.rfind(':') + 1)}));
  int done = 0;
  for (size_t i = 0; i < loops.size(); ++i) {
    EXPECT_EQ(loops[i].wait(60s), 0) << up.read(fmt::format("loop{}.err", i));
    auto lines = up.lines(fmt::format("loop{}.out", i));
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0].substr(0, 8), "invalid ") << lines[0];
    EXPECT_EQ(lines[1].substr(lines[1].find(' ')), " True " + set);
    done += std::stoi(lines[1]);
  }
  // One whose answer the killed head did not send any more was told again under the same key.
  EXPECT_EQ(done, 30);
  EXPECT_EQ(up.state(set), "FINISHED");
  EXPECT_EQ(up.show(set).find("counts")->find("failed")->as_int(), 3);
  auto replay = up.cli({"sweep", "--replay", set});
  EXPECT_EQ(replay.code, 0) << replay.out;
  EXPECT_EQ(up.stop(), 0);
}

}  // namespace
}  // namespace troupe::cluster
