// Everything that may cross between nodes: the message structs, their inspect functions and the
// type-ID block. Fields are integers, strings and containers of them; times are microseconds since
// 1970 (UTC).
#pragma once

#include "runtime/core/error.hpp"
#include "runtime/core/ids.hpp"
#include "runtime/wire/real.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe {

/// Raised with every incompatible change; nodes with different numbers refuse each other.
inline constexpr uint32_t wire_protocol = 9;

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ExperimentId& x) {
  return f(caf::meta::type_name("ExperimentId"), x.top, x.member);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, JobId& x) {
  return f(caf::meta::type_name("JobId"), x.experiment, x.role, x.index);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Error& x) {
  auto code = static_cast<uint8_t>(x.code);
  auto load = [&]() -> caf::error {
    x.code = static_cast<Errc>(code);
    return caf::none;
  };
  return f(caf::meta::type_name("Error"), code, x.what, x.detail, x.hint,
           caf::meta::load_callback(load));
}

/// One job in one attempt: names it for ever.
struct JobKey {
  JobId job;
  uint64_t epoch = 0;

  auto operator<=>(const JobKey&) const = default;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, JobKey& x) {
  return f(caf::meta::type_name("JobKey"), x.job, x.epoch);
}

/// One line of `setup` or `run`, ready to be executed.
struct Phase {
  std::vector<std::string> argv;
  bool setup = false;    // once per job; otherwise once per rank
  bool receipt = false;  // no line of anybody's: once per node, what they do together is measured
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Phase& x) {
  return f(caf::meta::type_name("Phase"), x.argv, x.setup, x.receipt);
}

/// A dataset version that a job reads.
struct DataOrder {
  std::string mount;   // its name below the data root
  std::string source;  // "digits:3"
  std::string digest;  // of its manifest
  bool writable = false;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, DataOrder& x) {
  return f(caf::meta::type_name("DataOrder"), x.mount, x.source, x.digest, x.writable);
}

/// How a job is shown one of its datasets: see MountRecord.
struct MountShown {
  std::string mount;
  std::string method;
  std::string place;
  bool writable = false;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, MountShown& x) {
  return f(caf::meta::type_name("MountShown"), x.mount, x.method, x.place, x.writable);
}

/// Where one rank of a job runs on its node. Lists of numbers are "0-3,8".
struct RankBound {
  std::string cpus;
  std::string memory;  // NUMA nodes
  std::string nic;     // the nearest
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, RankBound& x) {
  return f(caf::meta::type_name("RankBound"), x.cpus, x.memory, x.nic);
}

/// Where a job runs on its node: see BindingRecord.
struct JobBound {
  std::string cpus;  // set aside for it, or those of its NUMA nodes; empty: it may run anywhere
  std::string memory;
  bool own = false;               // its cores are nobody else's
  std::vector<std::string> gpus;  // UUIDs, or PCI bus ids where there are none
  std::vector<RankBound> ranks;
  std::string note;  // why it is not bound as it was wished
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, JobBound& x) {
  return f(caf::meta::type_name("JobBound"), x.cpus, x.memory, x.own, x.gpus, x.ranks, x.note);
}

/// A GPU of a node.
struct GpuDevice {
  uint32_t index = 0;  // by which the head gives it away
  std::string uuid;
  std::string bus;  // PCI: "0000:3b:00.0"
  std::string name;
  std::string closed;  // why nobody gets it, with what was seen; empty: it is in use
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, GpuDevice& x) {
  return f(caf::meta::type_name("GpuDevice"), x.index, x.uuid, x.bus, x.name, x.closed);
}

/// All GPUs of a node, whenever one of them changed.
struct GpuReport {
  std::vector<GpuDevice> devices;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, GpuReport& x) {
  return f(caf::meta::type_name("GpuReport"), x.devices);
}

/// A checkpoint below TROUPE_CHECKPOINTS, renamed into place.
struct CheckpointSeen {
  std::string name;
  int64_t made_us = 0;  // as its file or folder says
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, CheckpointSeen& x) {
  return f(caf::meta::type_name("CheckpointSeen"), x.name, x.made_us);
}

