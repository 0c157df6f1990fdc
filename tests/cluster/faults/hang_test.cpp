// Gangs whose ranks cannot reach each other any more, while head and workers can: only a watchdog
// sees that.
#include "tests/cluster/faults/faults.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace troupe::cluster {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using Hangs = FaultTest;

/// Two ranks that pass a number to and fro by TCP, ten times a second. The first attempt goes on
/// for ever.
constexpr const char* ping_pong = R"(exec python3 -u -c '
import json, os, socket, time
rank, last = int(os.environ["RANK"]), os.environ["TROUPE_ATTEMPT"] != "1"
place = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == 0:
    door = socket.create_server(("", place[1]))
    peer = door.accept()[0]
else:
    while True:
        try:
            peer = socket.create_connection(place)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
step = 0
while not last or step < 20:
    if rank == 0: peer.sendall(b"x")
    assert peer.recv(1) == b"x"
    if rank == 1: peer.sendall(b"x")
    step += 1
    open(os.environ["TROUPE_METRICS"], "a").write(json.dumps({"step": step, "loss": 1}) + "\n")
    time.sleep(0.1)
')";

TEST_F(Hangs, OfAGangCutInTwoIsNamedAndItStartsAgain) {
  ASSERT_TRUE(many().start_head());
  for (const auto* worker : {"w1", "w2"}) ASSERT_TRUE(many().start_worker(worker));
  auto gang = many().submit_shell(ping_pong, R"(,"workers":{"count":2},"resources":{"cpus":2},)"
                                             R"("watchdog":{"patience":"3s","action":"restart"})");
  ASSERT_TRUE(many().await_state(gang, "RUNNING"));
  auto metric = [&] { return many().cli({"metrics", gang}).out; };
  ASSERT_TRUE(await([&] { return metric().find("loss") != std::string::npos; }));
  for (const auto* worker : {"w1", "w2"}) lab().isolate(worker, true);
  auto begin = std::chrono::steady_clock::now();
  auto told = [&] {
    auto record = many().show(gang);
    return text_of(record, "state") != "RUNNING" || attempts(gang) > 1;
  };
  ASSERT_TRUE(await(told, 30s));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 13s) << "patience, and ten seconds";
  for (const auto* worker : {"w1", "w2"}) lab().isolate(worker, false);
  EXPECT_EQ(many().await_end(gang), "FINISHED");
  auto record = many().show(gang);
  auto first = *record.find("attempts")->as_list().front().find("error");
  EXPECT_EQ(text_of(first, "message"), "ranks 0, 1 of 2 made no progress for 3s");
  EXPECT_THAT(text_of(first, "detail"),
              AllOf(HasSubstr("rank 0 on w"), HasSubstr("rank 1 on w"), HasSubstr("last step"),
                    HasSubstr("(python3): sleeping"), HasSubstr("of CPU in the last")));
  EXPECT_EQ(doubts("w1") + doubts("w2"), 0u);
}

TEST_F(Hangs, AreOnlyReportedWhereNothingElseIsAskedFor) {
  ASSERT_TRUE(many().start_head());
  ASSERT_TRUE(many().start_worker("w1"));
  auto still = many().submit_shell("echo begun; sleep 6; echo more; sleep 1; echo and more; exit 0",
                                   R"(,"watchdog":{"patience":"2s"})");
  auto says = [&](const char* verb, const char* text) {
    return [=, this] { return many().cli({verb, still}).out.find(text) != std::string::npos; };
  };
  ASSERT_TRUE(await(says("why", "rank 0 of 1 made no progress for 2s"), 30s));
  EXPECT_THAT(many().cli({"why", still}).out,
              AllOf(HasSubstr("rank 0 on w1: last line at"), HasSubstr("(sleep): sleeping")));
  EXPECT_TRUE(says("show", "made no progress for 2s")());
  EXPECT_EQ(many().state(still), "RUNNING");
  EXPECT_TRUE(await(says("show", "its ranks make progress again"), 30s));
  EXPECT_EQ(many().await_end(still), "FINISHED");
  EXPECT_EQ(attempts(still), 1u);
}

}  // namespace
}  // namespace troupe::cluster
