#include "runtime/launch/environment.hpp"

#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace troupe::launch {

namespace {

class List {
 public:
  explicit List(Variables& to) : to_{to} {}
  void add(const char* name, std::string value) { to_.emplace_back(name, std::move(value)); }
  void add(const char* name, uint64_t value) { add(name, fmt::to_string(value)); }

 private:
  Variables& to_;
};

const std::string& address_of(const Host& host) {
  static const std::string alone = "127.0.0.1";
  return host.address.empty() ? alone : host.address;
}

std::string endpoint(const std::string& address, uint16_t port) {
  return address.find(':') == std::string::npos ? fmt::format("{}:{}", address, port)
                                                : fmt::format("[{}]:{}", address, port);
}

/// What torchrun gives its processes; frameworks recognise it by these.
void add_torch(const World& world, uint32_t process, List env) {
  auto rank = world.ranks_before(world.job) + process;
  const auto& first = world.hosts.front();
  env.add("RANK", rank);
  env.add("WORLD_SIZE", world.size());
  env.add("LOCAL_RANK", process);
  env.add("LOCAL_WORLD_SIZE", world.processes());
  env.add("NODE_RANK", world.job);
  env.add("GROUP_RANK", world.job);
  env.add("MASTER_ADDR", address_of(first));
  env.add("MASTER_PORT", port_at(first.first_port, Port::master));
  env.add("ROLE_RANK", rank);
  env.add("ROLE_WORLD_SIZE", world.size());
  env.add("ROLE_NAME", "default");
  env.add("GROUP_WORLD_SIZE", world.hosts.size());
  env.add("TORCHELASTIC_RUN_ID", world.id);
  env.add("TORCHELASTIC_RESTART_COUNT", world.attempt - 1);
  env.add("TORCHELASTIC_MAX_RESTARTS", "0");
}

/// DeepSpeed and Horovod count nodes as "cross" ranks: those that have such a process.
void add_horovod(const World& world, uint32_t process, List env) {
  auto has_one = [&](const Host& host) { return host.processes > process; };
  auto at = world.hosts.begin() + world.job;
  auto cross_rank = std::count_if(world.hosts.begin(), at, has_one);
  auto cross_size = std::count_if(world.hosts.begin(), world.hosts.end(), has_one);
  env.add("LOCAL_SIZE", world.processes());
  env.add("CROSS_RANK", static_cast<uint64_t>(cross_rank));
  env.add("CROSS_SIZE", static_cast<uint64_t>(cross_size));
  env.add("HOROVOD_HOSTNAME", address_of(world.hosts[world.job]));
  env.add("HOROVOD_RANK", world.ranks_before(world.job) + process);
  env.add("HOROVOD_SIZE", world.size());
  env.add("HOROVOD_LOCAL_RANK", process);
  env.add("HOROVOD_LOCAL_SIZE", world.processes());
  env.add("HOROVOD_CROSS_RANK", static_cast<uint64_t>(cross_rank));
  env.add("HOROVOD_CROSS_SIZE", static_cast<uint64_t>(cross_size));
  const auto& first = world.hosts.front();
  // Over MPI it finds its world as MPI does.
  if (world.has("pmi1") || world.has("pmix") || first.first_port == 0) return;
  env.add("HOROVOD_GLOO_RENDEZVOUS_ADDR", address_of(first));
  env.add("HOROVOD_GLOO_RENDEZVOUS_PORT", port_at(first.first_port, Port::store));
  env.add("HOROVOD_CONTROLLER", "gloo");
  env.add("HOROVOD_CPU_OPERATIONS", "gloo");
}

void add_jax(const World& world, uint32_t process, List env) {
  const auto& first = world.hosts.front();
  auto port = port_at(first.first_port, Port::coordinator);
  env.add("JAX_COORDINATOR_ADDRESS", endpoint(address_of(first), port));
  env.add("JAX_COORDINATOR_PORT", port);
  // Each process drives its own share of the devices that its job sees.
  if (world.gpus == 0 || world.gpus % world.processes() != 0) return;
  auto share = world.gpus / world.processes();
  std::string devices;
  for (uint32_t i = 0; i < share; ++i)
    devices += fmt::format("{}{}", i == 0 ? "" : ",", process * share + i);
  env.add("JAX_LOCAL_DEVICE_IDS", std::move(devices));
}

std::string node_list(const World& world) {
  std::string list;
  for (const auto& host : world.hosts) list += (list.empty() ? "" : ",") + host.node;
  return list;
}

/// The five by which JAX knows that somebody has started several of it: it has no variable of its
/// own for the number of a process.
void add_slurm_step(const World& world, uint32_t process, List env) {
  env.add("SLURM_JOB_ID", world.number);
  env.add("SLURM_STEP_NODELIST", node_list(world));
  env.add("SLURM_NTASKS", world.size());
  env.add("SLURM_PROCID", world.ranks_before(world.job) + process);
  env.add("SLURM_LOCALID", process);
}

/// "8(x3),1": the processes of each node, equal neighbours together.
std::string tasks_per_node(const World& world) {
  std::string text;
  for (size_t begin = 0, end = 0; begin < world.hosts.size(); begin = end) {
    auto processes = world.hosts[begin].processes;
    while (end < world.hosts.size() && world.hosts[end].processes == processes) ++end;
    text += fmt::format("{}{}", begin == 0 ? "" : ",", processes);
    if (end - begin > 1) text += fmt::format("(x{})", end - begin);
  }
  return text;
}

void add_slurm(const World& world, List env) {
  env.add("SLURM_JOBID", world.number);
  env.add("SLURM_STEP_ID", "0");
  env.add("SLURM_NODELIST", node_list(world));
  env.add("SLURM_JOB_NODELIST", node_list(world));
  env.add("SLURM_NNODES", world.hosts.size());
  env.add("SLURM_JOB_NUM_NODES", world.hosts.size());
  env.add("SLURM_NODEID", world.job);
  env.add("SLURM_NPROCS", world.size());
  env.add("SLURM_NTASKS_PER_NODE", world.processes());
  env.add("SLURM_TASKS_PER_NODE", tasks_per_node(world));
  env.add("SLURM_CPUS_PER_TASK", world.cpus);
  if (world.gpus != 0) env.add("SLURM_GPUS_ON_NODE", world.gpus);
  env.add("SLURMD_NODENAME", world.hosts[world.job].node);
}

/// Of PMI-1, all but the connection itself.
void add_pmi1(const World& world, uint32_t process, List env) {
  env.add("PMI_RANK", world.ranks_before(world.job) + process);
  env.add("PMI_SIZE", world.size());
  env.add("MPI_LOCALNRANKS", world.processes());
  env.add("MPI_LOCALRANKID", process);
}

/// Of PMIx, all that its server does not say itself: Open MPI 4 takes no notice of that server but
/// beside the mark of a launcher it knows, and jsrun's says nothing but that there is one, which
/// also binds.
void add_pmix(List env) {
  env.add("JSM_JSRUN_PORT", "0");
}

/// Two jobs on a node would meet at NCCL's fixed port, and between machines with several networks
/// ranks must all take the one that is known to work.
void add_side_channels(const World& world, List env) {
  env.add("NCCL_RAS_ADDR",
          fmt::format("localhost:{}", port_at(world.hosts[world.job].first_port, Port::ras)));
  env.add("NCCL_DEBUG", "WARN");
  env.add("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1");
  if (world.interface.empty() || world.hosts.size() < 2) return;
  env.add("NCCL_SOCKET_IFNAME", "=" + world.interface);
  env.add("GLOO_SOCKET_IFNAME", world.interface);
  env.add("TP_SOCKET_IFNAME", world.interface);
  env.add("HOROVOD_GLOO_IFACE", world.interface);
}

}  // namespace

