#include "tests/cluster/many.hpp"

#include <algorithm>
#include <fstream>

namespace troupe::cluster {

bool ManyMachines::start_head() {
  if (!start({"head", "--port", port_, "--cluster-port", cluster_port_})) return false;
  port_ = url().substr(url().rfind(':') + 1);
  auto text = out();
  auto at = text.rfind("workers dial ");
  auto end = text.find(';', at);
  if (at == std::string::npos || end == std::string::npos) return false;
  cluster_port_ = text.substr(text.rfind(':', end) + 1, end - text.rfind(':', end) - 1);
  return true;
}

Child ManyMachines::start_troupe(const std::vector<std::string>& args, const std::string& name) {
  std::vector<std::string> argv{TROUPE_PROGRAM};
  argv.insert(argv.end(), args.begin(), args.end());
  return launch(name, argv, path(name + ".out"), path(name + ".err"));
}

bool ManyMachines::start_worker(const std::string& name, bool wait) {
  std::vector<std::string> args{"worker", "--dir", path(name), "--name", name, "--gpus", "0"};
  if (!std::exchange(joined_[name], true)) {
    auto token = cli({"token", "join"});
    EXPECT_EQ(token.code, 0) << token.err;
    std::ofstream{path(name + ".token")} << token.out;
    args.insert(args.end(), {"--join-token-file", path(name + ".token")});
  }
  args.insert(args.end(), worker_args_.begin(), worker_args_.end());
  workers_[name] = start_troupe(args, name);
  return !wait || await_node(name, "up");
}

void ManyMachines::kill_worker(const std::string& name) {
  workers_[name].signal(SIGKILL);
  (void)workers_[name].kill_and_reap();
}

std::vector<pid_t> ManyMachines::launchers_of(const std::string& name) const {
  std::vector<pid_t> found;
  auto all = launchers();
  for (auto pid : processes_with(path(name)))
    if (std::find(all.begin(), all.end(), pid) != all.end()) found.push_back(pid);
  return found;
}

std::string ManyMachines::node_state(const std::string& name) {
  auto node = get("/api/v1/nodes/" + name);
  return node ? text_of(*node, "state") : "";
}

bool ManyMachines::await_node(const std::string& name, const std::string& wanted,
                              std::chrono::milliseconds limit) {
  std::string seen;
  bool came = await([&] { return (seen = node_state(name)) == wanted; }, limit);
  EXPECT_TRUE(came) << name << " is \"" << seen << "\", not " << wanted << "\n" << worker_err(name);
  return came;
}

}  // namespace troupe::cluster
