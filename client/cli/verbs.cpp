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
    Option{"gpu-type", 0, "TYPE", "which GPUs, as `troupe node ls` names them"},
    Option{"workers", 0, "N", "how many workers, started together"},
    Option{"processes", 0, "N", "processes of each worker (default: one for each GPU)"},
    Option{"data", 0, "REF[:MOUNT]", "a dataset or an output to mount", Kind::none, true},
    Option{"env", 0, "NAME", "pass this variable on; NAME=VALUE sets it", Kind::none, true},
    Option{"setup", 0, "CMD", "a command before the first one, once per job", Kind::none, true},
    Option{"priority", 0, "N", "0 to 100, higher goes first (default 50)"},
    Option{"retries", 0, "N", "how often a failed one starts again"},
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

constexpr std::array code_dir_option{
    Option{"dir", 'o', "DIR", "where to; must be empty or not exist", Kind::folder},
};

constexpr std::array wait_options{
    Option{"timeout", 0, "TIME", "gives up after so long: 10m (exit 7)"},
};

constexpr std::array login_options{
    Option{"name", 0, "NAME", "what to call it (default: the host)"},
};

std::vector<Verb> make_start_verbs() {
  return {
      {"init",
       "START",
       "[DIR]",
       "writes a commented troupe.yaml that runs as it is",
       "",
       {"troupe init", "troupe init digits"},
       {},
       0,
       1,
       false,
       false,
       Kind::folder,
       init_verb},
      {"run",
       "START",
       "[TASK]",
       "submits one experiment and follows it",
       "Without a command it is the `run` of troupe.yaml, or that of one of its tasks. The folder\n"
       "goes along as a snapshot: later edits do not touch what was submitted. Prints the id "
       "first;\n"
       "ends with the exit code of the job. Ctrl-C detaches, the experiment goes on.",
       {"troupe run -- python3 train.py --lr 0.1", "troupe run --param lr=0.01 --gpus 1",
        "troupe run -d eval"},
       {run_options},
       0,
       1,
       true,
       false,
       Kind::none,
       run_verb},
      {"sweep",
       "START",
       "[TASK]",
       "submits a set of experiments over parameters",
       "Parameters come from troupe.yaml, or from --param NAME=1,2,3 and NAME=MIN..MAX,\n"
       "then :log, :step=S or :count=N. The number of members is said before it starts.",
       {"troupe sweep", "troupe sweep --trials 50 --concurrency 8 --metric max.accuracy",
        "troupe sweep --strategy grid --param lr=0.1,0.01 -- python3 train.py --lr {{lr}}"},
       {run_options, sweep_options},
       0,
       1,
       true,
       false,
       Kind::none,
       sweep_verb},
      {"rerun",
       "START",
       "ID",
       "submits the same again, with changes",
       "Nothing is uploaded: code, data and parameters are those of ID.",
       {"troupe rerun 42 --param lr=0.02", "troupe rerun 42.7 --gpus 2 -d"},
       {run_options, rerun_more},
       1,
       1,
       false,
       false,
       Kind::id,
       rerun_verb},
  };
}

#ifdef TROUPE_HAS_UP
std::vector<Verb> make_up_verbs() {
  return {
      {"up",
       "START",
       "",
       "a head and a worker on this machine, in the foreground",
       "Prints the address when it is ready and writes the context, so that the next `troupe` in\n"
       "any shell works. Ctrl-C stops it; jobs that run meanwhile are found again.",
       {"troupe up", "troupe up --dir /tmp/try --port 0"},
       {up_options},
       0,
       0,
       false,
       false,
       Kind::none,
       up_verb},

      {"launcher",
       "",
       "",
       "the process beside a worker that runs its jobs",
       "",
       {},
       {up_options},
       0,
       0,
       false,
       true,
       Kind::none,
       launcher_verb},
  };
}
#else
std::vector<Verb> make_up_verbs() {
  return {};
}
#endif