uint32_t World::ranks_before(uint32_t until) const {
  uint32_t ranks = 0;
  for (uint32_t i = 0; i < until; ++i) ranks += hosts[i].processes;
  return ranks;
}

bool World::has(std::string_view contract) const {
  return std::find(contracts.begin(), contracts.end(), contract) != contracts.end();
}

Environment environment_of(const World& world, uint32_t process) {
  Environment out;
  add_torch(world, process, List{out.fixed});
  List fixed{out.fixed};
  fixed.add("TROUPE_NODES", world.hosts.size());
  fixed.add("TROUPE_NODE_RANK", world.job);
  fixed.add("TROUPE_GPUS_PER_NODE", world.gpus);
  fixed.add("TROUPE_HOSTFILE", world.hostfile);
  const auto& first = world.hosts.front();
  if (world.size() > 1 && first.first_port != 0)
    fixed.add("TROUPE_STORE", endpoint(address_of(first), port_at(first.first_port, Port::store)));
  if (!world.roles.empty()) fixed.add("TROUPE_ROLE", world.roles[world.job]);
  List advice{out.advice};
  // A process alone has nobody to find, and starts sooner without what it does not need.
  if (world.size() > 1) {
    add_horovod(world, process, advice);
    add_jax(world, process, advice);
  }
  auto config = tf_config(world, process);
  // Of so many tasks no process could be told; there TensorFlow must find them another way.
  // Nor can the launcher of a node be told of all its processes' at once, beyond half of a frame.
  constexpr size_t node_bytes_max = 8u << 20;
  if (!config.empty() && config.size() < limits::exec_string_bytes_max / 2 &&
      config.size() * world.hosts[world.job].processes < node_bytes_max)
    advice.add("TF_CONFIG", std::move(config));
  if (world.has("slurm") || world.has("jax")) add_slurm_step(world, process, advice);
  if (world.has("slurm")) add_slurm(world, advice);
  if (world.has("pmi1")) add_pmi1(world, process, advice);
  if (world.has("pmix")) add_pmix(advice);
  if (world.size() > 1 || world.gpus > 0) add_side_channels(world, advice);
  return out;
}

