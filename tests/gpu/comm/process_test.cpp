// Ranks as processes, and what becomes of the others when one is killed, stopped or late.
#include "gpu/comm/communicator.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::comm {
namespace {

using Clock = std::chrono::steady_clock;

struct Process {
  pid_t pid = -1;
  UniqueFd output;
  std::string text;
};

/// Waits for what it prints; false at the end of its output.
bool read_more(Process& process) {
  char buffer[512];
  auto count = ::read(process.output.get(), buffer, sizeof buffer);
  if (count > 0) process.text.append(buffer, static_cast<size_t>(count));
  return count > 0;
}

class Ranks : public testing::TestWithParam<const char*> {
 protected:
  void TearDown() override { end_all(); }

  void end_all() {
    for (auto& process : processes_) {
      ::kill(process.pid, SIGKILL);
      ::waitpid(process.pid, nullptr, 0);
    }
    processes_.clear();
  }

  void start(uint32_t size, const std::vector<std::string>& arguments) {
    auto listener = listen_tcp({"127.0.0.1", 0});
    ASSERT_TRUE(listener);
    port_ = std::to_string(listener->port);
    listener->fd.reset();
    for (uint32_t rank = first_; rank < size; ++rank) start_rank(rank, size, arguments);
  }

  void start_rank(uint32_t rank, uint32_t size, const std::vector<std::string>& arguments) {
    std::vector<std::string> env{"RANK=" + std::to_string(rank),
                                 "LOCAL_RANK=" + std::to_string(rank),
                                 "WORLD_SIZE=" + std::to_string(size),
                                 "MASTER_ADDR=127.0.0.1",
                                 "MASTER_PORT=" + port_,
                                 "TROUPE_JOB_TOKEN=secret",
                                 std::string{"TROUPE_COMM_TRANSPORT="} + GetParam(),
                                 "TROUPE_COMM_DEADLINE_S=" + deadline_s_,
                                 "TROUPE_COMM_JOIN_S=" + join_s_,
                                 "TROUPE_COMM_CUDART=" TROUPE_FAKE_NCCL_NEW,
                                 "TROUPE_COMM_NCCL=" TROUPE_FAKE_NCCL_NEW};
    if (server_) env.push_back("TROUPE_STORE=127.0.0.1:" + std::to_string(server_->port()));
    if (!extra_.empty()) env.insert(env.begin(), extra_);
    start_one(arguments, env);
  }

  std::string output_of(size_t rank) {
    while (read_more(processes_[rank])) {
    }
    return processes_[rank].text;
  }
  void await_text(size_t rank, const std::string& text) {
    while (processes_[rank].text.find(text) == std::string::npos)
      ASSERT_TRUE(read_more(processes_[rank])) << processes_[rank].text;
  }
  void serve(uint16_t port = 0) {
    server_.reset();
    auto server = StoreServer::start({"127.0.0.1", port}, "secret");
    ASSERT_TRUE(server) << to_string(server.error());
    server_ = std::move(*server);
  }

  std::unique_ptr<StoreServer> server_;  // of somebody who is no rank
  uint32_t first_ = 0;                   // the lower ones do not come
  std::string extra_;                    // one more variable
  std::string join_s_ = "60", deadline_s_ = "60", port_;
  pid_t pid_of(size_t rank) const { return processes_[rank].pid; }
  void signal(size_t rank, int number) { ::kill(processes_[rank].pid, number); }

 private:
  void start_one(std::vector<std::string> arguments, std::vector<std::string>& env) {
    arguments.insert(arguments.begin(), TROUPE_COMM_RANK);
    std::vector<char*> argv, envp;
    for (auto& argument : arguments) argv.push_back(argument.data());
    for (auto& entry : env) envp.push_back(entry.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    pid_t pid = -1;
    ASSERT_EQ(::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), envp.data()), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    processes_.push_back({pid, UniqueFd{ends[0]}, {}});
  }

