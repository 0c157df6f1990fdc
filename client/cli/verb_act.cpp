// logs, metrics, kill, wait.
#include "client/cli/commands.hpp"
#include "client/cli/entry_text.hpp"
#include "client/cli/follow.hpp"
#include "client/cli/set_members.hpp"
#include "client/cli/sparkline.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace troupe::cli {

namespace {

/// Jobs of an experiment, or of each member that has begun.
Result<std::vector<JobId>> jobs_of(client::Client& head, ExperimentId id,
                                   const Selector& selector) {
  std::vector<JobId> jobs;
  if (selector.job_index >= 0) {
    jobs.push_back({id, selector.role, static_cast<uint32_t>(selector.job_index)});
    return jobs;
  }
  auto entry = head.show(id);
  if (!entry) return std::move(entry).error();
  if (text_of(*entry, "kind") == "set") {
    auto note = [&](const Value& member) -> Result<bool> {
      auto some = jobs_of_member(head, *entry, member);
      if (!some) return std::move(some).error();
      jobs.insert(jobs.end(), some->begin(), some->end());
      return true;
    };
    if (auto done = SetMembers{}.visit(head, *entry, note); !done) return std::move(done).error();
    return jobs;
  }
  for (const auto& job : list_of(*entry, "jobs"))
    if (auto job_id = parse_job_id(text_of(job, "id"))) jobs.push_back(*job_id);
  return jobs;
}

/// All that is in the log of one job now.
Result<void> print_log(Session& session, client::Client& head, const JobId& job, uint64_t tail,
                       bool prefix) {
  auto name = fmt::format("{}.{}", job.role, job.index);
  uint64_t offset = 0;
  for (;;) {
    auto page = head.logs(job.experiment, name, offset, offset == 0 ? tail : 0);
    if (!page) return std::move(page).error();
    for (const auto& line : page->lines) print_log_line(session, line, prefix);
    if (page->end || page->lines.empty() || page->next_offset <= offset || session.out().closed())
      return ok();
    offset = page->next_offset;
  }
}

}  // namespace