/// One that an attempt may go on from: the file or folder itself where the node has it as it was
/// made, else the version that the head keeps.
struct ResumeChoice {
  CheckpointSeen checkpoint;
  std::string source;  // "42/checkpoints:3"; empty: the head does not have it
  std::string digest;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ResumeChoice& x) {
  return f(caf::meta::type_name("ResumeChoice"), x.checkpoint, x.source, x.digest);
}

/// Where one job of an attempt runs, as its other jobs must know.
struct LaunchHost {
  std::string node;
  std::string address;      // by which the others reach it; empty: it is alone on this machine
  uint16_t first_port = 0;  // of the block that its node has set aside for it; 0: none (yet)
  uint32_t processes = 1;   // ranks there
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, LaunchHost& x) {
  return f(caf::meta::type_name("LaunchHost"), x.node, x.address, x.first_port, x.processes);
}

/// A gang may begin a line of `run`.
struct PhaseStart {
  uint32_t phase = 0;
  std::vector<uint16_t> first_ports;  // by job
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, PhaseStart& x) {
  return f(caf::meta::type_name("PhaseStart"), x.phase, x.first_ports);
}

/// Everything a node needs to run one job. Kept on the node's disk until the job is forgotten.
struct JobOrder {
  JobKey key;
  uint32_t attempt = 1;
  std::vector<Phase> phases;
  std::map<std::string, std::string>
      env;                 // what the head knows; the node adds paths, ranks and devices
  uint32_t processes = 1;  // ranks of this job
  uint32_t first_rank = 0;
  uint32_t world_size = 1;
  uint32_t node_rank = 0;
  uint32_t nodes = 1;
  std::vector<LaunchHost> hosts;       // by job
  std::vector<std::string> roles;      // by job; empty: all are workers alike
  std::vector<std::string> contracts;  // of other launchers, that its processes are to find
  std::vector<uint32_t> gpus;
  int64_t milli_cpus = 0;
  uint64_t mem = 0;
  std::string code_digest;  // empty: no code
  std::vector<DataOrder> data;
  std::string token;  // for the API, good for this job alone
  int64_t created_us = 0;
  bool leased = false;               // it ends with the worker's lease
  int64_t patience_ms = 0;           // of its watchdog, which wants pulses; 0: there is none
  uint64_t max_processes = 0;        // and threads; 0: what its machine gives
  std::string mount_method;          // of its data; empty: the best that the node has
  std::vector<ResumeChoice> resume;  // the newest first; on the node: the one it has chosen
  std::string resume_path;           // the node's own: where that one lies; empty: it is mounted
  ExperimentId resume_of;            // whose they are; none: its own
  std::string binding;               // "off", "cores", "numa"; empty: as the node does
  JobBound bound;                    // the node's own: what it has chosen
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, JobOrder& x) {
  return f(caf::meta::type_name("JobOrder"), x.key, x.attempt, x.phases, x.env, x.processes,
           x.first_rank, x.world_size, x.node_rank, x.nodes, x.hosts, x.roles, x.contracts, x.gpus,
           x.milli_cpus, x.mem, x.code_digest, x.data, x.token, x.created_us, x.leased,
           x.patience_ms, x.max_processes, x.mount_method, x.resume, x.resume_path, x.resume_of,
           x.binding, x.bound);
}

/// Checkpoints that are to go where they were made.
struct CheckpointDrop {
  ExperimentId experiment;
  std::vector<CheckpointSeen> gone;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, CheckpointDrop& x) {
  return f(caf::meta::type_name("CheckpointDrop"), x.experiment, x.gone);
}

enum class JobStep : uint8_t {
  preparing = 1,  // accepted: folders, code, setup
  starting,       // the first line of `run` is being started
  running,        // its processes exist
  phase_done,     // waits for the other jobs of the gang
  ended,
};

