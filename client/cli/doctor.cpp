// doctor: what this machine can do, what is missing and the cure. Looks and tries; leaves nothing.
#include "client/cli/cached_text.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/session.hpp"
#include "gpu/comm/device_communicator.hpp"
#include "gpu/health.hpp"
#include "gpu/toolkit.hpp"
#include "gpu/topology/read_topology.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/units.hpp"
#include "runtime/process/run_mounts.hpp"
#include "storage/dataset/mount.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace troupe::cli {

namespace {

namespace fs = std::filesystem;

struct Finding {
  std::string what;
  bool good = true;
  std::string found;
  std::string cure;
};

Finding kernel() {
  utsname name{};
  uname(&name);
  int major = 0, minor = 0;
  (void)std::sscanf(name.release, "%d.%d", &major, &minor);
  bool good = major > 5 || (major == 5 && minor >= 4);  // pidfds, with waiting on them
  return {"kernel", good, name.release, good ? "" : "Linux 5.4 or later is needed"};
}

Finding cgroups() {
  std::error_code none;
  if (!fs::exists("/sys/fs/cgroup/cgroup.controllers", none))
    return {"cgroups", false, "no cgroup v2",
            "boot with systemd.unified_cgroup_hierarchy=1; until then CPU and memory are "
            "reservations, not limits"};
  bool writable = access("/sys/fs/cgroup", W_OK) == 0;
  auto text = read_file("/sys/fs/cgroup/cgroup.controllers", 4096);
  auto controllers = text ? text->substr(0, text->find('\n')) : std::string{};
  return {"cgroups", writable, "v2: " + controllers,
          writable ? "" : "not writable by this user: limits need root or a delegated cgroup"};
}

Finding cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  auto usable = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
  return {"cpus", true, fmt::format("{} usable", usable), ""};
}

Finding memory() {
  struct sysinfo info {};
  sysinfo(&info);
  return {"memory", true, bytes_text(uint64_t{info.totalram} * info.mem_unit), ""};
}

Finding gpus() {
  std::error_code none;
  int count = 0;
  for (const auto& device : fs::directory_iterator{"/dev", none}) {
    auto name = device.path().filename().string();
    if (name.starts_with("nvidia") && name.size() > 6 &&
        std::isdigit(static_cast<unsigned char>(name[6])))
      ++count;
  }
  bool driver = fs::exists("/proc/driver/nvidia/version", none);
  if (count == 0 && !driver) return {"gpus", true, "none", ""};
  auto text = fmt::format("{} NVIDIA devices", count);
  if (!driver || count == 0)
    return {"gpus", false, text, driver ? "" : "the driver is not loaded: nvidia-smi says more"};
  auto versions = gpu::NvmlDriver{}.versions();
  if (!versions) return {"gpus", false, text, versions.error().what};
  text += fmt::format(", driver {}", versions->driver);
  auto nccl = comm::NcclLibrary::load(comm::DeviceOptions{}.nccl);
  text += nccl ? fmt::format(", NCCL {}", comm::nccl_version_text((*nccl)->version))
               : fmt::format(", {} ({})", nccl.error().what, nccl.error().detail);
  auto toolkit = gpu::find_toolkit();
  auto shortcoming = gpu::driver_shortcoming(*versions, toolkit ? toolkit->cuda : 0);
  return {"gpus", shortcoming.empty(), shortcoming.empty() ? text : shortcoming,
          shortcoming.empty() ? "" : "install a newer driver, or programs made for an older CUDA"};
}

Finding machine() {
  auto model = topology::read_this_machine();
  if (!model) return {"topology", false, model.error().what, model.error().hint};
  return {
      "topology", true,
      fmt::format("{} NUMA nodes, {} cores, {} GPUs, {} network cards on PCI", model->numas.size(),
                  model->cores.size(), model->gpus.size(), model->nics.size()),
      ""};
}

