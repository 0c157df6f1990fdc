#include "actors/worker_process.hpp"

#include "actors/foreground.hpp"
#include "actors/linked_config.hpp"
#include "actors/machine.hpp"
#include "actors/membership.hpp"
#include "actors/worker/peer_door.hpp"
#include "actors/worker/uplink.hpp"
#include "actors/worker/worker.hpp"
#include "actors/worker/worker_files.hpp"
#include "runtime/cluster/bulk_client.hpp"
#include "runtime/cluster/caf_link.hpp"
#include "runtime/cluster/link_client.hpp"
#include "runtime/cluster/tls13.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/log.hpp"
#include "runtime/core/version.hpp"

#include <fmt/format.h>

#include <atomic>

namespace troupe {

namespace {

using namespace actors;

constexpr auto stop_limit = std::chrono::seconds{15};

class WorkerProcess {
 public:
  WorkerProcess(const WorkerProcessOptions& options, Membership membership,
                cluster::LinkHello hello, std::shared_ptr<SystemClock> clock,
                caf::actor_system& system)
      : options_{options},
        membership_{std::move(membership)},
        hello_{std::move(hello)},
        clock_{std::move(clock)},
        system_{system} {}

  Result<void> start();
  void stop();
  const Machine& machine() const { return machine_; }

 private:
  WorkerOptions worker_options() const;
  WorkerPaths paths() const {
    return {options_.dir, options_.outputs.empty() ? options_.dir + "/outputs" : options_.outputs};
  }
  Result<void> start_bulk();
  void dial();

