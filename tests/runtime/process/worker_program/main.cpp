// A worker that only starts one run and then waits to be killed: worker_program DIR LOG_DIR SCRIPT
#include "runtime/process/launcher_client.hpp"

#include <cstdlib>
#include <unistd.h>

int main(int argc, char** argv) {
  using namespace troupe::process;
  if (argc < 4) return 2;
  LauncherClientOptions options;
  options.dir = argv[1];
  options.argv = {std::getenv("LAUNCHER_PROGRAM"), argv[1]};
  options.events.started = [](const RunStatus&) { (void)!::write(1, "started\n", 8); };
  LauncherClient client{std::move(options)};
  RunRequest request;
  request.key = "adopted";
  request.processes.push_back({{"/bin/sh", "-c", argv[3]}, {"PATH=/usr/bin:/bin"}, "/"});
  request.log_dir = argv[2];
  client.start(std::move(request));
  while (true) ::pause();
}
