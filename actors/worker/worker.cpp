#include "actors/worker/worker.hpp"

#include "actors/worker/node.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"
#include "runtime/core/version.hpp"
#include "runtime/launch/ports.hpp"
#include "runtime/process/confinement.hpp"

namespace troupe::actors {

Result<void> Worker::start() {
  auto context = std::make_shared<WorkerContext>(options_.context);
  context->version = std::string{troupe_version};
  if (!options_.launcher_argv.empty()) context->program = options_.launcher_argv.front();
  context->ports =
      std::make_shared<process::PortBook>(launch::port_range_begin, launch::port_range_end);
  auto confinement = process::probe_confinement();
  context->confine = confinement.cpu() || confinement.memory();
  TROUPE_TRY(make_dirs(context->paths.slots(), 0755));
  TROUPE_TRY(make_dirs(context->paths.outputs, 0755));
  TROUPE_TRY(make_dirs(context->paths.no_data(), 0555));
  TROUPE_TRY(replace_file(context->paths.lone_hostfile(), "127.0.0.1 slots=1\n", 0644, false));
  context->mounts = process::probe_private_mounts(context->paths.dir);
  if (context->mounts.denied) log::info("worker", "{}", to_string(*context->mounts.denied));
  process::LauncherClientOptions launcher;
  launcher.dir = context->paths.dir + "/launcher";
  launcher.argv = options_.launcher_argv;
  launcher.argv.push_back("--dir");
  launcher.argv.push_back(launcher.dir);
  context->make_launcher = [this, launcher](process::LauncherEvents events) mutable {
    launcher.events = std::move(events);
    launcher_ = std::make_shared<process::LauncherClient>(std::move(launcher));
    return launcher_;
  };
  node_ = system_.spawn(node_behavior, WorkerContextRef{std::move(context)});
  // The factory has run when the node answers: its behavior is made before its first message.
  caf::scoped_actor self{system_};
  self->request(node_, limits::request_timeout, status_atom_v)
      .receive([](const std::string&) {}, [](caf::error&) {});
  return ok();
}

void Worker::end_jobs() {
  if (!launcher_) return;
  if (auto ended = launcher_->shutdown_launcher(true); !ended)
    log::warning("worker", "{}", to_string(ended.error()));
}

void Worker::leave() {
  launcher_.reset();
  if (node_) caf::anon_send(node_, leave_atom_v);
}

void Worker::wait() {
  if (!node_) return;
  caf::scoped_actor self{system_};
  self->wait_for(node_);
  destroy(node_);
}

}  // namespace troupe::actors
