// `troupe simulate`: a workload replayed in virtual time. Needs no head.
#include "client/cli/commands.hpp"
#include "client/cli/session.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/simulate/simulation.hpp"

#include <fmt/format.h>

#include <fcntl.h>

namespace troupe::cli {

namespace {

constexpr size_t workload_bytes_max = 1u << 30;  // ten million jobs and more

Result<std::string> read_input(const std::string& name) {
  if (name != "-") return read_file(name, workload_bytes_max);
  std::string text;
  char buffer[1 << 16];
  while (auto count = ::fread(buffer, 1, sizeof buffer, stdin)) {
    text.append(buffer, count);
    if (text.size() > workload_bytes_max)
      return Error{Errc::exhausted, "the workload on standard input is too large",
                   fmt::format("at most {} bytes", workload_bytes_max), "replay a part of it"};
  }
  return text;
}

Result<simulate::Workload> read_workload(const Arguments& arguments) {
  auto text = read_input(arguments.arguments[0]);
  if (!text) return text.error();
  auto form = arguments.has("form") ? arguments.get("form") : "lines";
  if (form == "lines") return simulate::read_lines(*text);
  if (form == "philly") return simulate::read_philly(*text, arguments.has("owners"));
  if (form != "openb")
    return Error{Errc::invalid, fmt::format("no form {}", form), "",
                 "there are lines, philly and openb"};
  if (!arguments.has("nodes"))
    return Error{Errc::invalid, "the trace openb has its nodes in a table of their own", "",
                 "give it with --nodes FILE"};
  auto nodes = read_file(arguments.get("nodes"), workload_bytes_max);
  if (!nodes) return nodes.error();
  return simulate::read_openb(*nodes, *text);
}

/// "20000..40000"
Result<void> cut(const std::string& range, simulate::Workload& workload) {
  unsigned long first = 0, last = 0;
  int read = 0;
  if (std::sscanf(range.c_str(), "%lu..%lu%n", &first, &last, &read) != 2 ||
      static_cast<size_t>(read) != range.size() || first >= last)
    return Error{Errc::invalid, fmt::format("\"{}\" is no range of jobs", range), "",
                 "write --jobs 20000..40000; the first job is 0, the last one is not included"};
  simulate::keep_slice(workload, first, last);
  return ok();
}

Result<void> set_time(const Arguments& arguments, std::string_view option, simulate::Time& time) {
  if (!arguments.has(option)) return ok();
  auto duration = parse_duration(arguments.get(option));
  if (!duration) return duration.error();
  time = *duration;
  return ok();
}

Value spread_value(const simulate::Spread& spread) {
  return ValueMap{{"mean", spread.mean},
                  {"p50", spread.p50},
                  {"p90", spread.p90},
                  {"p99", spread.p99},
                  {"max", spread.max}};
}

Value report_value(const std::string& policy, const simulate::Report& report) {
  return ValueMap{{"policy", policy},
                  {"jobs", uint64_t{report.outcomes.size()}},
                  {"finished", uint64_t{report.finished}},
                  {"cut_by_limit", uint64_t{report.cut}},
                  {"never_started", uint64_t{report.never_started}},
                  {"preemptions", report.stops},
                  {"completion_hours", spread_value(report.completion)},
                  {"first_start_hours", spread_value(report.first_wait)},
                  {"longest_stall_hours", spread_value(report.stall)},
                  {"makespan_hours", report.makespan_hours},
                  {"gpu_use", report.gpu_use},
                  {"cpu_use", report.cpu_use}};
}

std::string hours_text(double hours) {
  return duration_text(Duration{static_cast<int64_t>(hours * 3600) * 1000});
}

void add_row(Table& table, const std::string& policy, const simulate::Report& report) {
  auto use = report.gpus > 0 ? report.gpu_use : report.cpu_use;
  table.row({{policy},
             {fmt::to_string(report.finished + report.cut)},
             {hours_text(report.completion.mean)},
             {hours_text(report.completion.p50)},
             {hours_text(report.completion.p99)},
             {hours_text(report.first_wait.p50)},
             {hours_text(report.first_wait.p90)},
             {hours_text(report.first_wait.max)},
             {fmt::to_string(report.stops)},
             {fmt::format("{:.1f} %", use * 100)}});
}

Result<void> write_chart(const std::string& file, const std::string& title,
                         const simulate::Report& report) {
  auto fd = open_file(file, O_CREAT | O_WRONLY | O_TRUNC);
  if (!fd) return fd.error();
  return write_all(fd->get(), simulate::chart(report, title));
}

}  // namespace

int simulate_verb(Session& session) {
  const auto& arguments = session.arguments();
  auto& out = session.out();
  auto workload = read_workload(arguments);
  if (!workload) return session.fail(workload.error());
  if (arguments.has("cluster")) {
    auto nodes = simulate::read_cluster(arguments.get("cluster"));
    if (!nodes) return session.fail(nodes.error());
    workload->nodes = std::move(*nodes);
  }
  if (arguments.has("jobs"))
    if (auto done = cut(arguments.get("jobs"), *workload); !done) return session.fail(done.error());
  if (workload->nodes.empty())
    return session.fail({Errc::invalid, "no nodes to run on", "the workload describes none",
                         "give --cluster 64x8, or a line {\"nodes\": 64, \"gpus\": 8}"});
  if (workload->tasks.empty())
    return session.fail({Errc::invalid, "no jobs to run", "the workload has none",
                         "add a line {\"at\": 0, \"run\": \"1h\", \"gpus\": 1}"});
  if (arguments.has("form")) simulate::split_over_nodes(*workload);
  auto policies = arguments.all("policy");
  if (policies.empty()) policies.push_back(workload->policy.value_or("attained"));
  if (policies.size() > 1 && arguments.has("chart"))
    return session.fail({Errc::invalid, "a chart shows one policy", "", "give --policy once"});

  simulate::Options options;
  for (auto [name, time] :
       {std::pair{"restart-cost", &options.restart_cost}, std::pair{"grace", &options.grace}})
    if (auto set = set_time(arguments, name, *time); !set) return session.fail(set.error());
  Table table({{"POLICY"},
               {"ENDED", true},
               {"MEAN", true},
               {"P50", true},
               {"P99", true},
               {"WAIT P50", true},
               {"WAIT P90", true},
               {"WAIT MAX", true},
               {"STOPS", true},
               {"USE", true}});
  for (const auto& name : policies) {
    auto policy = schedule::policy_named(name);
    if (!policy) return session.fail(policy.error());
    options.policy = *policy;
    if (arguments.has("against-fragments"))
      options.policy.packing = schedule::Policy::Packing::fragmentation;
    auto report = simulate::run(*workload, options);
    if (report.never_started > 0)
      out.talk(fmt::format("{}: {} of {} jobs never started; a job no node can hold never does",
                           name, report.never_started, report.outcomes.size()));
    if (arguments.has("chart")) {
      auto title = fmt::format("{}: {} jobs, {} nodes, mean {} from submission to end", name,
                               workload->tasks.size(), workload->nodes.size(),
                               hours_text(report.completion.mean));
      if (auto done = write_chart(arguments.get("chart"), title, report); !done)
        return session.fail(done.error());
    }
    if (out.wants_json())
      out.json(report_value(name, report));
    else
      add_row(table, name, report);
  }
  if (!out.wants_json()) out.raw(table.text(out.out()));
  return 0;
}

}  // namespace troupe::cli
