#include "client/cli/verbs.hpp"

#include "client/cli/commands.hpp"

#include <algorithm>
#include <array>

namespace troupe::cli {

namespace {

constexpr std::array global{
    Option{"output", 'o', "FORMAT", "json: one JSON value, streams as JSON lines", Kind::format},
    Option{"json", 0, "", "the same as -o json"},
    Option{"quiet", 'q', "", "ids only, and no talk"},
    Option{"no-color", 0, "", "no colour (also NO_COLOR)"},
    Option{"no-input", 0, "", "never ask anything"},
    Option{"context", 0, "NAME", "which head (also TROUPE_CONTEXT)", Kind::context},
    Option{"url", 0, "URL", "the head's address (also TROUPE_URL)"},
    Option{"token-file", 0, "FILE", "the credential (also TROUPE_TOKEN_FILE)", Kind::file},
    Option{"help", 'h', "", "how to use this command"},
};

constexpr std::array run_options{
    Option{"file", 'f', "FILE", "the project file (default: troupe.yaml, here or above)",
           Kind::file},
    Option{"project", 0, "NAME", "the project it belongs to"},
    Option{"name", 0, "NAME", "a name for people"},
    Option{"param", 0, "K=V", "a parameter's value; sweep: also K=1,2,3 or K=MIN..MAX", Kind::none,
           true},
    Option{"cpus", 0, "N", "CPUs for each worker; a fraction is fine"},
    Option{"mem", 0, "SIZE", "memory for each worker, with a unit: 2GiB"},
    Option{"gpus", 0, "N", "GPUs for each worker"},
    Option{"gpu-type", 0, "TYPE", "which GPUs: H100, or more of the name in `troupe node ls`"},
    Option{"gpu-mem", 0, "SIZE", "memory that each GPU has at least: 40GiB"},
    Option{"node-label", 0, "K=V", "only nodes with this label", Kind::none, true},
    Option{"workers", 0, "N", "how many workers, started together"},
    Option{"processes", 0, "N", "processes of each worker (default: one for each GPU)"},
    Option{"data", 0, "REF[:MOUNT]", "a dataset or an output to mount", Kind::none, true},
    Option{"env", 0, "NAME", "pass this variable on; NAME=VALUE sets it", Kind::none, true},
    Option{"setup", 0, "CMD", "a command before the first one, once per job", Kind::none, true},
    Option{"priority", 0, "N", "0 to 100, higher goes first (default 50)"},
    Option{"preemptible", 0, "BOOL", "false: it is never stopped in favour of others"},
    Option{"exclusive", 0, "BOOL", "true: never two attempts at once, also across a cut network"},
    Option{"max-processes", 0, "N", "processes and threads of each worker at a time, at most"},
    Option{"retries", 0, "N", "how often a failed one starts again"},
    Option{"watchdog", 0, "TIME", "notices where it stands still for so long: 2m"},
    Option{"watchdog-action", 0, "ACTION", "then: report (default), restart or fail"},
    Option{"max-time", 0, "TIME", "ends it after so long: 90s, 2h"},
    Option{"no-code", 0, "", "takes no snapshot of the folder along"},
    Option{"label", 0, "K=V", "a label to find it by", Kind::none, true},
    Option{"after", 0, "ID", "starts when this one finished well", Kind::id, true},
    Option{"seed", 0, "N", "the random seed"},
    Option{"key", 0, "KEY", "submitting twice with one key makes one experiment"},
    Option{"detach", 'd', "", "submits, prints the id and returns"},
};

constexpr std::array sweep_options{
    Option{"strategy", 0, "NAME", "grid, list or random", Kind::strategy},
    Option{"trials", 0, "N", "members of a random search"},
    Option{"concurrency", 0, "N", "how many run at a time (default: as many as fit)"},
    Option{"metric", 0, "GOAL.NAME", "what is best: max.accuracy, min.loss"},
    Option{"stop-when", 0, "EXPR", "ends the search: \"accuracy >= 0.99\""},
    Option{"early-stop", 0, "ALGO", "ends weak members early"},
};

[[maybe_unused]] constexpr std::array up_options{
    Option{"dir", 0, "DIR", "where all state lies (default: $XDG_STATE_HOME/troupe)", Kind::folder},
    Option{"port", 0, "PORT", "default 7070; 0 takes a free one"},
    Option{"bind", 0, "ADDRESS", "default 127.0.0.1"},
    Option{"workers", 0, "N", "workers on this machine (default 1)"},
    Option{"cpus", 0, "N", "CPUs to offer, for each worker"},
    Option{"gpus", 0, "N", "GPUs to offer, for each worker"},
    Option{"policy", 0, "NAME", "who starts next: fifo (default), backfill, greedy or attained"},
};

constexpr std::array token_options{
    Option{"life", 0, "TIME", "how long it is good for (default 1h, at most 7d)"},
};

[[maybe_unused]] constexpr std::array head_options{
    Option{"config", 0, "FILE", "head.yaml; options here win over it", Kind::file},
    Option{"dir", 0, "DIR", "where all state lies (default: $XDG_STATE_HOME/troupe)", Kind::folder},
    Option{"port", 0, "PORT", "of the API: default 7070; 0 takes a free one"},
    Option{"bind", 0, "ADDRESS", "of the API: default 127.0.0.1"},
    Option{"cluster-port", 0, "PORT", "for workers: default 7071; 0 takes a free one"},
    Option{"cluster-bind", 0, "ADDRESS", "for workers: default as --bind"},
    Option{"cluster-address", 0, "HOST:PORT", "what workers dial (default: found out)"},
    Option{"policy", 0, "NAME", "who starts next: fifo (default), backfill, greedy or attained"},
};

[[maybe_unused]] constexpr std::array worker_options{
    Option{"config", 0, "FILE", "worker.yaml; options here win over it", Kind::file},
    Option{"head", 0, "HOST:PORT", "the head's cluster port (default: the token's)"},
    Option{"join-token-file", 0, "FILE", "needed once, to join", Kind::file},
    Option{"dir", 0, "DIR", "where all state lies (default: $XDG_STATE_HOME/troupe)", Kind::folder},
    Option{"name", 0, "NAME", "of this worker (default: the host's)"},
    Option{"outputs", 0, "DIR", "where jobs' outputs lie (default: below --dir)", Kind::folder},
    Option{"address", 0, "HOST", "of this machine for the ranks of gangs (default: found out)"},
    Option{"cpus", 0, "N", "CPUs to offer (default: all)"},
    Option{"mem", 0, "SIZE", "memory to offer (default: all)"},
    Option{"gpus", 0, "N", "GPUs to offer (default: all)"},
    Option{"label", 0, "K=V", "a label of this node", Kind::none, true},
};

constexpr std::array ls_options{
    Option{"all", 'a', "", "also those that have ended"},
    Option{"project", 0, "NAME", "of this project only"},
    Option{"state", 0, "STATE", "in this state only", Kind::state},
    Option{"set", 0, "ID", "the members of this set", Kind::set},
    Option{"limit", 0, "N", "at most so many (default 50)"},
};

constexpr std::array logs_options{
    Option{"follow", 'f', "", "goes on until the end; waits where it has not begun"},
    Option{"tail", 0, "N", "begins about so many lines before the end"},
};

constexpr std::array metrics_options{
    Option{"name", 0, "METRIC", "this metric's points"},
};

constexpr std::array rerun_more{
    Option{"concurrency", 0, "N", "of a set: how many run at a time"},
};

constexpr std::array dir_option{
    Option{"dir", 'o', "DIR", "where to (default: the current folder)", Kind::folder},
};

constexpr std::array data_push_options{
    Option{"tag", 0, "TAG", "a name that shall stand for this version"},
    Option{"header", 0, "HOW", "whether the first row of CSV files is names: auto, yes, no"},
    Option{"no-records", 0, "", "files alone: look for no records"},
    Option{"unpack", 0, "", "stores X.gz as X"},
};
constexpr std::array data_tag_options{
    Option{"remove", 0, "", "takes the tag away"},
};
constexpr std::array code_dir_option{
    Option{"dir", 'o', "DIR", "where to; must be empty or not exist", Kind::folder},
};

constexpr std::array wait_options{
    Option{"timeout", 0, "TIME", "gives up after so long: 10m (exit 7)"},
};

constexpr std::array simulate_options{
    Option{"policy", 0, "NAME", "attained (default), greedy, backfill or fifo; several: compared",
           Kind::none, true},
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

constexpr std::array login_options{
    Option{"name", 0, "NAME", "what to call it (default: the host)"},
};

std::vector<Verb> start_verbs() {
  return {
      {.name = "init",
       .group = "START",
       .arguments = "[DIR]",
       .summary = "writes a commented troupe.yaml that runs as it is",
       .examples = {"troupe init", "troupe init digits"},
       .arguments_max = 1,
       .kind = Kind::folder,
       .run = init_verb},
      {.name = "run",
       .group = "START",
       .arguments = "[TASK]",
       .summary = "submits one experiment and follows it",
       .text =
           "Without a command it is the `run` of troupe.yaml, or that of one of its tasks. The "
           "folder\n"
           "goes along as a snapshot: later edits do not touch what was submitted. Prints the id "
           "first;\n"
           "ends with the exit code of the job. Ctrl-C detaches, the experiment goes on.",
       .examples = {"troupe run -- python3 train.py --lr 0.1",
                    "troupe run --param lr=0.01 --gpus 1", "troupe run -d eval"},
       .options = {run_options},
       .arguments_max = 1,
       .command = true,
       .run = run_verb},
      {.name = "sweep",
       .group = "START",
       .arguments = "[TASK]",
       .summary = "submits a set of experiments over parameters",
       .text = "Parameters come from troupe.yaml, or from --param NAME=1,2,3 and NAME=MIN..MAX,\n"
               "then :log, :step=S or :count=N. The number of members is said before it starts.",
       .examples =
           {"troupe sweep", "troupe sweep --trials 50 --concurrency 8 --metric max.accuracy",
            "troupe sweep --strategy grid --param lr=0.1,0.01 -- python3 train.py --lr {{lr}}"},
       .options = {run_options, sweep_options},
       .arguments_max = 1,
       .command = true,
       .run = sweep_verb},
      {.name = "rerun",
       .group = "START",
       .arguments = "ID",
       .summary = "submits the same again, with changes",
       .text = "Nothing is uploaded: code, data and parameters are those of ID.",
       .examples = {"troupe rerun 42 --param lr=0.02", "troupe rerun 42.7 --gpus 2 -d"},
       .options = {run_options, rerun_more},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::id,
       .run = rerun_verb},
  };
}

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
  };
}
#else
std::vector<Verb> up_verbs() {
  return {};
}
#endif

std::vector<Verb> see_verbs() {
  return {
      {.name = "ls",
       .group = "SEE",
       .summary = "experiments and sets: those not ended; -a all",
       .examples = {"troupe ls", "troupe ls -a --state failed", "troupe ls --set 42"},
       .options = {ls_options},
       .run = ls_verb},
      {.name = "show",
       .group = "SEE",
       .arguments = "ID",
       .summary = "everything recorded about it; of a set also its members",
       .examples = {"troupe show 42", "troupe show last -o json"},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::id,
       .run = show_verb},
      {.name = "logs",
       .group = "SEE",
       .arguments = "ID",
       .summary = "what it printed; lines of a set or gang begin with the job",
       .examples = {"troupe logs 42", "troupe logs -f last", "troupe logs --tail 20 42.7.worker.0"},
       .options = {logs_options},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::id,
       .run = logs_verb},
      {.name = "metrics",
       .group = "SEE",
       .arguments = "ID",
       .summary = "its metrics; with --name the points",
       .examples = {"troupe metrics 42", "troupe metrics 42 --name loss"},
       .options = {metrics_options},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::id,
       .run = metrics_verb},
      {.name = "why",
       .group = "SEE",
       .arguments = "ID",
       .summary = "why it waits, and what would start it now",
       .examples = {"troupe why 42"},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::id,
       .run = why_verb},
      {.name = "best",
       .group = "SEE",
       .arguments = "SET",
       .summary = "the best member, its parameters and value",
       .examples = {"troupe best 42"},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::set,
       .run = best_verb},
  };
}

std::vector<Verb> control_verbs() {
  return {
      {.name = "kill",
       .group = "CONTROL",
       .arguments = "ID...",
       .summary = "ends experiments, members or whole sets",
       .examples = {"troupe kill 42", "troupe kill 42.1-5"},
       .arguments_min = 1,
       .arguments_max = many_arguments,
       .kind = Kind::id,
       .run = kill_verb},
      {.name = "wait",
       .group = "CONTROL",
       .arguments = "ID...",
       .summary = "returns when all have ended, with the job's exit code",
       .text = "1 for a set with failed members, and where several ids did not all end well.",
       .examples = {"troupe wait 42", "troupe wait 42 43 --timeout 1h"},
       .options = {wait_options},
       .arguments_min = 1,
       .arguments_max = many_arguments,
       .kind = Kind::id,
       .run = wait_verb},
  };
}

std::vector<Verb> file_verbs() {
  return {
      {.name = "out ls",
       .group = "FILES",
       .arguments = "ID",
       .summary = "what it wrote to its output folder",
       .examples = {"troupe out ls 42"},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::id,
       .run = out_ls_verb},
      {.name = "out get",
       .group = "FILES",
       .arguments = "ID [PATH]",
       .summary = "fetches output files",
       .examples = {"troupe out get 42", "troupe out get 42 model.bin -o /tmp"},
       .options = {dir_option},
       .arguments_min = 1,
       .arguments_max = 2,
       .kind = Kind::id,
       .run = out_get_verb},
      {.name = "code get",
       .group = "FILES",
       .arguments = "ID",
       .summary = "the code snapshot it ran from",
       .examples = {"troupe code get 42 -o /tmp/code"},
       .options = {code_dir_option},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::id,
       .run = code_get_verb},
  };
}

std::vector<Verb> data_verbs() {
  return {
      {.name = "data push",
       .group = "DATA",
       .arguments = "NAME PATH",
       .summary = "makes the next version of a dataset from a folder, an archive or a file",
       .text = "Only what the head lacks is sent; a push that broke off goes on where it ended.\n"
               "CSV, JSONL and IDX files become records beside being files.",
       .examples = {"troupe data push digits ./digits", "troupe data push mnist mnist.tar.gz",
                    "troupe data push prices prices.csv --tag clean"},
       .options = {data_push_options},
       .arguments_min = 2,
       .arguments_max = 2,
       .kind = Kind::file,
       .run = data_push_verb},
      {.name = "data ls",
       .group = "DATA",
       .summary = "datasets, the newest version of each",
       .examples = {"troupe data ls"},
       .run = data_ls_verb},
      {.name = "data show",
       .group = "DATA",
       .arguments = "NAME[:V]",
       .summary = "everything known about a version",
       .examples = {"troupe data show digits", "troupe data show digits:3"},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = data_show_verb},
      {.name = "data get",
       .group = "DATA",
       .arguments = "NAME[:V] DIR",
       .summary = "writes the files of a version to a folder",
       .examples = {"troupe data get digits:3 /tmp/digits"},
       .arguments_min = 2,
       .arguments_max = 2,
       .kind = Kind::folder,
       .run = data_get_verb},
      {.name = "data head",
       .group = "DATA",
       .arguments = "NAME[:V]",
       .summary = "the first rows of its tables, or the first of its files",
       .examples = {"troupe data head prices"},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = data_head_verb},
      {.name = "data diff",
       .group = "DATA",
       .arguments = "A B",
       .summary = "what was added, removed and changed between two versions",
       .examples = {"troupe data diff digits:2 digits:3"},
       .arguments_min = 2,
       .arguments_max = 2,
       .run = data_diff_verb},
      {.name = "data tag",
       .group = "DATA",
       .arguments = "NAME[:V] TAG",
       .summary = "lets a tag stand for a version",
       .examples = {"troupe data tag digits:3 clean", "troupe data tag digits clean --remove"},
       .options = {data_tag_options},
       .arguments_min = 2,
       .arguments_max = 2,
       .run = data_tag_verb},
      {.name = "data rm",
       .group = "DATA",
       .arguments = "NAME:V",
       .summary = "forgets a version that nothing uses",
       .examples = {"troupe data rm digits:1"},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = data_rm_verb},
  };
}

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
       .examples = {"troupe node show gpu-3", "troupe node show gpu-3 -o json"},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = node_show_verb},
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
      {.name = "doctor",
       .group = "CLUSTER",
       .summary = "what this machine can do, what is missing and the cure",
       .examples = {"troupe doctor"},
       .run = doctor_verb},
  };
}