  const WorkerProcessOptions& options_;
  Membership membership_;
  cluster::LinkHello hello_;
  std::shared_ptr<SystemClock> clock_;
  caf::actor_system& system_;
  Machine machine_ = this_machine();
  std::shared_ptr<std::atomic<uint64_t>> welcomed_ = std::make_shared<std::atomic<uint64_t>>(0);
  uplink_actor uplink_;
  std::unique_ptr<Worker> worker_;
  std::shared_ptr<cluster::BulkClient> bulk_;
  std::shared_ptr<GivenVersions> given_ = std::make_shared<GivenVersions>(paths());
  std::shared_ptr<PeerDoor> door_;
  std::unique_ptr<cluster::LinkClient> client_;
  /// For the uplink, which lives from before the client until after it.
  std::shared_ptr<std::atomic<cluster::LinkClient*>> hang_up_ =
      std::make_shared<std::atomic<cluster::LinkClient*>>(nullptr);
};

WorkerOptions WorkerProcess::worker_options() const {
  WorkerOptions worker;
  auto& context = worker.context;
  context.name = membership_.name;
  context.labels = options_.labels;
  context.mount_method = options_.mount_method;
  context.milli_cpus =
      options_.cpus ? static_cast<int64_t>(*options_.cpus * 1000) : machine_.milli_cpus;
  context.mem = options_.mem.value_or(machine_.mem);
  context.gpus = options_.gpus.value_or(machine_.gpus);
  use_machine(context, machine_, options_.binding);
  context.paths = paths();
  context.environment = WorkerEnvironment{inherited_environment(), {}, python_folder()};
  context.environment.program = program_path();
  context.clock = clock_;
  context.registry = uplink_;
  context.director = uplink_;
  context.code = std::make_shared<RemoteCode>(bulk_);
  context.given = given_;
  context.data = std::make_shared<PeerData>(
      bulk_,
      [door = door_](const std::string& node, const std::string& address) {
        return door->peer(node, address);
      },
      [door = door_] { return door->head(); }, clock_);
  context.address = options_.address.empty() ? address_towards(membership_.head) : options_.address;
  context.environment.interface = interface_of(context.address);
  context.data_address = door_->address(context.address);
  context.head_is_remote = true;
  context.cache_limit = options_.cache_limit;
  context.link = welcomed_;
  worker.launcher_argv = options_.launcher_argv;
  return worker;
}

Result<void> WorkerProcess::start() {
  UplinkPeers peers;
  peers.dial = dial_through(cluster::link_broker(system_));
  peers.hang_up = [client = hang_up_] {
    if (auto* there = client->load()) there->hang_up();
  };
  peers.clock = clock_;
  peers.welcomed = welcomed_;
  TROUPE_TRY(start_bulk());
  uplink_ = system_.spawn(uplink_behavior, std::move(peers));
  worker_ = std::make_unique<Worker>(worker_options(), system_);
  TROUPE_TRY(worker_->start());
  caf::anon_send(uplink_, attach_atom_v, worker_->node());
  dial();
  return ok();
}

Result<void> WorkerProcess::start_bulk() {
  cluster::BulkClientOptions options;
  options.head = membership_.head;
  options.joined = membership_.joined;
  options.hello = hello_;
  options.clock = clock_;
  options.open = worker_files(paths());
  bulk_ = cluster::BulkClient::start(std::move(options));
  auto door = PeerDoor::open(
      {membership_.joined, membership_.head, hello_, clock_, bulk_, given_, options_.data_port});
  if (!door) return std::move(door).error();
  door_ = std::move(*door);
  return ok();
}

void WorkerProcess::dial() {
  cluster::LinkClientOptions client;
  client.head = membership_.head;
  client.joined = membership_.joined;
  client.hello = hello_;
  client.clock = clock_;
  cluster::LinkClientEvents events;
  // On the client's thread alone.
  auto told = std::make_shared<std::string>();
  events.on_link = [uplink = uplink_, bulk = bulk_, told](UniqueFd fd,
                                                          const cluster::LinkHello& head) {
    told->clear();
    bulk->linked(true);
    log::info("worker", "linked to a head of version {}", head.version);
    caf::anon_send(uplink, linked_atom_v, share(HeadLink{std::move(fd), head}));
  };
  events.on_end = [uplink = uplink_, bulk = bulk_, told](const Error& error) {
    // It is tried again for ever; what is the same each time is said once.
    auto text = to_string(error);
    if (text != *told) log::warning("worker", "{}", *told = text);
    bulk->linked(false);
    caf::anon_send(uplink, unlinked_atom_v);
  };
  client_ = cluster::LinkClient::start(std::move(client), std::move(events));
  hang_up_->store(client_.get());
}

/// Jobs and launcher go on; the next worker in this folder finds them.
void WorkerProcess::stop() {
  // The goodbye first: a node that is gone without a word looks like a failure.
  if (uplink_) {
    caf::anon_send(uplink_, leave_atom_v);
    caf::scoped_actor self{system_};
    self->wait_for(uplink_);
  }
  hang_up_->store(nullptr);
  if (client_) client_->stop();
  // Before the worker: its stager may be waiting for code, its cache for data.
  if (bulk_) bulk_->stop();
  if (door_) door_->stop();
  destroy(uplink_);
  if (worker_) {
    worker_->leave();
    worker_->wait();
  }
  worker_.reset();
}

}  // namespace

int run_worker(const WorkerProcessOptions& options) {
  auto lock = lock_folder(
      options.dir, "worker",
      Error{Errc::conflict, fmt::format("a worker has {} already", options.dir),
            "another process holds its lock", "stop it first, or give another folder with --dir"});
  if (!lock) return complain(lock.error());
  StopSignals signals;
  if (!cluster::require_tls13())
    log::warning("worker", "TLS below 1.3 could not be ruled out for the link");
  auto clock = std::make_shared<SystemClock>();
  cluster::LinkHello hello{wire_protocol, std::string{troupe_version}, hex(random_bytes(8)), 0, ""};
  auto membership = find_membership(options, hello, *clock, signals);
  if (!membership) return complain(membership.error());
  LinkedConfig config;
  caf::actor_system system{config};
  WorkerProcess worker{options, *membership, hello, clock, system};
  Foreground program;
  program.start = [&] { return worker.start(); };
  program.greeting = [&] {
    return std::vector{fmt::format("troupe {} worker {} is up; its head is {}:{}", troupe_version,
                                   membership->name, membership->head.host, membership->head.port),
                       fmt::format("  state in {}", options.dir)};
  };
  program.farewell = "stopping; jobs go on";
  program.stop_limit = stop_limit;
  program.stop = [&](bool) { worker.stop(); };
  return run_foreground(signals, program);
}

}  // namespace troupe
