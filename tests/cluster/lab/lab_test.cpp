// The lab itself: what it promises to the tests that build on it.
#include "tests/cluster/lab/lab_machines.hpp"
#include "tests/temp_dir.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::cluster {
namespace {

/// Whether `from` reaches `to` by TCP, to a port where nobody listens: a refusal is an answer.
bool reaches(Host& from, const std::string& to) {
  bool answered = false;
  from.inside([&] {
    UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    timeval patience{0, 300'000};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(9);
    ::inet_pton(AF_INET, to.c_str(), &address.sin_addr);
    answered = ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
               errno == ECONNREFUSED;
  });
  return answered;
}

/// Where it should: a busy machine may need more than one try.
bool reaches_in_time(Host& from, const std::string& to) {
  return await([&] { return reaches(from, to); }, 10s);
}

using LabItself = LabTest;

TEST_F(LabItself, CablesFiltersAndPowerCutWhatTheySay) {
  Lab lab;
  auto& a = lab.host("a");
  auto b = lab.address("b");
  auto a_address = lab.address("a");
  EXPECT_TRUE(reaches_in_time(a, b));
  lab.unplug("b");
  EXPECT_FALSE(reaches(a, b));
  lab.plug("b");
  EXPECT_TRUE(reaches_in_time(a, b));
  lab.deafen("b", "a");
  EXPECT_FALSE(reaches(a, b));
  lab.calm("b");
  EXPECT_TRUE(reaches_in_time(a, b));
  lab.lose("b", 99);
  EXPECT_FALSE(reaches(a, b));
  lab.calm("b");
  lab.swallow("b", 9);
  EXPECT_FALSE(reaches(a, b));
  lab.calm("b");
  lab.isolate("a", true);
  EXPECT_TRUE(reaches_in_time(a, "10.77.0.1")) << "the rest of the network";
  lab.isolate("b", true);
  EXPECT_FALSE(reaches(a, b));
  lab.isolate("a", false);
  lab.isolate("b", false);
  lab.narrow("b", "1mbit", "100ms");
  EXPECT_TRUE(reaches_in_time(a, b));
  lab.calm("b");
  lab.cut_power("b");
  EXPECT_FALSE(reaches(a, b));
  EXPECT_EQ(lab.address("b"), b);
  EXPECT_TRUE(reaches_in_time(a, b));
}

TEST_F(LabItself, AHostEndsWithAllItsProcessesAndPausesAsAWhole) {
  Lab lab;
  auto& a = lab.host("a");
  TempDir dir;
  auto child = a.start({"/bin/sh", "-c", "setsid sleep 1000 & setsid sleep 1000 & wait"}, {},
                       dir.path(), dir.path() + "/out", dir.path() + "/out");
  ASSERT_TRUE(await([&] { return a.processes().size() == 3; }));
  auto inside = a.processes();
  a.signal_all(SIGSTOP);
  a.signal_all(SIGCONT);
  EXPECT_EQ(a.processes().size(), 3u);
  lab.cut_power("a");
  for (auto pid : inside) EXPECT_FALSE(is_alive(pid));
}

TEST_F(LabItself, TwoStandSideBySide) {
  Lab lab;
  auto& a = lab.host("a");
  auto b = lab.address("b");
  std::thread{[&] {
    Lab other;
    other.host("a");
    EXPECT_FALSE(reaches(other.host("a"), b)) << "the other lab has no such host";
    EXPECT_TRUE(reaches_in_time(other.host("a"), "10.77.0.1"));
  }}.join();
  EXPECT_TRUE(reaches_in_time(a, b));
}

TEST_F(LabItself, MachinesOfItRunJobs) {
  LabMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  ASSERT_TRUE(many.start_worker("w2"));
  auto gang = many.submit_shell("hostname; echo $MASTER_ADDR",
                                R"(,"workers":{"count":2},"resources":{"cpus":2})");
  EXPECT_EQ(many.await_end(gang), "FINISHED");
  EXPECT_NE(many.log_text(gang, "worker.0"), "");
  EXPECT_NE(many.log_text(gang, "worker.0").find(many.lab().address("w1").substr(0, 8)),
            std::string::npos)
      << many.log_text(gang, "worker.0");
  many.cut_power("w1");
  ASSERT_TRUE(many.start_worker("w1"));
  auto id = many.submit_shell("true");
  EXPECT_EQ(many.await_end(id), "FINISHED");
}

}  // namespace
}  // namespace troupe::cluster
