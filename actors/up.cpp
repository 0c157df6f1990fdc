#include "actors/up.hpp"

#include "actors/foreground.hpp"
#include "actors/head/head.hpp"
#include "actors/machine.hpp"
#include "actors/worker/worker.hpp"
#include "actors/worker/worker_files.hpp"
#include "runtime/cluster/config.hpp"
#include "runtime/core/log.hpp"
#include "runtime/core/version.hpp"

#include <fmt/format.h>

#include <unistd.h>

namespace troupe {

namespace {

using namespace actors;

// Longer than the registry waits for nodes that are missing.
constexpr auto join_timeout = std::chrono::seconds{15};
// A stop that takes longer than a drain and this hangs.
constexpr auto watchdog_after = std::chrono::seconds{10};

class Up {
 public:
  Up(const UpOptions& options, caf::actor_system& system)
      : options_{options},
        system_{system},
        machine_{this_machine()},
        head_{head_options(), system} {}

  Result<void> start();
  /// Ends everything in order; with `drain_first`, jobs are asked to save and go back to the queue
  /// first.
  void stop(bool drain_first);

  std::string url() const { return head_.url(); }
  std::string offer() const;  // of all its workers, for people

 private:
  std::string worker_name(uint32_t index) const;
  WorkerPaths worker_paths(uint32_t index) const;
  HeadOptions head_options() const;
  WorkerOptions worker_options(uint32_t index) const;

  const UpOptions& options_;
  caf::actor_system& system_;
  Machine machine_;
  Head head_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

std::string Up::worker_name(uint32_t index) const {
  return options_.workers == 1 ? machine_.hostname : fmt::format("{}-{}", machine_.hostname, index);
}

WorkerPaths Up::worker_paths(uint32_t index) const {
  return {fmt::format("{}/workers/{}", options_.dir, index), options_.dir + "/outputs"};
}

HeadOptions Up::head_options() const {
  HeadOptions options;
  options.dir = options_.dir;
  options.bind = options_.bind;
  options.port = options_.port;
  options.port_given = options_.port_given;
  options.allowed_hosts = {machine_.hostname};
  // Workers of this process: straight to their files.
  auto threads = std::make_shared<FileThreads>();
  auto files = std::make_shared<std::map<std::string, cluster::LocalBulk>>();
  for (uint32_t i = 0; i < options_.workers; ++i)
    files->try_emplace(worker_name(i), threads, worker_files(worker_paths(i)));
  options.ask_node = [files](const std::string& node, cluster::BulkQuestion question) {
    if (auto it = files->find(node); it != files->end()) return it->second.ask(std::move(question));
    question.done(Error{Errc::unavailable, "node " + node + " is not here",
                        "it was a worker of another start", "start as many workers as then"});
  };
  // Its workers share a folder of outputs on this very disk.
  options.keeps_checkpoints = false;
  options.policy = schedule::policy_named(options_.policy).value_or({});
  options.expected_nodes.emplace();
  for (uint32_t i = 0; i < options_.workers; ++i) options.expected_nodes->push_back(worker_name(i));
  return options;
}

WorkerOptions Up::worker_options(uint32_t index) const {
  WorkerOptions worker;
  auto& context = worker.context;
  context.name = worker_name(index);
  context.milli_cpus = machine_.milli_cpus / options_.workers;
  if (options_.cpus) context.milli_cpus = static_cast<int64_t>(*options_.cpus * 1000);
  context.mem = machine_.mem / options_.workers;
  context.gpus = options_.gpus.value_or(machine_.gpus / options_.workers);
  use_machine(context, machine_, options_.binding, index * context.gpus);
  context.paths = worker_paths(index);
  context.cache_limit = options_.cache_limit;
  context.environment = WorkerEnvironment{inherited_environment(), url(), python_folder()};
  context.environment.program = program_path();
  context.clock = head_.context()->clock;
  context.registry = head_.registry();
  context.director = head_.director();
  context.code = std::make_shared<LocalCode>(*head_.context()->code);
  context.data = std::make_shared<LocalData>(*head_.context()->data);
  worker.launcher_argv = options_.launcher_argv;
  return worker;
}

std::string Up::offer() const {
  auto each = worker_options(0).context;
  return fmt::format("{} worker{}, {} cpus, {} memory, {} gpus", options_.workers,
                     options_.workers == 1 ? "" : "s",
                     static_cast<double>(each.milli_cpus * options_.workers) / 1000,
                     bytes_text(each.mem * options_.workers), each.gpus * options_.workers);
}

Result<void> Up::start() {
  TROUPE_TRY(head_.start());
  for (uint32_t index = 0; index < options_.workers; ++index) {
    workers_.push_back(std::make_unique<Worker>(worker_options(index), system_));
    TROUPE_TRY(workers_.back()->start());
  }
  // Ready means that what fits this machine is accepted: every worker has joined.
  caf::scoped_actor self{system_};
  self->request(head_.registry(), join_timeout, sync_atom_v)
      .receive([](bool) {},
               [](caf::error&) { log::warning("up", "not all workers have joined yet"); });
  TROUPE_TRY(replace_file(options_.dir + "/up.url", url(), 0644, false));
  if (options_.on_ready) TROUPE_TRY(options_.on_ready(url(), head_.owner_token(), head_.owner()));
  return ok();
}

void Up::stop(bool drain_first) {
  if (drain_first) {
    if (auto stopped = head_.drain("troupe up was stopped"); stopped > 0)
      say(fmt::format("{} running experiment{} stopped; {} again with the next `troupe up`",
                      stopped, stopped == 1 ? " was" : "s were",
                      stopped == 1 ? "it starts" : "they start"));
  }
  head_.stop_serving();  // first: nodes that leave now are not missed
  for (auto& worker : workers_) {
    worker->end_jobs();
    worker->leave();
  }
  for (auto& worker : workers_) worker->wait();
  workers_.clear();
  head_.stop();
  ::unlink((options_.dir + "/up.url").c_str());
}

}  // namespace

int run_up(const UpOptions& options) {
  auto lock = lock_head(options.dir, fmt::format("troupe is already up in {}", options.dir));
  if (!lock) return complain(lock.error());
  StopSignals signals;
  cluster::Config config;
  caf::actor_system system{config};
  Up up{options, system};
  Foreground program;
  program.start = [&] { return up.start(); };
  program.greeting = [&] {
    return std::vector{fmt::format("troupe {} is up: {}", troupe_version, up.url()),
                       fmt::format("  {}; state in {}", up.offer(), options.dir),
                       std::string{"  try: troupe run -- echo hello        Ctrl-C stops"}};
  };
  program.farewell = "stopping (again to stop at once)";
  program.stop_limit = Head::drain_timeout + watchdog_after;
  program.stop = [&](bool started) { up.stop(started); };
  return run_foreground(signals, program);
}

}  // namespace troupe
