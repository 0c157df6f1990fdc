#include "actors/up.hpp"

#include "actors/head/code.hpp"
#include "actors/head/director.hpp"
#include "actors/head/gateway.hpp"
#include "actors/head/ledger.hpp"
#include "actors/head/registry.hpp"
#include "actors/head/scheduler.hpp"
#include "actors/head/series.hpp"
#include "actors/machine.hpp"
#include "actors/worker/node.hpp"
#include "runtime/cluster/config.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"
#include "runtime/core/version.hpp"
#include "runtime/process/confinement.hpp"
#include "runtime/process/launcher_client.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

namespace troupe {

namespace {

using namespace actors;

// Longer than the registry waits for nodes that are missing.
constexpr auto join_timeout = std::chrono::seconds{15};
// Beyond the grace that jobs get, and what their ends take to be recorded.
constexpr auto drain_timeout = std::chrono::seconds{20};
// A stop that takes longer than a drain and this hangs.
constexpr auto watchdog_after = std::chrono::seconds{10};

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

int complain(const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what.c_str());
  if (!error.detail.empty()) std::fprintf(stderr, "  %s\n", error.detail.c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "hint: %s\n", error.hint.c_str());
  return error.code == Errc::conflict ? 5 : 1;
}

std::string user_name() {
  if (const auto* entry = ::getpwuid(::getuid()); entry != nullptr) return entry->pw_name;
  return fmt::format("uid{}", ::getuid());
}

/// One `up` a folder: the lock is held as long as the process lives.
Result<UniqueFd> lock_folder(const std::string& dir) {
  TROUPE_TRY(make_dirs(dir, 0700));
  auto lock = open_file(dir + "/up.lock", O_RDWR | O_CREAT, 0600);
  if (!lock) return std::move(lock).error();
  if (::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) {
    auto url = read_file(dir + "/up.url", 4096);
    return Error{Errc::conflict, fmt::format("troupe is already up in {}", dir),
                 url ? fmt::format("it serves {}", *url) : "another process holds its lock",
                 "use it, stop it first, or give another folder with --dir"};
  }
  return lock;
}

/// Everything of the head that is not an actor.
struct Stores {
  std::shared_ptr<storage::Ledger> ledger;
  std::shared_ptr<storage::SeriesStore> series;
  std::shared_ptr<storage::CodeStore> code;
  std::string secret;
  std::string token;
};

Result<std::string> kept_secret(storage::Ledger& ledger, const std::string& name) {
  auto kept = ledger.meta(name);
  if (!kept) return std::move(kept).error();
  if (*kept) return **kept;
  auto fresh = hex(random_bytes(32));
  std::vector<storage::Mutation> mutations{storage::PutMeta{name, fresh}};
  if (auto committed = ledger.commit(mutations); !committed) return committed.error();
  return fresh;
}

/// The owner's token lies beside the ledger, readable by the owner alone; the ledger knows its
/// digest.
Result<std::string> owner_token(storage::Ledger& ledger, const std::string& path,
                                const std::string& user, Clock& clock) {
  if (auto token = read_file(path, 4096)) {
    auto known = ledger.token(sha256_hex(*token));
    if (known && *known) return *token;
  }
  auto token = "tu_" + hex(random_bytes(24));
  TROUPE_TRY(replace_file(path, token, 0600));
  std::vector<storage::Mutation> mutations{
      storage::PutToken{sha256_hex(token), user, true, "owner", {}},
      storage::PutUser{user, true, clock.now()}};
  if (auto committed = ledger.commit(mutations); !committed) return committed.error();
  return token;
}

Result<Stores> open_stores(const std::string& dir, Clock& clock) {
  Stores stores;
  storage::LedgerOptions ledger_options;
  ledger_options.dir = dir;
  auto ledger = storage::Ledger::open(ledger_options);
  if (!ledger) return std::move(ledger).error();
  stores.ledger = std::move(*ledger);
  storage::SeriesOptions series_options;
  series_options.dir = dir;
  auto series = storage::SeriesStore::open(series_options);
  if (!series) return std::move(series).error();
  stores.series = std::move(*series);
  auto code = storage::CodeStore::open(dir);
  if (!code) return std::move(code).error();
  stores.code = std::make_shared<storage::CodeStore>(std::move(*code));
  auto secret = kept_secret(*stores.ledger, "job-token-secret");
  if (!secret) return std::move(secret).error();
  stores.secret = std::move(*secret);
  auto token = owner_token(*stores.ledger, dir + "/owner.token", user_name(), clock);
  if (!token) return std::move(token).error();
  stores.token = std::move(*token);
  return stores;
}

/// A worker inside this process, with the launcher client that `up` closes at the end.
struct EmbeddedWorker {
  node_actor node;
  std::shared_ptr<process::LauncherClient> launcher;
};

class Up {
 public:
  Up(const UpOptions& options, caf::actor_system& system) : options_{options}, system_{system} {}

