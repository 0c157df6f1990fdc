#include "tests/sim/machines.hpp"

#include "actors/worker/node.hpp"
#include "actors/worker/uplink.hpp"
#include "runtime/core/assert.hpp"
#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace troupe::sim {

namespace {

using namespace actors;

// Only address space, and no blocks kept back: the disks of thousands of clusters are in memory.
constexpr uint64_t map_bytes = 1ull << 30;
constexpr uint64_t reserve_bytes = 64u << 10;

caf::behavior front_behavior(caf::event_based_actor* self) {
  return {[self](const TaskRef& task) { task->run(self); }};
}

}  // namespace

HeadMachine::~HeadMachine() {
  if (up()) crash();
}

Result<void> HeadMachine::start() {
  storage::LedgerOptions options{dir_, map_bytes, reserve_bytes};
  auto ledger = storage::Ledger::open(options);
  if (!ledger) return std::move(ledger).error();
  auto series = storage::SeriesStore::open({dir_, map_bytes});
  if (!series) return std::move(series).error();
  auto context = std::make_shared<HeadContext>();
  // Machines fail all the time here, and are to come back each time.
  context->rules.failures_max = 0;
  context->clock = std::shared_ptr<Clock>{std::shared_ptr<void>{}, &clock};
  context->ledger = std::move(*ledger);
  context->series = std::move(*series);
  context->metrics = std::make_shared<MetricRegistry>();
  context->audit = std::make_shared<ReportAudit>(context->clock, *context->metrics);
  context->secret = "secret";
  context->expected_nodes = nodes_in_use(*context->ledger);
  context->commit = [this, to = context->ledger.get()](std::span<const storage::Mutation> list) {
    return commit(*to, list);
  };
  context_ = context;
  process_ = world_.begin_process("the head");
  world_.inside(process_, [&] {
    cast_ = spawn_cast(world_.system(), context_, policy_, false);
    auto serve = [this](cluster::Link& link, const desk_actor& desk) {
      network_.serve(link.number, desk);
    };
    links_ = world_.system().spawn(
        links_behavior, LinksPeers{cast_.registry, cast_.director, context_->audit, serve});
    front_ = world_.system().spawn(front_behavior);
  });
  network_.head_listens(process_, links_);
  world_.note("head", process_);
  return ok();
}

Result<storage::Committed> HeadMachine::commit(storage::Ledger& ledger,
                                               std::span<const storage::Mutation> mutations) {
  if (disk.before)
    if (auto error = disk.before(mutations)) return std::move(*error);
  if (disk.lies) return storage::Committed{};
  std::vector<storage::Mutation> distorted;
  if (disk.distort) {
    distorted.assign(mutations.begin(), mutations.end());
    disk.distort(distorted);
    mutations = distorted;
  }
  auto committed = ledger.commit(mutations);
  if (!committed) return committed;
  ++commits;
  world_.note("commit", mutations.size(), committed->last_event);
  if (disk.committed) disk.committed(mutations, *committed);
  return committed;
}

void HeadMachine::crash() {
  network_.gone(process_, false);
  world_.kill(std::exchange(process_, nobody));
  cast_ = {};
  links_ = nullptr;
  front_ = nullptr;
  std::weak_ptr<storage::Ledger> ledger = context_->ledger;
  context_.reset();
  clock.forget();
  TROUPE_ASSERT(ledger.expired(), "something of the head lives on");
}

void HeadMachine::ask(std::function<void(caf::event_based_actor*)> what) {
  caf::anon_send(front_, share(Task{std::move(what)}));
}

WorkerMachine::WorkerMachine(World& world, Network& network, std::string name, std::string dir,
                             MachineSize size, RunWatcher watcher)
    : world_{world},
      launcher{world, name, clock, std::move(watcher)},
      network_{network},
      name_{std::move(name)},
      dir_{std::move(dir)},
      size_{size} {}

WorkerMachine::~WorkerMachine() {
  if (up()) drop(true);
}

void WorkerMachine::start() {
  WorkerContext context;
  context.name = name_;
  context.version = "0";
  context.milli_cpus = size_.milli_cpus;
  context.mem = size_.mem;
  context.gpus = size_.gpus;
  context.detach_blocking = false;
  context.paths = WorkerPaths{dir_, dir_ + "/outputs", false};
  context.clock = std::shared_ptr<Clock>{std::shared_ptr<void>{}, &clock};
  context.address = "10.0.0.1";
  context.head_is_remote = true;
  bool made = make_dirs(context.paths.slots(), 0755) && make_dirs(context.paths.outputs, 0755) &&
              make_dirs(context.paths.no_data(), 0755);
  TROUPE_ASSERT(made, dir_);
  process_ = world_.begin_process(name_);
  context.make_launcher = [this, process = process_](process::LauncherEvents events) {
    return launcher.connect(std::move(events), process);
  };
  UplinkPeers peers;
  peers.dial = [this](uplink_actor::pointer, HeadLink& link, DeskAnswer answer) {
    auto desk = network_.dial_desk(std::strtoull(link.head.instance.c_str(), nullptr, 10));
    if (desk) return answer.linked(std::move(desk));
    caf::error error = caf::sec::cannot_connect_to_node;
    answer.failed(error);
  };
  peers.hang_up = [this] { network_.hang_up(name_); };
  peers.clock = context.clock;
  context.link = peers.welcomed;
  world_.inside(process_, [&] {
    uplink_ = world_.system().spawn(uplink_behavior, std::move(peers));
    context.registry = uplink_;
    context.director = uplink_;
    node_ = world_.system().spawn(node_behavior,
                                  WorkerContextRef{std::make_shared<WorkerContext>(context)});
    caf::anon_send(uplink_, attach_atom_v, node_);
  });
  network_.worker_dials(name_, process_, uplink_);
  world_.note("worker", process_);
}

void WorkerMachine::drop(bool silent) {
  network_.gone(process_, silent);
  world_.kill(std::exchange(process_, nobody));
  uplink_ = nullptr;
  node_ = nullptr;
  clock.forget();
}

void WorkerMachine::crash() {
  if (up()) drop(false);
}

void WorkerMachine::leave() {
  if (!up()) return;
  caf::anon_send(uplink_, leave_atom_v);
  caf::anon_send(node_, leave_atom_v);
  world_.after(std::chrono::seconds{2}, [this, process = process_] {
    if (process_ == process) crash();
  });
}

void WorkerMachine::power_off() {
  if (up()) drop(true);
  launcher.power_off();
  powered_ = false;
}

void WorkerMachine::power_on() {
  powered_ = true;
  launcher.start();
  if (!up()) start();
}

}  // namespace troupe::sim