std::vector<Verb> make_see_verbs() {
  return {
      {"ls",
       "SEE",
       "",
       "experiments and sets: those not ended; -a all",
       "",
       {"troupe ls", "troupe ls -a --state failed", "troupe ls --set 42"},
       {ls_options},
       0,
       0,
       false,
       false,
       Kind::none,
       ls_verb},
      {"show",
       "SEE",
       "ID",
       "everything recorded about it; of a set also its members",
       "",
       {"troupe show 42", "troupe show last -o json"},
       {},
       1,
       1,
       false,
       false,
       Kind::id,
       show_verb},
      {"logs",
       "SEE",
       "ID",
       "what it printed; lines of a set or gang begin with the job",
       "",
       {"troupe logs 42", "troupe logs -f last", "troupe logs --tail 20 42.7.worker.0"},
       {logs_options},
       1,
       1,
       false,
       false,
       Kind::id,
       logs_verb},
      {"metrics",
       "SEE",
       "ID",
       "its metrics; with --name the points",
       "",
       {"troupe metrics 42", "troupe metrics 42 --name loss"},
       {metrics_options},
       1,
       1,
       false,
       false,
       Kind::id,
       metrics_verb},
      {"why",
       "SEE",
       "ID",
       "why it waits, and what would start it now",
       "",
       {"troupe why 42"},
       {},
       1,
       1,
       false,
       false,
       Kind::id,
       why_verb},
      {"best",
       "SEE",
       "SET",
       "the best member, its parameters and value",
       "",
       {"troupe best 42"},
       {},
       1,
       1,
       false,
       false,
       Kind::set,
       best_verb},
      {"kill",
       "CONTROL",
       "ID...",
       "ends experiments, members or whole sets",
       "",
       {"troupe kill 42", "troupe kill 42.1-5"},
       {},
       1,
       many_arguments,
       false,
       false,
       Kind::id,
       kill_verb},
      {"wait",
       "CONTROL",
       "ID...",
       "returns when all have ended, with the job's exit code",
       "1 for a set with failed members, and where several ids did not all end well.",
       {"troupe wait 42", "troupe wait 42 43 --timeout 1h"},
       {wait_options},
       1,
       many_arguments,
       false,
       false,
       Kind::id,
       wait_verb},
  };
}

std::vector<Verb> make_other_verbs() {
  return {
      {"out ls",
       "FILES",
       "ID",
       "what it wrote to its output folder",
       "",
       {"troupe out ls 42"},
       {},
       1,
       1,
       false,
       false,
       Kind::id,
       out_ls_verb},
      {"out get",
       "FILES",
       "ID [PATH]",
       "fetches output files",
       "",
       {"troupe out get 42", "troupe out get 42 model.bin -o /tmp"},
       {dir_option},
       1,
       2,
       false,
       false,
       Kind::id,
       out_get_verb},
      {"code get",
       "FILES",
       "ID",
       "the code snapshot it ran from",
       "",
       {"troupe code get 42 -o /tmp/code"},
       {code_dir_option},
       1,
       1,
       false,
       false,
       Kind::id,
       code_get_verb},
      {"node ls",
       "CLUSTER",
       "",
       "machines, what they have and what is taken",
       "",
       {"troupe node ls"},
       {},
       0,
       0,
       false,
       false,
       Kind::none,
       node_ls_verb},
      {"doctor",
       "CLUSTER",
       "",
       "what this machine can do, what is missing and the cure",
       "",
       {"troupe doctor"},
       {},
       0,
       0,
       false,
       false,
       Kind::none,
       doctor_verb},
      {"context ls",
       "SELF",
       "",
       "the heads this user knows",
       "",
       {"troupe context ls"},
       {},
       0,
       0,
       false,
       false,
       Kind::none,
       context_ls_verb},
      {"context use",
       "SELF",
       "NAME",
       "chooses the head for later commands",
       "",
       {"troupe context use local"},
       {},
       1,
       1,
       false,
       false,
       Kind::context,
       context_use_verb},
      {"login",
       "SELF",
       "URL",
       "stores a head and its token as a context",
       "The token is asked for, or read from standard input; it never stands in the command.",
       {"troupe login http://head:7070 < token"},
       {login_options},
       1,
       1,
       false,
       false,
       Kind::none,
       login_verb},
      {"whoami",
       "SELF",
       "",
       "as whom the head knows you",
       "",
       {"troupe whoami"},
       {},
       0,
       0,
       false,
       false,
       Kind::none,
       whoami_verb},
      {"version",
       "SELF",
       "",
       "of this program and of the head",
       "",
       {"troupe version"},
       {},
       0,
       0,
       false,
       false,
       Kind::none,
       version_verb},
      {"help",
       "SELF",
       "[TOPIC]",
       "about a command, or one of the topics",
       "",
       {"troupe help run", "troupe help selectors"},
       {},
       0,
       2,
       false,
       false,
       Kind::topic,
       help_verb},
      {"completion",
       "SELF",
       "SHELL",
       "a completion script for bash, zsh or fish",
       "",
       {"source <(troupe completion bash)"},
       {},
       1,
       1,
       false,
       false,
       Kind::shell,
       completion_verb},
      {"complete-ids",
       "",
       "",
       "ids for completion",
       "",
       {},
       {},
       0,
       0,
       false,
       true,
       Kind::none,
       complete_ids_verb},
      {"reference",
       "",
       "",
       "docs/reference/cli.md",
       "",
       {},
       {},
       0,
       0,
       false,
       true,
       Kind::none,
       reference_verb},
  };
}

constexpr std::array later_verbs{
    "data",     "simulate",  "head",       "worker",      "token",     "user",  "project", "shell",
    "notebook", "serve",     "model",      "exec",        "stop",      "pause", "resume",  "retry",
    "admin",    "queue",     "usage",      "diff",        "events",    "api",   "open",    "top",
    "pipeline", "node show", "node drain", "node resume", "node label"};

}  // namespace

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> all = [] {
    auto list = make_up_verbs();
    for (auto more : {make_start_verbs(), make_see_verbs(), make_other_verbs()})
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