std::vector<Verb> self_verbs() {
  return {
      {.name = "context ls",
       .group = "SELF",
       .summary = "the heads this user knows",
       .examples = {"troupe context ls"},
       .run = context_ls_verb},
      {.name = "context use",
       .group = "SELF",
       .arguments = "NAME",
       .summary = "chooses the head for later commands",
       .examples = {"troupe context use local"},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::context,
       .run = context_use_verb},
      {.name = "login",
       .group = "SELF",
       .arguments = "URL",
       .summary = "stores a head and its token as a context",
       .text =
           "The token is asked for, or read from standard input; it never stands in the command.",
       .examples = {"troupe login http://head:7070 < token"},
       .options = {login_options},
       .arguments_min = 1,
       .arguments_max = 1,
       .run = login_verb},
      {.name = "whoami",
       .group = "SELF",
       .summary = "as whom the head knows you",
       .examples = {"troupe whoami"},
       .run = whoami_verb},
      {.name = "version",
       .group = "SELF",
       .summary = "of this program and of the head",
       .examples = {"troupe version"},
       .run = version_verb},
      {.name = "help",
       .group = "SELF",
       .arguments = "[TOPIC]",
       .summary = "about a command, or one of the topics",
       .examples = {"troupe help run", "troupe help selectors"},
       .arguments_max = 2,
       .kind = Kind::topic,
       .run = help_verb},
      {.name = "completion",
       .group = "SELF",
       .arguments = "SHELL",
       .summary = "a completion script for bash, zsh or fish",
       .examples = {"source <(troupe completion bash)"},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::shell,
       .run = completion_verb},
  };
}