/// What one rank was last seen to do, for the watchdog of its experiment. Ages instead of times:
/// clocks differ.
struct RankPulse {
  enum class By : uint8_t { nothing, lines, metrics, calls };

  uint32_t rank = 0;
  By by = By::nothing;    // how it has shown progress so far
  int64_t quiet_ms = 0;   // since it last did, or since its processes run
  int64_t steady_ms = 0;  // before that it did for so long, without a pause of the patience
  bool has_step = false;
  WireF64 step;         // of its newest metric
  std::string process;  // what its processes do, in words; empty while it is not quiet for long
  bool waits = false;   // for word from others, as far as that is seen
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, RankPulse& x) {
  auto by = static_cast<uint8_t>(x.by);
  auto load = [&]() -> caf::error {
    x.by = static_cast<RankPulse::By>(by);
    return caf::none;
  };
  return f(caf::meta::type_name("RankPulse"), x.rank, by, x.quiet_ms, x.steady_ms, x.has_step,
           x.step, x.process, x.waits, caf::meta::load_callback(load));
}

/// How far one rank of a gang has come with its collective calls, and how long it waited in them.
struct RankPace {
  uint32_t rank = 0;
  uint64_t calls = 0;      // that it has ended; of what was seen: spans of time
  uint64_t waited_us = 0;  // in those, for others
  int64_t at_us = 0;       // when that was seen, by a clock of its node's own
  bool seen = false;       // by its node, from outside: it has told nothing itself
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, RankPace& x) {
  return f(caf::meta::type_name("RankPace"), x.rank, x.calls, x.waited_us, x.at_us, x.seen);
}

/// What its node was seen to do with those of the others: see ReceiptNode and Receipt.
struct ReceiptPart {
  uint64_t copy = 0;
  uint64_t link = 0;
  uint64_t all_reduce = 0;
  uint64_t latency_ns = 0;
  std::string error;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ReceiptPart& x) {
  return f(caf::meta::type_name("ReceiptPart"), x.copy, x.link, x.all_reduce, x.latency_ns,
           x.error);
}

/// What became of a job; sent for each step, and again in full after a reconnection.
struct JobUpdate {
  JobKey key;
  uint32_t attempt = 1;
  JobStep step = JobStep::preparing;
  uint32_t phase = 0;
  int64_t time_us = 0;
  int64_t started_us = 0;
  bool has_exit = false;
  int32_t exit_code = 0;
  int32_t signal = 0;
  bool infrastructure = false;     // it failed for a reason that is not the job's own
  bool stopped = false;            // it ended because it was told to
  std::vector<uint32_t> gpus;      // devices it holds
  Error error;                     // meaningful where `what` is not empty
  std::string token;               // of its order, where a node introduces itself: proves the order
  std::vector<RankPulse> ranks;    // once a second where a watchdog wants them; else empty
  std::vector<MountShown> mounts;  // of its data, once it is there
  std::vector<CheckpointSeen> checkpoints;  // of this attempt, of its first job alone; newest last
  std::string resumed;                      // the checkpoint that it goes on from
  std::string resume_note;                  // why from none, or from an older one than there was
  uint16_t first_port = 0;                  // of its block, once it is set aside
  Error warning;   // what its processes do wrong, as far as can be seen; may be taken back
  JobBound bound;  // where it runs on its node
  std::vector<RankPace> paces;       // of those that went on since the last, at most once a second
  std::vector<ReceiptPart> receipt;  // once it is measured: one
  uint64_t link = 0;                 // the worker's own, see its uplink: does not travel
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, JobUpdate& x) {
  auto step = static_cast<uint8_t>(x.step);
  auto load = [&]() -> caf::error {
    x.step = static_cast<JobStep>(step);
    return caf::none;
  };
  return f(caf::meta::type_name("JobUpdate"), x.key, x.attempt, step, x.phase, x.time_us,
           x.started_us, x.has_exit, x.exit_code, x.signal, x.infrastructure, x.stopped, x.gpus,
           x.error, x.token, x.ranks, x.mounts, x.checkpoints, x.resumed, x.resume_note,
           x.first_port, x.warning, x.bound, x.paces, x.receipt, caf::meta::load_callback(load));
}

