#include "tests/actors/node_fixture.hpp"

namespace troupe::actors {

namespace {

hello_port::behavior_type told_registry(hello_port::pointer, std::shared_ptr<ToldHead> head) {
  return {
      [head](hello_atom, const NodeHello& hello, const node_actor& node) {
        head->hellos.push_back(hello);
        head->before_answer(node);
        return head->welcome;
      },
      [head](stuck_atom, const std::string&, const std::string& what) {
        head->stuck.push_back(what);
      },
      [](cache_atom, const std::string&, const CacheReport&) {},
      [head](devices_atom, const std::string&, const GpuReport& report) {
        head->devices.push_back(report);
      },
  };
}

}  // namespace

void NodeTest::SetUp() {
  registry = sys.spawn(told_registry, head);
  director = sys.spawn(probe_director, updates);
  context = std::make_shared<WorkerContext>();
  context->name = "a";
  context->detach_blocking = false;
  context->paths = WorkerPaths{dir.path() + "/w", dir.path() + "/outputs", false};
  context->clock = clock;
  context->registry = registry;
  context->director = director;
  // The launcher outlives the worker: the second node of a test finds the first one's.
  context->make_launcher = [this](process::LauncherEvents fresh) {
    events = std::move(fresh);
    return launcher;
  };
  process::LauncherEvents relay;
  relay.started = [this](const process::RunStatus& status) { events.started(status); };
  relay.ended = [this](const process::RunStatus& status) { events.ended(status); };
  launcher = std::make_shared<process::FakeLauncher>(std::move(relay), *clock);
  ASSERT_TRUE(make_dirs(context->paths.outputs, 0755));
}

void NodeTest::TearDown() {
  leave();
  end(registry);
  end(director);
  context.reset();
}

void NodeTest::start(std::vector<process::RunStatus> runs) {
  node = sys.spawn(node_behavior, WorkerContextRef{context});
  run();
  events.connected(std::move(runs));
  run();
}

void NodeTest::leave() {
  if (!node) return;
  caf::anon_send(node, leave_atom_v);
  run();
  end(node);
}

void NodeTest::tell(const JobOrder& order) {
  caf::anon_send(node, start_atom_v, order);
  run();
}

}  // namespace troupe::actors
