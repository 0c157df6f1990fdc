#include "tests/cluster/lab/lab_machines.hpp"

namespace troupe::cluster {

Child LabMachines::launch(const std::string& machine, const std::vector<std::string>& argv,
                          const std::string& out_path, const std::string& err_path) {
  auto& host = Lab::host(machine.empty() ? "head" : machine);
  return host.start(argv, environment(), root(), out_path, err_path);
}

void LabMachines::cut_power(const std::string& name) {
  Lab::cut_power(name);
  if (name == "head")
    kill9();
  else
    kill_worker(name);
}

}  // namespace troupe::cluster
