// The pages of `troupe help TOPIC`.
#include "client/cli/verbs.hpp"

#include <array>

namespace troupe::cli {

namespace {

constexpr std::array all_topics{
    Topic{"selectors", "how experiments, members and jobs are named",
          "42               an experiment, or a set of experiments\n"
          "42.7             member 7 of set 42\n"
          "42.7.worker.0    a job: one process group on one node\n"
          "42.1-5           members 1 to 5; 42.1,3,5-8 some of them; 3-7 whole experiments\n"
          "last             the newest you submitted in the project of this folder; last.7 too\n"},
    Topic{"file", "the keys of troupe.yaml",
          "project: digits          required\n"
          "name: mlp                for people\n"
          "run: python3 train.py --lr {{lr}}     a line for the shell; a list of lines: phases\n"
          "setup: [CMD, ...]        once per job, before run\n"
          "resources: {cpus: 2, mem: 2GiB, gpus: 1, gpu_type: H100, gpu_mem: 40GiB, shm: 1GiB,\n"
          "            node_labels: {rack: a}, max_processes: 4096, binding: numa}  per worker; "
          "gpus: 0.5\n"
          "                         shares one\n"
          "workers: 1               or {count: 4, processes: 2}, or a range 2..8\n"
          "roles: {chief: 1, worker: 2, ps: {count: 1, run: CMD}}     instead of workers\n"
          "launch: [slurm]          names of other launchers too: slurm, jax, pmi1, pmix, "
          "local_rank\n"
          "data: [digits:3, {source: 41/out, mount: previous, writable: true}]\n"
          "mount_method: auto        or erofs, erofs-loop, fuse, copy: one way for all of it\n"
          "parameters:              one value, a list, or a range; filled in for {{name}}\n"
          "  lr: {range: {min: 1e-4, max: 1e-1, scale: log}}       or step: S, or count: N\n"
          "  hidden: [32, 64, 128]\n"
          "sweep: {strategy: random, trials: 20, seed: 7, concurrency: 4, metric: max.accuracy,\n"
          "        stop_when: \"accuracy >= 0.99\", max_failures: 3, on_stop: kill}\n"
          "limits: {pending: 2h, running: 24h}\n"
          "retry: {count: 2, backoff: 30s}\n"
          "watchdog: {patience: 2m, action: report}       or restart, or fail\n"
          "checkpoints: {keep_last: 2, keep_best: 1, metric: max.accuracy}\n"
          "priority: 50             0 to 100, higher goes first\n"
          "preemptible: true        false: it is never stopped in favour of others\n"
          "exclusive: false         true: never two attempts at once, also across a cut network\n"
          "receipt: true            false: its machines are not measured before it starts\n"
          "env: {VAR: value}        labels: {team: vision}\n"
          "tasks: {eval: {run: python3 eval.py}}     troupe run eval\n"
          "The file is found by walking up from the current folder; its folder goes along as the\n"
          "code snapshot, without what .gitignore and .troupeignore name.\n"},
    Topic{"exit-codes", "what a command ends with",
          "0    all well\n"
          "1    it failed; of a set: members failed\n"
          "2    wrong usage or a wrong project file; nothing was created\n"
          "3    not found\n"
          "4    not logged in\n"
          "5    refused: permission, limits, or the state of the thing\n"
          "6    the head cannot be reached\n"
          "7    timed out\n"
          "130  interrupted; Ctrl-C while following detaches, the experiment goes on\n"
          "`run`, `rerun` and `wait` end with the exit code of the job, 128+N after signal N.\n"},
    Topic{"environment", "variables the command line reads",
          "TROUPE_URL         the head's address; before the context\n"
          "TROUPE_TOKEN_FILE  a file with the credential; TROUPE_TOKEN: the credential itself\n"
          "TROUPE_CONTEXT     the name of the context to use\n"
          "TROUPE_CONFIG_DIR  where contexts lie (default: $XDG_CONFIG_HOME/troupe)\n"
          "NO_COLOR           set to anything: no colour; CLICOLOR_FORCE: colour everywhere\n"
          "TROUPE_LOG         debug, info, warning or error: the program's own log\n"
          "Options come before variables, variables before the context.\n"},
    Topic{
        "formatting", "tables, JSON and scripts",
        "On a terminal: tables with a header, fitted to its width, with relative times.\n"
        "Otherwise: one row a line, fields separated by tabs, no header, nothing shortened,\n"
        "times in RFC 3339. -o json (or --json): one JSON value; what streams (logs, events of a\n"
        "run) is one JSON value a line; errors too are JSON then, on standard output.\n"
        "-q: ids only. Data goes to standard output, talk to standard error.\n"},
};

}  // namespace

std::span<const Topic> topics() {
  return all_topics;
}

}  // namespace troupe::cli