  Result<void> start();
  /// Ends everything in order; with `drain_first`, jobs are asked to save and go back to the queue
  /// first.
  void stop(bool drain_first);

  std::string url() const { return fmt::format("http://{}:{}", options_.bind, gateway_->port()); }
  size_t workers() const { return workers_.size(); }
  const Machine& machine() const { return machine_; }

 private:
  Result<void> start_head();
  Result<void> start_gateway();
  Result<void> start_workers();
  uint64_t drain();

  const UpOptions& options_;
  caf::actor_system& system_;
  Machine machine_;
  std::shared_ptr<SystemClock> clock_ = std::make_shared<SystemClock>();
  std::shared_ptr<EventRelay> relay_ = std::make_shared<EventRelay>();
  std::string token_;
  HeadContextRef context_;
  ledger_actor ledger_;
  series_actor series_;
  code_actor code_;
  scheduler_actor scheduler_;
  director_actor director_;
  registry_actor registry_;
  std::unique_ptr<Gateway> gateway_;
  std::vector<EmbeddedWorker> workers_;
};

std::string worker_name(const UpOptions& options, const Machine& machine, uint32_t index) {
  return options.workers == 1 ? machine.hostname : fmt::format("{}-{}", machine.hostname, index);
}

Result<void> Up::start_head() {
  auto stores = open_stores(options_.dir, *clock_);
  if (!stores) return std::move(stores).error();
  token_ = stores->token;
  auto context = std::make_shared<HeadContext>();
  context->clock = clock_;
  context->ledger = stores->ledger;
  context->series = stores->series;
  context->code = stores->code;
  context->metrics = std::make_shared<MetricRegistry>();
  context->secret = stores->secret;
  for (uint32_t i = 0; i < options_.workers; ++i)
    context->expected_nodes.push_back(worker_name(options_, machine_, i));
  context->on_events = [relay = relay_](uint64_t last) { relay->came(last); };
  context_ = context;
  ledger_ = system_.spawn<caf::detached>(ledger_behavior, context_);
  series_ = system_.spawn<caf::detached>(series_behavior, context_);
  code_ = system_.spawn<caf::detached>(code_behavior, context_);
  scheduler_ = system_.spawn(scheduler_behavior);
  director_ =
      system_.spawn(director_behavior, context_, DirectorPeers{ledger_, scheduler_, series_});
  caf::anon_send(scheduler_, attach_atom_v, caf::actor_cast<placement_sink>(director_));
  registry_ = system_.spawn(registry_behavior, context_, director_, scheduler_);
  return ok();
}

Result<void> Up::start_gateway() {
  GatewayPeers peers{director_, registry_, code_};
  GatewayOptions options;
  options.bind = options_.bind;
  options.port = options_.port;
  options.allowed_hosts = {machine_.hostname};
  auto gateway = Gateway::start(system_, context_, peers, relay_, options);
  if (!gateway && !options_.port_given) {
    // Nobody asked for 7070: another `up` or another program has it, and any port does.
    options.port = 0;
    gateway = Gateway::start(system_, context_, peers, relay_, options);
  }
  if (!gateway) return std::move(gateway).error();
  gateway_ = std::move(*gateway);
  return ok();
}

Result<void> Up::start_workers() {
  auto confinement = process::probe_confinement();
  for (uint32_t index = 0; index < options_.workers; ++index) {
    auto context = std::make_shared<WorkerContext>();
    context->name = worker_name(options_, machine_, index);
    context->version = std::string{troupe_version};
    context->milli_cpus = machine_.milli_cpus / options_.workers;
    if (options_.cpus) context->milli_cpus = static_cast<int64_t>(*options_.cpus * 1000);
    context->mem = machine_.mem / options_.workers;
    context->gpus = options_.gpus.value_or(machine_.gpus / options_.workers);
    context->gpu_type = machine_.gpu_type;
    context->confine = confinement.cpu() || confinement.memory();
    context->paths =
        WorkerPaths{fmt::format("{}/workers/{}", options_.dir, index), options_.dir + "/outputs"};
    context->environment = WorkerEnvironment{inherited_environment(), url()};
    context->clock = clock_;
    context->registry = registry_;
    context->director = director_;
    context->code = code_;
    TROUPE_TRY(make_dirs(context->paths.slots(), 0755));
    TROUPE_TRY(make_dirs(context->paths.outputs, 0755));
    TROUPE_TRY(make_dirs(context->paths.no_data(), 0555));
    EmbeddedWorker worker;
    process::LauncherClientOptions launcher;
    launcher.dir = context->paths.dir + "/launcher";
    launcher.argv = options_.launcher_argv;
    launcher.argv.push_back("--dir");
    launcher.argv.push_back(launcher.dir);
    context->make_launcher = [&worker, launcher](process::LauncherEvents events) mutable {
      launcher.events = std::move(events);
      worker.launcher = std::make_shared<process::LauncherClient>(std::move(launcher));
      return worker.launcher;
    };
    worker.node = system_.spawn(node_behavior, context);
    // The factory has run when the node answers: its behavior is made before its first message.
    caf::scoped_actor self{system_};
    self->request(worker.node, limits::request_timeout, status_atom_v)
        .receive([](const std::string&) {}, [](caf::error&) {});
    workers_.push_back(std::move(worker));
  }
  return ok();
}

Result<void> Up::start() {
  machine_ = this_machine();
  TROUPE_TRY(start_head());
  TROUPE_TRY(start_gateway());
  TROUPE_TRY(start_workers());
  // Ready means that what fits this machine is accepted: every worker has joined.
  caf::scoped_actor self{system_};
  self->request(registry_, join_timeout, sync_atom_v)
      .receive([](bool) {},
               [](caf::error&) { log::warning("up", "not all workers have joined yet"); });
  TROUPE_TRY(replace_file(options_.dir + "/up.url", url(), 0644, false));
  if (options_.on_ready) TROUPE_TRY(options_.on_ready(url(), token_, user_name()));
  return ok();
}

/// How many experiments were stopped and queued again.
uint64_t Up::drain() {
  uint64_t stopped = 0;
  bool answered = false;
  caf::scoped_actor self{system_};
  auto request =
      self->request(director_, drain_timeout, drain_atom_v, std::string{"troupe up was stopped"});
  request.receive(
      [&](uint64_t count) {
        stopped = count;
        answered = true;
      },
      [&](caf::error&) {});
  if (!answered) log::warning("up", "some jobs did not end in time; they are killed");
  return stopped;
}

void Up::stop(bool drain_first) {
  if (director_ && drain_first) {
    if (auto stopped = drain(); stopped > 0)
      say(fmt::format("{} running experiment{} stopped; {} again with the next `troupe up`",
                      stopped, stopped == 1 ? " was" : "s were",
                      stopped == 1 ? "it starts" : "they start"));
  }
  if (gateway_) gateway_->stop();
  auto end = [&](auto& actor) {
    if (actor) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    destroy(actor);
  };
  end(registry_);  // first: nodes that leave now are not missed
  for (auto& worker : workers_) {
    if (worker.launcher)
      if (auto ended = worker.launcher->shutdown_launcher(true); !ended)
        log::warning("up", "{}", to_string(ended.error()));
    caf::anon_send(worker.node, leave_atom_v);
  }
  caf::scoped_actor self{system_};
  if (series_)
    self->request(series_, std::chrono::seconds{5}, sync_atom_v)
        .receive([](bool) {}, [](caf::error&) {});
  for (auto& worker : workers_) self->wait_for(worker.node);
  workers_.clear();
  end(director_);
  end(scheduler_);
  end(code_);
  end(series_);
  end(ledger_);
  ::unlink((options_.dir + "/up.url").c_str());
}

/// SIGINT and SIGTERM are taken here alone: blocked in every thread, awaited by main.
sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

int run_up(const UpOptions& options) {
  auto lock = lock_folder(options.dir);
  if (!lock) return complain(lock.error());
  auto signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  cluster::Config config;
  caf::actor_system system{config};
  Up up{options, system};
  if (auto started = up.start(); !started) {
    auto code = complain(started.error());
    up.stop(false);
    return code;
  }
  say(fmt::format("troupe {} is up: {}", troupe_version, up.url()));
  say(fmt::format("  {} worker{}, {} cpus, {} memory, {} gpus; state in {}", up.workers(),
                  up.workers() == 1 ? "" : "s", static_cast<double>(up.machine().milli_cpus) / 1000,
                  bytes_text(up.machine().mem), up.machine().gpus, options.dir));
  say("  try: troupe run -- echo hello        Ctrl-C stops");
  int number = 0;
  sigwait(&signals, &number);
  say("stopping (again to stop at once)");
  // A second signal, or a stop that hangs, ends the process: the ledger has the truth and the
  // launcher the jobs.
  std::thread watchdog{[signals] {
    timespec limit{};
    limit.tv_sec = (drain_timeout + watchdog_after).count();
    // Interrupted is neither: a leak checker stops all threads at the end, for one.
    while (::sigtimedwait(&signals, nullptr, &limit) < 0 && errno == EINTR) {
    }
    std::_Exit(130);
  }};
  watchdog.detach();
  up.stop(true);
  say("stopped");
  return 0;
}

}  // namespace troupe