struct WirePoint {
  std::string name;
  WireF64 step;
  WireF64 value;
  int64_t time_us = 0;
  uint64_t end = 0;  // offset just behind the line it stood on
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, WirePoint& x) {
  return f(caf::meta::type_name("WirePoint"), x.name, x.step, x.value, x.time_us, x.end);
}

/// Metrics read from bytes [from, to) of one source of a job. The head stores each byte range once.
struct MetricBatch {
  JobKey key;
  uint32_t attempt = 1;
  std::string source;  // "file" or "log"
  uint64_t from = 0;
  uint64_t to = 0;
  std::vector<WirePoint> points;
  uint64_t link = 0;  // as in JobUpdate: does not travel
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, MetricBatch& x) {
  return f(caf::meta::type_name("MetricBatch"), x.key, x.attempt, x.source, x.from, x.to, x.points);
}

/// How a node introduces itself, with all jobs it knows.
struct NodeHello {
  std::string name;
  std::string version;
  uint32_t protocol = wire_protocol;
  uint64_t epoch = 0;  // random, new with every start of the worker
  int64_t milli_cpus = 0;
  uint64_t mem = 0;
  uint32_t gpus = 0;
  std::string gpu_type;
  uint64_t gpu_mem = 0;  // bytes of each GPU
  std::map<std::string, std::string> labels;
  std::string address;  // where the ranks of a gang reach each other; empty: this machine alone
  std::vector<JobUpdate> jobs;
  int64_t time_us = 0;             // of its clock
  std::string stuck;               // what there cannot be killed, in words; empty: nothing
  std::string topology;            // JSON, see runtime/topology; empty: it could not be read
  GpuReport devices;               // empty where there is no driver, or numbers were told
  std::vector<uint32_t> gpu_near;  // of each pair, row by row; higher is nearer; empty: not known
  bool accepts = true;             // the head's own word, set by its registry: does not travel
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, NodeHello& x) {
  return f(caf::meta::type_name("NodeHello"), x.name, x.version, x.protocol, x.epoch, x.milli_cpus,
           x.mem, x.gpus, x.gpu_type, x.gpu_mem, x.labels, x.address, x.jobs, x.time_us, x.stuck,
           x.topology, x.devices, x.gpu_near);
}

/// The head's answer: of the jobs reported, those to stop and forget.
struct NodeWelcome {
  std::vector<JobKey> stop;
  std::vector<JobKey> forget;
  uint32_t beat_ms = 1000;  // a sign of life is wished for so often
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, NodeWelcome& x) {
  return f(caf::meta::type_name("NodeWelcome"), x.stop, x.forget, x.beat_ms);
}

/// A dataset version on a node, or on its way there. Ages instead of times: clocks differ.
struct CachedVersion {
  enum class State : uint8_t { coming = 1, here, failed };

  std::string digest;
  State state = State::coming;
  uint64_t bytes = 0;    // on its disk; while it comes, what is set aside for it
  uint64_t total = 0;    // of all blocks, while it comes
  uint64_t arrived = 0;  // of these
  int64_t age_ms = 0;    // since it was here
  int64_t idle_ms = 0;   // since a job last held it
  uint64_t hits = 0;     // jobs that found it here, since the worker was started
  std::string mount;     // how its files are shown: "erofs", ...; empty: not now
  std::vector<JobId> holders;
  bool wanted = false;               // by the queue: it is the last to make room
  std::vector<std::string> sources;  // it came from, or comes from: nodes, or "the head"
  std::vector<std::string> left;     // sources that were given up, each with the reason
  std::string error;                 // why it could not be brought
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, CachedVersion& x) {
  auto state = static_cast<uint8_t>(x.state);
  auto load = [&]() -> caf::error {
    x.state = static_cast<CachedVersion::State>(state);
    return caf::none;
  };
  return f(caf::meta::type_name("CachedVersion"), x.digest, state, x.bytes, x.total, x.arrived,
           x.age_ms, x.idle_ms, x.hits, x.mount, x.holders, x.wanted, x.sources, x.left, x.error,
           caf::meta::load_callback(load));
}

