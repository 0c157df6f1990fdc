// What Troupe itself costs a task: the head whole, with its ledger, API and scheduler, and worker
// actors that answer an order as if the process had run and ended. And a gang over a thousand of
// them.
#include "actors/head/head.hpp"
#include "actors/messages.hpp"
#include "runtime/cluster/config.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace troupe::bench {
namespace {

using namespace actors;

JobUpdate update_for(const JobOrder& order, JobStep step) {
  JobUpdate update;
  update.key = order.key;
  update.attempt = order.attempt;
  update.step = step;
  update.time_us = SystemClock{}.now().us;
  update.started_us = update.time_us;
  update.gpus = order.gpus;
  return update;
}

/// A worker without processes: each job runs, and ends well at once.
node_actor::behavior_type simulated_worker(node_actor::pointer self, director_actor director) {
  return {
      [self, director](start_atom, const JobOrder& order) {
        auto update = update_for(order, JobStep::ended);
        update.has_exit = true;
        self->send(director, update_atom_v, std::move(update));
      },
      [](stop_atom, const JobKey&, uint32_t) {},
      [](phase_atom, const JobKey&, const PhaseStart&) {},
      [](forget_atom, const JobKey&) {},
      [](log_atom, const JobId&, uint64_t, bool) { return LogStatus{}; },
      [](known_atom, const RunStatusesRef&) {},
      [](launched_atom, const RunStatusRef&) {},
      [](logged_atom, const std::string&, uint64_t) {},
      [](gone_atom, const JobKey&) {},
      [](devices_atom, const GpuReport&) {},
      [](devices_atom, const JobKey&, const std::string&) {},
      [](stuck_atom, const RunStatusRef&) {},
      [](fetch_atom, const CacheWishes&) {},
      [](forget_atom, const CheckpointDrop&) {},
      [](tick_atom) {},
      [](lease_atom, int64_t) {},
      [](linked_atom, const std::string&) {},
      [self](leave_atom) { self->quit(); },
      [](status_atom) { return std::string{"simulated"}; },
  };
}

/// A head in this process, and simulated workers.
class SimulatedCluster {
 public:
  SimulatedCluster(int workers, int64_t milli_cpus) : system_{config_}, head_{options(), system_} {
    if (!head_.start()) std::exit(1);
    caf::scoped_actor self{system_};
    for (int i = 0; i < workers; ++i) {
      workers_.push_back(system_.spawn(simulated_worker, head_.director()));
      NodeHello hello;
      hello.name = fmt::format("s{:04}", i);
      hello.milli_cpus = milli_cpus;
      hello.mem = 1ull << 40;
      hello.protocol = wire_protocol;
      self->request(head_.registry(), std::chrono::seconds{10}, hello_atom_v, hello,
                    workers_.back())
          .receive([](NodeWelcome&) {}, [](caf::error&) { std::exit(1); });
    }
  }
  ~SimulatedCluster() {
    head_.stop_serving();
    for (auto& worker : workers_) caf::anon_send(worker, leave_atom_v);
    workers_.clear();
    head_.stop();
  }
  uint16_t port() const { return head_.port(); }
  const std::string& token() const { return head_.owner_token(); }

 private:
  static HeadOptions options() {
    HeadOptions options;
    options.dir = scratch_folder("control");
    options.port = 0;
    options.port_given = true;
    options.policy = schedule::Policy::attained();
    return options;
  }

  cluster::Config config_;
  caf::actor_system system_;
  Head head_;
  std::vector<node_actor> workers_;
};

/// The time of what `submit` sends, to the end of all of it.
template <class Submit>
double seconds_of(SimulatedCluster& cluster, Submit submit) {
  HttpConnection connection{cluster.port(), cluster.token()};
  auto began = now_seconds();
  submit(connection);
  await_idle(connection);
  return now_seconds() - began;
}

void must(HttpConnection& connection, const std::string& path, const std::string& body) {
  auto response = connection.request("POST", path, body);
  if (response.status / 100 == 2) return;
  fmt::print("{}\n", response.body);
  std::exit(1);
}

}  // namespace

void bench_control(bool quick) {
  int tasks = quick ? 1000 : 50'000;
  double batched = 0, swept = 0;
  {
    SimulatedCluster cluster{16, 4000};
    std::string body = R"({"submissions":[)";
    constexpr int at_once = 500;
    for (int i = 0; i < at_once; ++i)
      body +=
          fmt::format("{}{}", i == 0 ? "" : ",", R"({"project":"bench","run":[["/bin/true"]]})");
    body += "]}";
    batched = tasks / seconds_of(cluster, [&](HttpConnection& connection) {
                for (int done = 0; done < tasks; done += at_once)
                  must(connection, "/api/v1/experiments:batch", body);
              });
  }
  {
    SimulatedCluster cluster{16, 4000};
    auto body = fmt::format(
        R"({{"project":"bench","run":": {{{{x}}}}","parameters":[{{"name":"x","range":{{"min":1,"max":{}}}}}],"sweep":{{"strategy":"grid"}}}})",
        tasks);
    swept = tasks / seconds_of(cluster, [&](HttpConnection& connection) {
              must(connection, "/api/v1/sets", body);
            });
  }
  row(fmt::format("{} tasks without a process, head and 16 worker actors", tasks),
      fmt::format("{:.0f}/s submitted 500 at once; {:.0f}/s as one sweep", batched, swept),
      "20,000/s");
  int workers = quick ? 50 : 1000;
  SimulatedCluster cluster{workers, 1000};
  auto seconds = seconds_of(cluster, [&](HttpConnection& connection) {
    must(
        connection, "/api/v1/experiments",
        fmt::format(
            R"({{"project":"bench","run":[["/bin/true"]],"workers":{{"count":{}}},"resources":{{"cpus":1}}}})",
            workers));
  });
  row(fmt::format("gang over {} simulated workers, submit to recorded end", workers),
      fmt::format("{:.0f} ms", seconds * 1e3), "250 ms");
}

}  // namespace troupe::bench
