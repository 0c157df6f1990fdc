// The launcher alone, as `troupe launcher` would run it: launcher_program DIR [IDLE_MS]
// [foreground]
#include "runtime/process/launcher_main.hpp"

#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  troupe::process::LauncherConfig config;
  config.dir = argv[1];
  if (argc > 2) config.idle_exit = std::chrono::milliseconds{std::atoi(argv[2])};
  config.detach = argc <= 3 || std::strcmp(argv[3], "foreground") != 0;
  return troupe::process::launcher_main(config);
}
