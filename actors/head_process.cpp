#include "actors/head_process.hpp"

#include "actors/foreground.hpp"
#include "actors/head/head.hpp"
#include "actors/head/head_files.hpp"
#include "actors/head/links.hpp"
#include "actors/linked_config.hpp"
#include "actors/machine.hpp"
#include "runtime/cluster/bulk_server.hpp"
#include "runtime/cluster/caf_link.hpp"
#include "runtime/cluster/join_desk.hpp"
#include "runtime/cluster/tls13.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/log.hpp"
#include "runtime/core/version.hpp"

#include <fmt/format.h>

#include <mutex>
#include <unistd.h>

namespace troupe {

namespace {

using namespace actors;

// A stop waits for no job.
constexpr auto stop_limit = std::chrono::seconds{15};

bool is_any_address(const std::string& bind) {
  return bind == "0.0.0.0" || bind == "::" || bind == "[::]" || bind == "*";
}

class HeadProcess {
 public:
  HeadProcess(const HeadProcessOptions& options, caf::actor_system& system)
      : options_{options},
        system_{system},
        hostname_{this_host()},
        clock_{std::make_shared<SystemClock>()} {}

  Result<void> start();
  void stop();
  std::string url() const { return head_->url(); }
  const std::string& cluster_address() const { return address_; }

 private:
  cluster::AdmitWorker admit() const {
    return [desk = desk_](const std::string& common_name) { return desk->admit(common_name); };
  }
  Result<void> start_bulk();
  Result<void> start_links();
  std::string reachable(const std::string& bind) const {
    return is_any_address(bind) ? hostname_ : bind;
  }