std::vector<Verb> hidden_verbs() {
  return {
      {.name = "complete-ids",
       .summary = "ids for completion",
       .hidden = true,
       .run = complete_ids_verb},
      {.name = "reference",
       .summary = "docs/reference/cli.md",
       .hidden = true,
       .run = reference_verb},
  };
}

constexpr std::array later_verbs{"data warm", "token ls", "token rm", "user",  "project", "shell",
                                 "notebook",  "serve",    "model",    "exec",  "stop",    "pause",
                                 "resume",    "retry",    "admin",    "queue", "usage",   "diff",
                                 "events",    "api",      "open",     "top",   "pipeline"};

}  // namespace

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> all = [] {
    auto list = up_verbs();
    for (const auto& more : {start_verbs(), see_verbs(), control_verbs(), file_verbs(),
                             data_verbs(), cluster_verbs(), self_verbs(), hidden_verbs()})
      list.insert(list.end(), more.begin(), more.end());
    return list;
  }();
  return all;
}

std::span<const Option> global_options() {
  return global;
}

const Verb* find_verb(std::string_view name) {
  for (const auto& verb : verbs())
    if (verb.name == name) return &verb;
  return nullptr;
}

const Option* find_option(const Verb* verb, std::string_view name) {
  if (verb != nullptr)
    for (auto group : verb->options)
      for (const auto& option : group)
        if (option.name == name) return &option;
  for (const auto& option : global)
    if (option.name == name) return &option;
  return nullptr;
}

const Option* find_option(const Verb* verb, char letter) {
  if (verb != nullptr)
    for (auto group : verb->options)
      for (const auto& option : group)
        if (option.letter == letter && letter != 0) return &option;
  for (const auto& option : global)
    if (option.letter == letter && letter != 0) return &option;
  return nullptr;
}

bool is_later_verb(std::string_view name) {
  return std::find(later_verbs.begin(), later_verbs.end(), name) != later_verbs.end();
}

}  // namespace troupe::cli