std::vector<std::string> rank_argv(std::vector<std::string> argv,
                                   const std::vector<std::string>& contracts, uint32_t process) {
  if (std::find(contracts.begin(), contracts.end(), "local_rank") == contracts.end()) return argv;
  auto argument = fmt::format("--local_rank={}", process);
  bool shell = argv.size() == 3 && argv[0].ends_with("sh") && argv[1] == "-c";
  if (!shell) {
    argv.push_back(std::move(argument));
    return argv;
  }
  auto& line = argv[2];
  line.resize(line.find_last_not_of(" \t\r\n;") + 1);
  line += " " + argument;
  return argv;
}

std::string hostfile_text(const World& world) {
  std::string text;
  for (const auto& host : world.hosts)
    text += fmt::format("{} slots={}\n", address_of(host), host.processes);
  return text;
}

std::string tf_config(const World& world, uint32_t process) {
  if (world.roles.empty() && world.size() < 2) return {};
  std::map<std::string, ValueList> cluster;
  std::string role;
  uint64_t index = 0;
  for (uint32_t job = 0; job < world.hosts.size(); ++job)
    for (uint32_t one = 0; one < world.hosts[job].processes; ++one) {
      bool first = job == 0 && one == 0;
      std::string own = !world.roles.empty() ? world.roles[job] : first ? "chief" : "worker";
      auto& tasks = cluster[own];
      if (job == world.job && one == process) {
        role = own;
        index = tasks.size();
      }
      const auto& host = world.hosts[job];
      tasks.emplace_back(
          endpoint(address_of(host), port_at(host.first_port, Port::first_task, one)));
    }
  ValueMap tasks;
  // Who evaluates stands beside the cluster: TensorFlow refuses it as a part of it.
  for (auto& [name, list] : cluster)
    if (name != "evaluator") tasks.emplace(name, std::move(list));
  return json_text(ValueMap{{"cluster", std::move(tasks)},
                            {"task", ValueMap{{"type", role}, {"index", index}}}});
}

}  // namespace troupe::launch