  const HeadProcessOptions& options_;
  caf::actor_system& system_;
  std::string hostname_;
  std::shared_ptr<SystemClock> clock_;
  std::shared_ptr<cluster::JoinDesk> desk_;
  cluster::LinkHello hello_{wire_protocol, std::string{troupe_version}, hex(random_bytes(8)), 0,
                            ""};
  std::shared_ptr<Replicas> replicas_ = std::make_shared<Replicas>();
  std::unique_ptr<cluster::BulkServer> bulk_;
  std::unique_ptr<Head> head_;
  links_actor links_;
  std::mutex server_mutex_;  // requests are served before there is a server
  std::unique_ptr<cluster::LinkServer> server_;
  std::string address_;
};

Result<void> HeadProcess::start() {
  auto desk = cluster::JoinDesk::open(options_.dir, clock_);
  if (!desk) return std::move(desk).error();
  desk_ = std::move(*desk);
  TROUPE_TRY(start_bulk());
  HeadOptions head;
  head.dir = options_.dir;
  head.bind = options_.bind;
  head.port = options_.port;
  head.port_given = options_.port_given;
  head.allowed_hosts = {hostname_};
  head.joins = desk_;
  head.replicas = replicas_;
  head.ask_node = [bulk = bulk_.get()](const std::string& node, cluster::BulkQuestion question) {
    bulk->ask(node, std::move(question));
  };
  head.cut_node = [this](const std::string& node) {
    std::lock_guard guard{server_mutex_};
    if (server_) server_->drop(node);
    bulk_->drop(node);
  };
  auto policy = schedule::policy_named(options_.policy);
  if (!policy) return std::move(policy).error();
  head.policy = *policy;
  head.rules = options_.rules;
  head.retention = options_.retention;
  head_ = std::make_unique<Head>(std::move(head), system_);
  TROUPE_TRY(head_->start());
  TROUPE_TRY(start_links());
  TROUPE_TRY(replace_file(options_.dir + "/up.url", url(), 0644, false));
  if (options_.on_ready) return options_.on_ready(url(), head_->owner_token(), head_->owner());
  return ok();
}

Result<void> HeadProcess::start_bulk() {
  auto code = storage::CodeStore::open(options_.dir);
  if (!code) return std::move(code).error();
  auto data = dataset::DatasetStore::open(options_.dir);
  if (!data) return std::move(data).error();
  cluster::BulkServerOptions options;
  options.authority = desk_->authority();
  options.identity = desk_->head();
  options.hello = hello_;
  options.clock = clock_;
  options.open = head_files(std::move(*code), std::move(*data), {replicas_, admit()});
  options.admit = admit();
  auto started = cluster::BulkServer::start(std::move(options));
  if (!started) return std::move(started).error();
  bulk_ = std::move(*started);
  return ok();
}

Result<void> HeadProcess::start_links() {
  auto serve = serve_through(system_, cluster::link_broker(system_));
  links_ = system_.spawn(links_behavior, LinksPeers{head_->registry(), head_->director(),
                                                    head_->context()->audit, serve});
  cluster::LinkServerOptions server;
  server.bind = options_.cluster_bind.empty() ? options_.bind : options_.cluster_bind;
  server.port = options_.cluster_port;
  server.authority = desk_->authority();
  server.identity = desk_->head();
  server.hello = hello_;
  server.hello.url = fmt::format("http://{}:{}", reachable(options_.bind), head_->port());
  server.clock = clock_;
  server.silent_after = options_.rules.machine_silent_after();
  cluster::LinkServerEvents events;
  events.admit = admit();
  events.on_join = [desk = desk_](const cluster::JoinRequest& request) {
    return desk->join(request);
  };
  events.on_link = [links = links_, clock = clock_](cluster::Link link) {
    auto skew = cluster::skew_text(link.hello.time_us, clock->now().us);
    if (!skew.empty())
      log::warning("head", "the clock of worker {} is {} of ours", link.name, skew);
    caf::anon_send(links, linked_atom_v, share(std::move(link)));
  };
  events.on_silent = [links = links_](const std::string& name, bool silent) {
    caf::anon_send(links, silent_atom_v, name, silent);
  };
  events.on_end = [links = links_](uint64_t number, const std::string& name, const Error& error) {
    caf::anon_send(links, unlinked_atom_v, number, name, error.detail);
  };
  events.on_bulk = [bulk = bulk_.get()](UniqueFd fd, bool serves) {
    bulk->take(std::move(fd), serves);
  };
  auto bind = server.bind;
  auto started = cluster::LinkServer::start(std::move(server), std::move(events));
  if (!started) return std::move(started).error();
  {
    std::lock_guard guard{server_mutex_};
    server_ = std::move(*started);
  }
  address_ = options_.cluster_address.empty()
                 ? fmt::format("{}:{}", reachable(bind), server_->port())
                 : options_.cluster_address;
  desk_->set_address(address_);
  return ok();
}

/// Workers and their jobs go on; they dial until a head is there again.
void HeadProcess::stop() {
  if (server_) server_->stop();
  if (head_) head_->stop_serving();
  if (bulk_) bulk_->stop();  // behind the gateway, which asks it
  if (links_) caf::anon_send(links_, leave_atom_v);
  destroy(links_);
  if (head_) head_->stop();
  ::unlink((options_.dir + "/up.url").c_str());
}

}  // namespace

int run_head(const HeadProcessOptions& options) {
  auto lock = lock_head(options.dir, fmt::format("a head has {} already", options.dir));
  if (!lock) return complain(lock.error());
  StopSignals signals;
  if (!cluster::require_tls13())
    log::warning("head", "TLS below 1.3 could not be ruled out for links");
  LinkedConfig config;
  caf::actor_system system{config};
  HeadProcess head{options, system};
  Foreground program;
  program.start = [&] { return head.start(); };
  program.greeting = [&] {
    return std::vector{
        fmt::format("troupe {} head is up: {}", troupe_version, head.url()),
        fmt::format("  workers dial {}; state in {}", head.cluster_address(), options.dir),
        std::string{"  a token for one: troupe token join"}};
  };
  program.farewell = "stopping; jobs go on";
  program.stop_limit = stop_limit;
  program.stop = [&](bool) { head.stop(); };
  return run_foreground(signals, program);
}

}  // namespace troupe