  std::vector<Process> processes_;
};

INSTANTIATE_TEST_SUITE_P(Over, Ranks, testing::Values("memory", "tcp"),
                         [](const auto& transport) { return std::string{transport.param}; });

TEST_P(Ranks, ReduceAcrossProcesses) {
  start(4, {"reduce", "300000"});
  for (size_t rank = 0; rank < 4; ++rank) EXPECT_EQ(output_of(rank), "3\n");
}

TEST_P(Ranks, AKilledRankEndsTheCallsOfTheOthers) {
  for (size_t victim : {0, 2}) {
    start(3, {"loop"});
    await_text(victim, "ready");
    signal(victim, SIGKILL);
    auto killed = Clock::now();
    for (size_t rank = 0; rank < 3; ++rank) {
      auto text = output_of(rank);
      if (rank == victim) continue;
      EXPECT_NE(text.find("rank " + std::to_string(victim) + " is gone"), std::string::npos)
          << text;
    }
    // Long before the deadline, which is a minute.
    EXPECT_LT(Clock::now() - killed, std::chrono::seconds{20});
    end_all();
  }
}

TEST_P(Ranks, AStoppedRankEndsTheCallsOfTheOthersAtTheDeadline) {
  deadline_s_ = "1";
  for (size_t victim : {1, 3}) {
    start(4, {"loop"});
    await_text(victim, "ready");
    signal(victim, SIGSTOP);
    for (size_t rank = 0; rank < 4; ++rank) {
      if (rank == victim) continue;
      auto text = output_of(rank);
      // Not the neighbour in the ring, which waits as well.
      EXPECT_NE(text.find(": rank " + std::to_string(victim) + " did not come"), std::string::npos)
          << text;
    }
    signal(victim, SIGCONT);
    auto text = output_of(victim);
    EXPECT_NE(text.find("all_reduce of 200000 float32 (max): "), std::string::npos) << text;
    end_all();
  }
}

TEST_P(Ranks, RefuseATransportThatIsNotKnown) {
  extra_ = "TROUPE_COMM_TRANSPORT=carrier-pigeon";
  start(2, {"reduce", "10"});
  for (size_t rank = 0; rank < 2; ++rank) {
    auto text = output_of(rank);
    EXPECT_NE(text.find("it is \"carrier-pigeon\""), std::string::npos) << text;
  }
}

TEST_P(Ranks, AStopThatIsShorterThanTheDeadlineHurtsNobody) {
  start(3, {"late", "300"});
  signal(2, SIGSTOP);
  signal(2, SIGCONT);
  for (size_t rank = 0; rank < 3; ++rank) EXPECT_EQ(output_of(rank), "2\n");
}

TEST_P(Ranks, TheMemoryTheyShareHasNoName) {
  start(3, {"loop"});
  await_text(0, "ready");
  // So nothing can be left of it, however they end.
  auto maps = read_file("/proc/" + std::to_string(pid_of(0)) + "/maps");
  ASSERT_TRUE(maps);
  bool shares = maps->find("/memfd:troupe-") != std::string::npos;
  EXPECT_EQ(shares, std::string{GetParam()} == "memory");
  EXPECT_EQ(maps->find("/dev/shm"), std::string::npos);
}

TEST_P(Ranks, MeetInAStoreThatNoneOfThemServes) {
  serve();
  start(3, {"again"});
  for (size_t rank = 0; rank < 3; ++rank) EXPECT_EQ(output_of(rank), "2\n2\n2\n");
}

TEST_P(Ranks, NameThoseThatNeverJoinAndThoseThatWait) {
  serve();
  first_ = 1;
  join_s_ = "1";
  start(4, {"reduce", "10"});
  for (size_t place = 0; place < 3; ++place) {
    auto text = output_of(place);
    EXPECT_NE(text.find("rank 0 has not come within 1 s; ranks 1, 2, 3 wait"), std::string::npos)
        << text;
  }
}

TEST_P(Ranks, SayWhichAddressIsNoneOfTheirs) {
  serve();
  // One that does not resolve, and one of a network that leads nowhere.
  for (const char* address : {"no-such-host.invalid", "203.0.113.1"}) {
    extra_ = std::string{"TROUPE_COMM_ADDRESS="} + address;
    start(2, {"reduce", "10"});
    for (size_t rank : {0, 1}) {
      auto text = output_of(rank);
      EXPECT_NE(text.find(address), std::string::npos) << text;
    }
    end_all();
  }
}

TEST_P(Ranks, WriteAgainWhereTheStoreHasBegunAnew) {
  serve();
  first_ = 1;
  start(2, {"reduce", "10"});
  auto key = [&] { return server_->values().get(".@127.0.0.1:" + port_ + "#0/member/1"); };
  while (!key().value()) ::poll(nullptr, 0, 5);
  serve(server_->port());
  start_rank(0, 2, {"reduce", "10"});
  for (size_t place : {0, 1}) EXPECT_EQ(output_of(place), "1\n");
}

TEST_P(Ranks, ReduceOnADevice) {
  start(1, {"device"});
  EXPECT_EQ(output_of(0), "1\n");
}

TEST_P(Ranks, AKilledRankEndsTheStartOfDevices) {
  // The invented NCCL knows no other process: it never gets through, as where a network is cut.
  start(2, {"device"});
  auto has_begun = [&] {
    auto maps = read_file("/proc/" + std::to_string(pid_of(0)) + "/maps");
    return maps && maps->find("libfake_nccl_new.so") != std::string::npos;
  };
  while (!has_begun()) ::poll(nullptr, 0, 5);
  auto killed = Clock::now();
  signal(1, SIGKILL);
  auto text = output_of(0);
  EXPECT_NE(text.find("rank 1 is gone"), std::string::npos) << text;
  EXPECT_LT(Clock::now() - killed, std::chrono::seconds{20});
}

TEST(RankEnvironment, SaysWhatIsMissing) {
  ::setenv("WORLD_SIZE", "2", 1);
  auto options = options_from_environment();
  ASSERT_FALSE(options);
  EXPECT_NE(options.error().detail.find("MASTER_ADDR"), std::string::npos);
  ::setenv("MASTER_ADDR", "node7", 1);
  ::setenv("MASTER_PORT", "29500", 1);
  options = options_from_environment();
  ASSERT_FALSE(options);
  EXPECT_EQ(options.error().what, "the ranks have no secret");
  ::setenv("WORLD_SIZE", "two", 1);
  options = options_from_environment();
  ASSERT_FALSE(options);
  EXPECT_EQ(options.error().what, "WORLD_SIZE is no number");
  for (const char* name : {"WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}) ::unsetenv(name);
  options = options_from_environment();
  ASSERT_TRUE(options);
  EXPECT_EQ(options->size, 1u);
}

}  // namespace
}  // namespace troupe::comm