/// Lends `attempt` a folder for what it tries, and takes it away again.
Finding tried_in_a_folder(const char* name, Finding (*attempt)(const std::string& folder)) {
  std::error_code none;
  auto folder = (fs::temp_directory_path(none) / "troupe-doctor-XXXXXX").string();
  if (none || mkdtemp(folder.data()) == nullptr)
    return {name, false, "not tried", "no temporary folder can be made"};
  auto finding = attempt(folder);
  fs::remove_all(folder, none);
  return finding;
}

/// Whether jobs get mounts that nobody else sees, found out by trying.
Finding namespaces(const std::string& folder) {
  auto tried = process::probe_private_mounts(folder);
  if (tried.denied)
    return {"mounts", false, fmt::format("links to those of the node: {}", tried.denied->detail),
            "a worker that root starts gives each job mounts of its own"};
  if (tried.no_overlay)
    return {"mounts", true,
            fmt::format("of each job's own; not writable: {}", tried.no_overlay->detail), ""};
  return {"mounts", true, "of each job's own, also writable", ""};
}

/// How datasets are shown to jobs: the best way that works when it is tried.
Finding mounts(const std::string& folder) {
  Finding finding{"datasets", false, "", "files are written out once a machine, as copies"};
  for (const auto& probe : dataset::probe_mounts(folder)) {
    if (!probe.error) {
      finding = {"datasets", true, fmt::format("mounted ({})", to_string(probe.method)), ""};
      break;
    }
    if (finding.found.empty()) finding.found = fmt::format("not mounted: {}", probe.error->detail);
  }
  return finding;
}

Finding head(Session& session) {
  auto client = session.head();
  if (!client) return {"head", false, client.error().what, client.error().hint};
  auto who = (*client)->whoami();
  if (!who) return {"head", false, who.error().what, who.error().hint};
  return {"head", true, fmt::format("{} as {}", (*client)->url(), text_of(*who, "user")), ""};
}

/// What the nodes of the head keep of datasets.
Finding caches(Session& session) {
  auto client = session.head();
  auto answer = client ? (*client)->nodes() : Result<Value>{client.error()};
  if (!answer) return {"caches", true, "not known without a head", ""};
  constexpr size_t shown = 4;
  std::string text;
  size_t count = 0;
  for (const auto& node : list_of(*answer, "nodes")) {
    const auto* cache = node.find("cache");
    if (cache == nullptr || !cache->is_map() || ++count > shown) continue;
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", text_of(node, "name"),
                        cache_text(*cache));
  }
  if (count > shown) text += fmt::format("; {} more nodes", count - shown);
  return {"caches", true, text.empty() ? "no node has any" : text, ""};
}

}  // namespace

int doctor_verb(Session& session) {
  std::vector<Finding> findings{kernel(),
                                cgroups(),
                                cpus(),
                                memory(),
                                gpus(),
                                machine(),
                                tried_in_a_folder("mounts", namespaces),
                                tried_in_a_folder("datasets", mounts),
                                head(session),
                                caches(session)};
  auto& out = session.out();
  ValueList all;
  bool terminal = out.out().terminal;
  std::vector<Table::Column> columns{{"WHAT"}, {"STATE"}, {"FOUND", false, true}};
  if (!terminal) columns.push_back({"CURE"});  // there, a line of its own below
  Table table{std::move(columns)};
  for (const auto& finding : findings) {
    all.emplace_back(ValueMap{{"what", finding.what},
                              {"good", finding.good},
                              {"found", finding.found},
                              {"cure", finding.cure}});
    table.row({{finding.what},
               {finding.good ? "ok" : "missing", "", finding.good ? Colour::green : Colour::yellow},
               {finding.found},
               {finding.cure}});
  }
  if (out.wants_json())
    out.json(all);
  else
    out.raw(table.text(out.out()));
  if (!out.wants_json() && terminal)
    for (const auto& finding : findings)
      if (!finding.cure.empty())
        out.line(
            fmt::format("{} {}: {}", out.paint(Colour::cyan, "hint:"), finding.what, finding.cure));
  return 0;
}

}  // namespace troupe::cli
