// A node on CAF's test scheduler: real folders, a launcher without processes, and a head that only
// remembers what it is told.
#pragma once

#include "actors/worker/node.hpp"
#include "runtime/process/fake_launcher.hpp"
#include "tests/actors/head_fixture.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe::actors {

/// What the head was told, and what it answers.
struct ToldHead {
  std::vector<NodeHello> hellos;
  std::vector<std::string> stuck;
  std::vector<GpuReport> devices;
  NodeWelcome welcome;
  std::function<void(const node_actor&)> before_answer = [](const node_actor&) {};
};

class NodeTest : public ActorTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// A worker that finds these runs at its launcher.
  void start(std::vector<process::RunStatus> runs = {});
  /// The worker's process is gone; the launcher and its runs are not.
  void leave();
  void tell(const JobOrder& order);

  std::shared_ptr<ToldHead> head = std::make_shared<ToldHead>();
  std::shared_ptr<std::vector<JobUpdate>> updates = std::make_shared<std::vector<JobUpdate>>();
  hello_port registry;
  director_actor director;
  node_actor node;
  std::shared_ptr<WorkerContext> context;  // to be changed before the node starts
  process::LauncherEvents events;
  std::shared_ptr<process::FakeLauncher> launcher;
};

}  // namespace troupe::actors