/// What a node's cache holds; sent whole whenever that changes.
struct CacheReport {
  uint64_t limit = 0;      // bytes; 0: the disk's
  uint64_t used = 0;       // by all versions, those on their way included
  uint64_t disk_free = 0;  // where the cache lies
  std::string address;     // HOST:PORT where other workers get blocks; empty: nowhere
  std::vector<CachedVersion> versions;
  uint64_t unlisted = 0;  // versions beyond those, used longer ago
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, CacheReport& x) {
  return f(caf::meta::type_name("CacheReport"), x.limit, x.used, x.disk_free, x.address, x.versions,
           x.unlisted);
}

/// What a node is to have before any job there asks for it, and what its cache should keep.
struct CacheWishes {
  std::vector<std::string> bring;   // digests
  std::vector<std::string> wanted;  // digests that the queue will need
  bool all = true;                  // `wanted` replaces what was said before
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, CacheWishes& x) {
  return f(caf::meta::type_name("CacheWishes"), x.bring, x.wanted, x.all);
}

/// Of the log of a job, as far as its node has heard.
struct LogStatus {
  uint64_t end = 0;      // so far there is something to be read
  bool running = false;  // more may come
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, LogStatus& x) {
  return f(caf::meta::type_name("LogStatus"), x.end, x.running);
}

}  // namespace troupe

CAF_BEGIN_TYPE_ID_BLOCK(troupe_wire, caf::first_custom_type_id)

  CAF_ADD_TYPE_ID(troupe_wire, (troupe::ExperimentId))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::JobId))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::WireF64))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::JobKey))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::Phase))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::DataOrder))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::LaunchHost))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::PhaseStart))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::JobOrder))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::CheckpointSeen))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::ResumeChoice))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::CheckpointDrop))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::MountShown))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::RankBound))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::JobBound))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::GpuDevice))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::GpuReport))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::RankPulse))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::RankPace))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::ReceiptPart))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::JobUpdate))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::WirePoint))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::MetricBatch))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::NodeHello))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::NodeWelcome))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::LogStatus))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::CachedVersion))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::CacheReport))
  CAF_ADD_TYPE_ID(troupe_wire, (troupe::CacheWishes))

  CAF_ADD_ATOM(troupe_wire, troupe, hello_atom, "hello")
  CAF_ADD_ATOM(troupe_wire, troupe, start_atom, "start")
  CAF_ADD_ATOM(troupe_wire, troupe, stop_atom, "stop")
  CAF_ADD_ATOM(troupe_wire, troupe, phase_atom, "phase")
  CAF_ADD_ATOM(troupe_wire, troupe, forget_atom, "forget")
  CAF_ADD_ATOM(troupe_wire, troupe, update_atom, "update")
  CAF_ADD_ATOM(troupe_wire, troupe, metrics_atom, "metrics")
  CAF_ADD_ATOM(troupe_wire, troupe, log_atom, "log")
  CAF_ADD_ATOM(troupe_wire, troupe, status_atom, "status")
  CAF_ADD_ATOM(troupe_wire, troupe, beat_atom, "beat")
  CAF_ADD_ATOM(troupe_wire, troupe, goodbye_atom, "goodbye")
  CAF_ADD_ATOM(troupe_wire, troupe, stuck_atom, "stuck")
  CAF_ADD_ATOM(troupe_wire, troupe, cache_atom, "cache")
  CAF_ADD_ATOM(troupe_wire, troupe, fetch_atom, "fetch")
  CAF_ADD_ATOM(troupe_wire, troupe, devices_atom, "devices")

CAF_END_TYPE_ID_BLOCK(troupe_wire)
