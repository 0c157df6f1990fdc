// Commands that run a cluster, and about its machines.
#include "client/cli/commands.hpp"
#include "client/cli/verb_tables.hpp"

#include <array>

namespace troupe::cli {

namespace {

[[maybe_unused]] constexpr std::array up_options{
    Option{"dir", 0, "DIR", "where all state lies (default: $XDG_STATE_HOME/troupe)", Kind::folder},
    Option{"port", 0, "PORT", "default 7070; 0 takes a free one"},
    Option{"bind", 0, "ADDRESS", "default 127.0.0.1"},
    Option{"workers", 0, "N", "workers on this machine (default 1)"},
    Option{"cpus", 0, "N", "CPUs to offer, for each worker"},
    Option{"gpus", 0, "N", "GPUs to offer, for each worker"},
    Option{"binding", 0, "HOW", "of jobs to CPUs and memory: auto (default), off, cores, numa",
           Kind::none, false, "auto off cores numa"},
    Option{"cache-limit", 0, "SIZE", "of datasets kept, for each worker (default: the disk's)"},
    Option{"policy", 0, "NAME", "who starts next: fifo (default), backfill, greedy or attained",
           Kind::none, false, "fifo backfill greedy attained"},
};

[[maybe_unused]] constexpr std::array head_options{
    Option{"config", 0, "FILE", "head.yaml; options here win over it", Kind::file},
    Option{"dir", 0, "DIR", "where all state lies (default: $XDG_STATE_HOME/troupe)", Kind::folder},
    Option{"port", 0, "PORT", "of the API: default 7070; 0 takes a free one"},
    Option{"bind", 0, "ADDRESS", "of the API: default 127.0.0.1"},
    Option{"cluster-port", 0, "PORT", "for workers: default 7071; 0 takes a free one"},
    Option{"cluster-bind", 0, "ADDRESS", "for workers: default as --bind"},
    Option{"cluster-address", 0, "HOST:PORT", "what workers dial (default: found out)"},
    Option{"policy", 0, "NAME", "who starts next: fifo (default), backfill, greedy or attained",
           Kind::none, false, "fifo backfill greedy attained"},
};

[[maybe_unused]] constexpr std::array worker_options{
    Option{"config", 0, "FILE", "worker.yaml; options here win over it", Kind::file},
    Option{"head", 0, "HOST:PORT", "the head's cluster port (default: the token's)"},
    Option{"join-token-file", 0, "FILE", "needed once, to join", Kind::file},
    Option{"dir", 0, "DIR", "where all state lies (default: $XDG_STATE_HOME/troupe)", Kind::folder},
    Option{"name", 0, "NAME", "of this worker (default: the host's)"},
    Option{"outputs", 0, "DIR", "where jobs' outputs lie (default: below --dir)", Kind::folder},
    Option{"address", 0, "HOST", "of this machine for the ranks of gangs (default: found out)"},
    Option{"data-port", 0, "PORT",
           "where other workers get datasets (default 7072, or a free one)"},
    Option{"cache-limit", 0, "SIZE", "of datasets kept here (default: the disk's)"},
    Option{"cpus", 0, "N", "CPUs to offer (default: all)"},
    Option{"mem", 0, "SIZE", "memory to offer (default: all)"},
    Option{"gpus", 0, "N", "GPUs to offer (default: all)"},
    Option{"binding", 0, "HOW", "of jobs to CPUs and memory: auto (default), off, cores, numa",
           Kind::none, false, "auto off cores numa"},
    Option{"label", 0, "K=V", "a label of this node", Kind::none, true},
};

constexpr std::array token_options{
    Option{"life", 0, "TIME", "how long it is good for (default 1h, at most 7d)"},
};

constexpr std::array node_show_options{
    Option{"svg", 0, "FILE", "writes a drawing of the machine", Kind::file},
};

constexpr std::array plan_options{
    Option{"topology", 0, "FILE", "of a machine: hwloc's XML or NCCL's (default: this machine)",
           Kind::file},
    Option{"workers", 0, "N", "that many on it, one after the other (default 1)"},
    Option{"cpus", 0, "N", "CPUs for each worker (default 1)"},
    Option{"gpus", 0, "N", "GPUs for each worker (default 0)"},
    Option{"processes", 0, "N", "processes of each worker (default: one for each GPU)"},
    Option{"binding", 0, "HOW", "cores (default), numa, off", Kind::none, false, "cores numa off"},
    Option{"busy-cpus", 0, "LIST", "taken by others: 0-3,8"},
    Option{"busy-gpus", 0, "LIST", "taken by others, as the picture counts them"},
    Option{"svg", 0, "FILE", "writes a drawing of the machine", Kind::file},
};

constexpr std::array bench_comm_options{
    Option{"workers", 0, "N", "how many workers, started together (default 2)"},
    Option{"processes", 0, "N", "ranks of each worker (default 1)"},
    Option{"cpus", 0, "N", "CPUs for each worker (default: one for each of its ranks)"},
    Option{"max", 0, "SIZE", "of the largest vector (default 64MiB)"},
    Option{"tcp", 0, "", "TCP also between ranks of one machine, as if each had its own"},
    Option{"project", 0, "NAME", "the project it belongs to"},
};

constexpr std::array simulate_options{
    Option{"policy", 0, "NAME", "attained (default), greedy, backfill or fifo; several: compared",
           Kind::none, true, "attained greedy backfill fifo"},
    Option{"cluster", 0, "NODES", "64x8, 64x8:V100, 16xcpus=4,mem=8GiB,gpus=1; joined by +"},
    Option{"form", 0, "NAME", "of FILE: lines (default), philly or openb"},
    Option{"nodes", 0, "FILE", "the node table of an openb trace", Kind::file},
    Option{"jobs", 0, "A..B", "these jobs only, by time of submission"},
    Option{"owners", 0, "", "philly: each virtual cluster is a project with a share of its own"},
    Option{"against-fragments", 0, "", "places where the least becomes of no use to others"},
    Option{"restart-cost", 0, "TIME", "of work lost with each stop (default 30s)"},
    Option{"grace", 0, "TIME", "from the order to stop to the end (default 0s)"},
    Option{"chart", 0, "FILE", "writes an SVG of use and waiting over time", Kind::file},
};

}  // namespace

#ifdef TROUPE_HAS_UP
std::vector<Verb> up_verbs() {
  return {
      {.name = "up",
       .group = "START",
       .summary = "a head and a worker on this machine, in the foreground",
       .text = "Prints the address when it is ready and writes the context, so that the next "
               "`troupe` in\n"
               "any shell works. Ctrl-C stops it; jobs that run meanwhile are found again.",
       .examples = {"troupe up", "troupe up --dir /tmp/try --port 0"},
       .options = {up_options},
       .run = up_verb},
      {.name = "head",
       .group = "CLUSTER",
       .summary = "the head of a cluster: the API, and a port for workers",
       .text =
           "Runs in the foreground, as a service does. Stopping it stops no job: workers go on, "
           "and\nreport when a head is there again.",
       .examples = {"troupe head --config /etc/troupe/head.yaml",
                    "troupe head --dir /srv/troupe --bind 10.0.0.1"},
       .options = {head_options},
       .run = head_verb},
      {.name = "worker",
       .group = "CLUSTER",
       .summary = "one machine's worker, linked to a head elsewhere",
       .text =
           "Needs a join token at its first start: `troupe token join` on the head. Stopping it "
           "stops\nno job: the next start in the same folder finds them.",
       .examples = {"troupe worker --join-token-file token --dir /srv/troupe",
                    "troupe worker --config /etc/troupe/worker.yaml"},
       .options = {worker_options},
       .run = worker_verb},
      {.name = "launcher",
       .summary = "the process beside a worker that runs its jobs",
       .options = {up_options},
       .hidden = true,
       .run = launcher_verb},
      {.name = "serve-files",
       .arguments = "FOLDER TARGET",
       .summary = "the process behind files that are mounted by fuse",
       .arguments_min = 2,
       .arguments_max = 2,
       .hidden = true,
       .run = serve_files_verb},
      {.name = "receipt-rank",
       .arguments = "FILE",
       .summary = "measures what the nodes of its job do together",
       .arguments_min = 1,
       .arguments_max = 1,
       .hidden = true,
       .run = receipt_rank_verb},
      {.name = "pmi-rank",
       .arguments = "NAME",
       .summary = "connects to the PMI of its job and becomes the command",
       .arguments_min = 1,
       .arguments_max = 1,
       .command = true,
       .hidden = true,
       .run = pmi_rank_verb},
      {.name = "pmix-rank",
       .arguments = "PMI WORLD STORE",
       .summary = "connects to the PMIx of its job and becomes the command",
       .arguments_min = 3,
       .arguments_max = 3,
       .command = true,
       .hidden = true,
       .run = pmix_rank_verb},
  };
}
#else
std::vector<Verb> up_verbs() {
  return {};
}
#endif

std::vector<Verb> cluster_verbs() {
  return {
      {.name = "node ls",
       .group = "CLUSTER",
       .summary = "machines, what they have and what is taken",
       .examples = {"troupe node ls"},
       .run = node_ls_verb},
      {.name = "simulate",
       .group = "CLUSTER",
       .arguments = "FILE",
       .summary = "replays a workload under a policy, in virtual time",
       .text =
           "FILE has one JSON object a line: nodes, then jobs with the time they run. \"-\" is\n"
           "standard input. No head is needed; the scheduler is the one that runs clusters.",
       .examples = {"troupe simulate jobs.jsonl --cluster 64x8 --chart use.svg",
                    "xzcat philly.csv.xz | troupe simulate - --form philly --cluster 1x512",
                    "troupe simulate jobs.jsonl --policy fifo --policy attained"},
       .options = {simulate_options},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::file,
       .run = simulate_verb},
      {.name = "node show",
       .group = "CLUSTER",
       .arguments = "NODE",
       .summary = "everything known about a node, and what runs there",
       .text = "With a drawing of the machine, and who has what of it.",
       .examples = {"troupe node show gpu-3", "troupe node show gpu-3 --svg gpu-3.svg"},
       .options = {node_show_options},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = node_show_verb},
      {.name = "node plan",
       .group = "CLUSTER",
       .summary = "where workers would go on a machine: GPUs, cores, memory, network cards",
       .text = "Needs no head, and not the machine either: a file of its topology is enough, as\n"
               "`lstopo FILE.xml` or NCCL_TOPO_DUMP_FILE writes it.",
       .examples = {"troupe node plan --gpus 4 --cpus 32",
                    "troupe node plan --topology dgx2.xml --gpus 4 --workers 4 --svg plan.svg"},
       .options = {plan_options},
       .run = node_plan_verb},
      {.name = "node drain",
       .group = "CLUSTER",
       .arguments = "NODE",
       .summary = "starts nothing new on a node; what runs there goes on",
       .examples = {"troupe node drain gpu-3"},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = node_drain_verb},
      {.name = "node resume",
       .group = "CLUSTER",
       .arguments = "NODE",
       .summary = "uses a drained node again",
       .examples = {"troupe node resume gpu-3"},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = node_resume_verb},
      {.name = "node label",
       .group = "CLUSTER",
       .arguments = "NODE NAME=VALUE...",
       .summary = "sets labels of a node; NAME= removes one",
       .examples = {"troupe node label gpu-3 rack=a7"},
       .arguments_min = 2,
       .arguments_max = many_arguments,
       .run = node_label_verb},
      {.name = "node remove",
       .group = "CLUSTER",
       .arguments = "NODE",
       .summary = "takes a node's certificate back and cuts it off, for good",
       .text = "What runs there counts as lost and starts elsewhere: drain the node first where "
               "there\nis time. Its certificate is refused from now on; with a new token it may "
               "join again.",
       .examples = {"troupe node remove gpu-3"},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = node_remove_verb},
      {.name = "token join",
       .group = "CLUSTER",
       .summary = "a token with which one machine may join as a worker, once",
       .text = "Carry it to the machine in a file and start `troupe worker --join-token-file FILE` "
               "there.",
       .examples = {"troupe token join", "troupe token join --life 10m"},
       .options = {token_options},
       .run = token_join_verb},
      {.name = "bench comm",
       .group = "CLUSTER",
       .summary = "how quick all_reduce is between workers, beside memory or the network",
       .text = "Submits an experiment whose ranks reduce vectors of float32 of growing size. ALGBW "
               "is bytes\nof the vector a second; BUSBW what that makes on a ring's links, by "
               "which different numbers\nof ranks can be compared. On one machine it stands beside "
               "all ranks copying as much at once\n(OF MEMCPY), on several beside one stream "
               "from one to another (OF LINK); \"-\" where the vector\nis too small to say.",
       .examples = {"troupe bench comm --workers 4",
                    "troupe bench comm --workers 2 --processes 8 --max 1GiB"},
       .options = {bench_comm_options},
       .run = bench_comm_verb},
      {.name = "comm-rank",
       .arguments = "BYTES",
       .summary = "one rank of `bench comm`",
       .arguments_min = 1,
       .arguments_max = 1,
       .hidden = true,
       .run = comm_rank_verb},
      {.name = "doctor",
       .group = "CLUSTER",
       .summary = "what this machine can do, what is missing and the cure",
       .examples = {"troupe doctor"},
       .run = doctor_verb},
  };
}

}  // namespace troupe::cli