int logs_verb(Session& session) {
  const auto& arguments = session.arguments();
  auto selector = session.select(arguments.arguments[0]);
  if (!selector) return session.fail(selector.error());
  auto tail = arguments.number("tail", 0, 1'000'000'000);
  if (!tail) return session.fail(tail.error());
  auto head = session.head();
  if (!head) return session.fail(head.error());
  if (arguments.has("follow")) {
    FollowOptions options;
    options.tail = tail->value_or(0);
    options.way_back = fmt::format("troupe logs -f {}", arguments.arguments[0]);
    options.role = selector->role;
    options.job_index = selector->job_index;
    options.states = session.out().talk_face().terminal && !session.out().wants_json();
    auto last = (*head)->last_event();
    if (!last) return session.fail(last.error());
    options.after_event = *last;
    auto code = follow(session, selector->experiments, options);
    // Reading a log went well however the job ended.
    return code == 130 ? code : 0;
  }
  std::vector<JobId> jobs;
  for (auto id : selector->experiments) {
    auto some = jobs_of(**head, id, *selector);
    if (!some) return session.fail(some.error());
    jobs.insert(jobs.end(), some->begin(), some->end());
  }
  if (jobs.empty() && session.out().talk_face().terminal && !session.out().quiet())
    session.out().talk("it has not begun yet; `troupe logs -f` waits, `troupe why` says for what");
  for (const auto& job : jobs)
    if (auto done = print_log(session, **head, job, tail->value_or(0), jobs.size() > 1); !done)
      return session.fail(done.error());
  return 0;
}

int metrics_verb(Session& session) {
  const auto& arguments = session.arguments();
  auto id = session.select_one(arguments.arguments[0]);
  if (!id) return session.fail(id.error());
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto& out = session.out();
  constexpr uint32_t points_max = 1000;
  if (arguments.has("name")) {
    auto series = (*head)->metric(*id, arguments.get("name"), points_max);
    if (!series) return session.fail(series.error());
    const auto& points = list_of(*series, "points");
    if (out.wants_json()) {
      out.json(*series);
      return 0;
    }
    if (out.out().terminal && !points.empty())
      out.line(out.paint(Colour::green, sparkline(points, out.out().width - 2)));
    Table table{{{"STEP", true}, {"VALUE", true}, {"TIME", true}}};
    for (const auto& point : points)
      table.row({{number_text(point.find("step"))},
                 {text_of(point, "value")},
                 {ago(text_of(point, "time"), session.clock().now()), text_of(point, "time")}});
    out.raw(table.text(out.out()));
    return 0;
  }
  auto names = (*head)->metric_names(*id);
  if (!names) return session.fail(names.error());
  if (out.wants_json()) {
    out.json(*names);
    return 0;
  }
  const Value last = map_of(*names, "last");
  Table table{{{"METRIC", false, true}, {"LAST", true}, {out.out().terminal ? "COURSE" : ""}}};
  for (const auto& name : list_of(*names, "names")) {
    auto text = name.to_text();
    if (out.quiet()) {
      out.line(text);
      continue;
    }
    std::string course;
    if (out.out().terminal) {
      auto series = (*head)->metric(*id, text, points_max);
      if (!series) return session.fail(series.error());
      course = sparkline(list_of(*series, "points"), 40);
    }
    table.row(
        {{text}, {number_text(last.find(text)), text_of(last, text)}, {course, "", Colour::green}});
  }
  if (!out.quiet() && !table.empty()) out.raw(table.text(out.out()));
  return 0;
}

int kill_verb(Session& session) {
  std::vector<ExperimentId> ids;
  for (const auto& text : session.arguments().arguments) {
    auto selector = session.select(text);
    if (!selector) return session.fail(selector.error());
    if (selector->job_index >= 0)
      return session.fail({Errc::invalid, fmt::format("{} is a job of a gang", text),
                           "all jobs of an experiment live and die together",
                           fmt::format("troupe kill {}", to_string(selector->experiments[0]))});
    ids.insert(ids.end(), selector->experiments.begin(), selector->experiments.end());
  }
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto& out = session.out();
  ValueList entries;
  std::optional<Error> failure;
  for (auto id : ids) {
    auto entry = (*head)->kill(id);
    if (!entry) {
      if (failure) out.talk(error_text(*failure, out.talk_face().colour));
      failure = entry.error();
      continue;
    }
    auto state = text_of(*entry, "state");
    if (out.quiet())
      out.line(to_string(id));
    else if (!out.wants_json())
      out.line(fmt::format("{}\t{}", to_string(id), out.paint(state_colour(state), state)));
    entries.push_back(std::move(*entry));
  }
  if (failure) return session.fail(*failure);
  if (out.wants_json()) out.json(entries.size() == 1 ? entries.front() : Value{entries});
  return 0;
}

int wait_verb(Session& session) {
  std::vector<ExperimentId> ids;
  for (const auto& text : session.arguments().arguments) {
    auto selector = session.select(text);
    if (!selector) return session.fail(selector.error());
    ids.insert(ids.end(), selector->experiments.begin(), selector->experiments.end());
  }
  FollowOptions options;
  options.logs = false;
  options.states = session.out().talk_face().terminal && !session.out().wants_json();
  options.way_back = fmt::format("troupe wait {}", fmt::join(session.arguments().arguments, " "));
  if (session.arguments().has("timeout")) {
    auto time = parse_duration(session.arguments().get("timeout"));
    if (!time) return session.fail(time.error());
    options.timeout = *time;
  }
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto last = (*head)->last_event();
  if (!last) return session.fail(last.error());
  options.after_event = *last;
  options.print_result = true;
  return follow(session, ids, options);
}

}  // namespace troupe::cli
