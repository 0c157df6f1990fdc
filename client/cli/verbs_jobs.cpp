// Commands about experiments and sets: START, SEE, CONTROL and FILES.
#include "client/cli/commands.hpp"
#include "client/cli/verb_tables.hpp"

#include <array>

namespace troupe::cli {

namespace {

constexpr std::array run_options{
    Option{"file", 'f', "FILE", "the project file (default: troupe.yaml, here or above)",
           Kind::file},
    Option{"project", 0, "NAME", "the project it belongs to"},
    Option{"name", 0, "NAME", "a name for people"},
    Option{"param", 0, "K=V", "a parameter's value; sweep: also K=1,2,3 or K=MIN..MAX", Kind::none,
           true},
    Option{"params-from", 0, "FILE",
           "parameters from JSON, as `troupe best -o json` has it; - is stdin", Kind::file, true},
    Option{"cpus", 0, "N", "CPUs for each worker; a fraction is fine"},
    Option{"mem", 0, "SIZE", "memory for each worker, with a unit: 2GiB"},
    Option{"gpus", 0, "N", "GPUs for each worker"},
    Option{"gpu-type", 0, "TYPE", "which GPUs: H100, or more of the name in `troupe node ls`"},
    Option{"gpu-mem", 0, "SIZE", "memory that each GPU has at least: 40GiB"},
    Option{"node-label", 0, "K=V", "only nodes with this label", Kind::none, true},
    Option{"workers", 0, "N", "how many workers, started together"},
    Option{"processes", 0, "N", "processes of each worker (default: one for each GPU)"},
    Option{"launch", 0, "NAME", "also start as this launcher does: slurm, jax, pmi1, pmix",
           Kind::none, true, "slurm jax pmi1 pmix local_rank"},
    Option{"data", 0, "REF[:MOUNT]", "a dataset or an output to mount; NAME:V:MOUNT:rw: writable",
           Kind::none, true},
    Option{"mount-method", 0, "NAME",
           "how data is mounted: auto (default), erofs, erofs-loop, fuse, copy", Kind::none, false,
           "auto erofs erofs-loop fuse copy"},
    Option{"env", 0, "NAME", "pass this variable on; NAME=VALUE sets it", Kind::none, true},
    Option{"setup", 0, "CMD", "a command before the first one, once per job", Kind::none, true},
    Option{"priority", 0, "N", "0 to 100, higher goes first (default 50)"},
    Option{"preemptible", 0, "BOOL", "false: it is never stopped in favour of others", Kind::none,
           false, "true false"},
    Option{"exclusive", 0, "BOOL", "true: never two attempts at once, also across a cut network",
           Kind::none, false, "true false"},
    Option{"receipt", 0, "BOOL", "false: its machines are not measured before it starts on several",
           Kind::none, false, "true false"},
    Option{"max-processes", 0, "N", "processes and threads of each worker at a time, at most"},
    Option{"binding", 0, "HOW", "to CPUs and memory: auto (default), off, cores, numa", Kind::none,
           false, "auto off cores numa"},
    Option{"retries", 0, "N", "how often a failed one starts again"},
    Option{"watchdog", 0, "TIME", "notices where it stands still for so long: 2m"},
    Option{"watchdog-action", 0, "ACTION", "then: report (default), restart or fail", Kind::none,
           false, "report restart fail"},
    Option{"max-time", 0, "TIME", "ends it after so long: 90s, 2h"},
    Option{"no-code", 0, "", "takes no snapshot of the folder along"},
    Option{"label", 0, "K=V", "a label to find it by", Kind::none, true},
    Option{"after", 0, "ID", "starts when this one finished well", Kind::id, true},
    Option{"seed", 0, "N", "the random seed"},
    Option{"key", 0, "KEY", "submitting twice with one key makes one experiment"},
    Option{"detach", 'd', "", "submits, prints the id and returns"},
};

constexpr std::array run_only_options{
    Option{"print-env", 0, "", "shows what each rank would find in its environment; runs nothing"},
};

constexpr std::array sweep_options{
    Option{"strategy", 0, "NAME", "grid, list, random, sobol, or one that learns, such as auto",
           Kind::strategy},
    Option{"trials", 0, "N", "members, at most"},
    Option{"concurrency", 0, "N", "how many run at a time, or 2..8 (default: as many as fit)"},
    Option{"metric", 0, "GOAL.NAME", "what is best: max.accuracy; several: min.loss,max.accuracy"},
    Option{"stop-when", 0, "EXPR", "ends the search: \"accuracy >= 0.99\""},
    Option{"early-stop", 0, "RULE", "ends weak members early: asha:max=27,resource=epoch; median",
           Kind::none, false, "asha hyperband bohb median percentile patience pbt asha-promote"},
    Option{"budget", 0, "AMOUNT", "all ends when it is spent: 40gpuh, 200cpuh, or a time: 2h"},
    Option{"ask", 0, "", "nothing runs: you ask for points and tell what came of them"},
    Option{"space", 0, "FILE", "parameters of a Determined, Katib or ConfigSpace file", Kind::file},
    Option{"replay", 0, "SET", "submits nothing: derives each decision of that search again",
           Kind::set},
};

constexpr std::array rerun_more{
    Option{"concurrency", 0, "N", "of a set: how many run at a time"},
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

constexpr std::array plot_options{
    Option{"output", 'o', "FILE", "the SVG file; json: the numbers behind it", Kind::file},
    Option{"kind", 0, "KIND",
           "history, importance, parallel, pareto, contour, curves, slices (default: all it has)",
           Kind::none, true, "history importance parallel pareto contour curves slices"},
    Option{"metric", 0, "GOAL.NAME", "another than the set's: min.loss; two: a Pareto front"},
    Option{"params", 0, "NAMES", "only these parameters, in this order: lr,hidden"},
};

constexpr std::array export_options{
    Option{"output", 'o', "FILE", "a .csv or .json file; csv, json: to stdout (default: csv)",
           Kind::file},
};

constexpr std::array wait_options{
    Option{"timeout", 0, "TIME", "gives up after so long: 10m (exit 7)"},
};

constexpr std::array dir_option{
    Option{"dir", 'o', "DIR", "where to (default: the current folder)", Kind::folder},
};

constexpr std::array code_dir_option{
    Option{"dir", 'o', "DIR", "where to; must be empty or not exist", Kind::folder},
};

}  // namespace

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
                    "troupe run --param lr=0.01 --gpus 1", "troupe run -d eval",
                    "troupe run --workers 2 --print-env -- python3 train.py"},
       .options = {run_options, run_only_options},
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
      {.name = "plot",
       .group = "SEE",
       .arguments = "SET",
       .summary = "draws a set as an SVG page",
       .text = "History with the best so far, importance of the parameters, parallel coordinates, "
               "Pareto\n"
               "front, contour of two parameters, learning curves, slices. Importance is fANOVA "
               "(Hutter,\n"
               "Hoos, Leyton-Brown 2014) over a random forest of the members that finished.",
       .examples = {"troupe plot 42 -o 42.svg",
                    "troupe plot last -o lr.svg --kind slices --params lr",
                    "troupe plot 42 -o front.svg --kind pareto --metric min.loss,min.seconds"},
       .options = {plot_options},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::set,
       .run = plot_verb},
      {.name = "export",
       .group = "SEE",
       .arguments = "SET",
       .summary = "a set as a table: CSV or JSON",
       .text = "One row a member: state, times, node, parameters (param.lr), and of each metric "
               "its last,\n"
               "least and greatest value (last.loss, min.loss, max.loss).",
       .examples = {"troupe export 42 -o 42.csv", "troupe export last -o json"},
       .options = {export_options},
       .arguments_min = 1,
       .arguments_max = 1,
       .kind = Kind::set,
       .run = export_verb},
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
      {.name = "set",
       .group = "CONTROL",
       .arguments = "SET KEY=VALUE...",
       .summary = "changes a set while it runs",
       .text = "Keys: concurrency, trials, budget, stop_when, early_stop; nothing behind the = "
               "removes\n"
               "one. All of it or nothing. Members that run are not touched; a rule of early "
               "stopping\n"
               "compares from then on.",
       .examples = {"troupe set 42 concurrency=2..8", "troupe set 42 trials=100 budget=80gpuh",
                    "troupe set 42 early_stop=asha:max=27"},
       .arguments_min = 2,
       .arguments_max = many_arguments,
       .kind = Kind::set,
       .run = set_verb},
      {.name = "add",
       .group = "CONTROL",
       .arguments = "SET NAME=VALUE...",
       .summary = "a point that the set is to try next",
       .text = "What a strategy that learns is not given it chooses itself.",
       .examples = {"troupe add 42 lr=0.003 hidden=64"},
       .arguments_min = 2,
       .arguments_max = many_arguments,
       .kind = Kind::set,
       .run = add_verb},
      {.name = "skip",
       .group = "CONTROL",
       .arguments = "MEMBER...",
       .summary = "members that are not to be tried; one that runs is stopped and counts as "
                  "finished",
       .examples = {"troupe skip 42.7", "troupe skip 42.10-20"},
       .arguments_min = 1,
       .arguments_max = many_arguments,
       .kind = Kind::id,
       .run = skip_verb},
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

}  // namespace troupe::cli
