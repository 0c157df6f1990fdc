// bench comm: an experiment whose ranks measure, and what their rank 0 found as a table. comm-rank
// is what each of them runs.
#include "client/cli/commands.hpp"
#include "client/cli/follow.hpp"
#include "gpu/comm/measure.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace troupe::cli {

namespace {

using comm::Measured;

constexpr uint64_t default_most = 64u << 20, most_max = uint64_t{64} << 30;
constexpr uint64_t rank_memory = 256u << 20;  // beside two vectors: the program, shared slots
constexpr std::chrono::milliseconds each_size{300};
constexpr Duration time_max{std::chrono::minutes{30}};
constexpr std::string_view found_key = "all_reduce";  // of rank 0's line

struct Wish {
  uint64_t workers = 2, processes = 1, most = default_most;
  double cpus = 1;
  bool tcp = false;
};

Result<Wish> wish_of(const Arguments& arguments) {
  Wish wish;
  auto workers = arguments.number("workers", 1, 10'000);
  if (!workers) return std::move(workers).error();
  auto processes = arguments.number("processes", 1, 1'000);
  if (!processes) return std::move(processes).error();
  auto cpus = arguments.number("cpus", 1, 100'000);
  if (!cpus) return std::move(cpus).error();
  wish.workers = workers->value_or(wish.workers);
  wish.processes = processes->value_or(wish.processes);
  wish.cpus = static_cast<double>(cpus->value_or(wish.processes));
  wish.tcp = arguments.has("tcp");
  if (arguments.has("max")) {
    auto bytes = parse_bytes(arguments.get("max"));
    if (!bytes) return std::move(bytes).error();
    wish.most = *bytes;
  }
  if (wish.most > most_max)
    return Error{Errc::invalid, fmt::format("--max {} is too much", arguments.get("max")),
                 fmt::format("vectors have {} at most", bytes_text(most_max)), ""};
  if (wish.workers * wish.processes < 2)
    return Error{Errc::invalid, "one rank has nobody to reduce with", "",
                 "ask for more: --workers 2, or --processes 2"};
  return wish;
}

Submission submission_of(const Wish& wish, const std::string& project) {
  Submission submission;
  auto& spec = submission.experiment;
  spec.project = project;
  spec.name = "bench-comm";
  Command rank;
  rank.shell = fmt::format(
      "exec \"${{TROUPE_PROGRAM:?the worker of this node is too old}}\" comm-rank {}", wish.most);
  spec.run.push_back(rank);
  spec.workers.min = spec.workers.max = static_cast<uint32_t>(wish.workers);
  spec.workers.processes = static_cast<uint32_t>(wish.processes);
  spec.resources.cpus = wish.cpus;
  spec.resources.mem = wish.processes * (2 * wish.most + rank_memory);
  spec.limits.running = time_max;
  if (wish.tcp) spec.env["TROUPE_COMM_TRANSPORT"] = "tcp";
  return submission;
}

Value value_of(const Measured& measured) {
  ValueList sizes;
  for (const auto& size : measured.sizes)
    sizes.emplace_back(ValueMap{
        {"bytes", size.bytes}, {"seconds", size.seconds}, {"limit_seconds", size.limit_seconds}});
  return ValueMap{{"ranks", measured.ranks},
                  {"hosts", measured.hosts},
                  {"cache_bytes", measured.cache_bytes},
                  {"link_bytes_a_second", measured.link_bytes_a_second},
                  {"sizes", std::move(sizes)}};
}

double number_in(const Value& map, std::string_view key) {
  const auto* value = map.find(key);
  return value != nullptr && value->is_number() ? value->as_number() : 0;
}

Measured measured_of(const Value& value) {
  Measured measured{
      static_cast<uint32_t>(int_of(value, "ranks")), static_cast<uint32_t>(int_of(value, "hosts")),
      static_cast<uint64_t>(int_of(value, "cache_bytes")), number_in(value, "link_bytes_a_second")};
  for (const auto& size : list_of(value, "sizes"))
    measured.sizes.push_back({static_cast<uint64_t>(int_of(size, "bytes")),
                              number_in(size, "seconds"), number_in(size, "limit_seconds")});
  return measured;
}

/// Rank 0's line in the log of the first worker.
Result<Measured> measured_by(client::Client& head, const ExperimentId& id) {
  for (uint64_t offset = 0;;) {
    auto page = head.logs(id, "worker.0", offset);
    if (!page) return std::move(page).error();
    for (const auto& line : page->lines) {
      auto said = parse_json(text_of(line, "text"));
      if (!said || !said->is_map()) continue;
      if (const auto* found = said->find(found_key); found != nullptr) return measured_of(*found);
    }
    if (page->end || page->next_offset == offset) break;
    offset = page->next_offset;
  }
  return Error{Errc::failed, fmt::format("{} has measured nothing", to_string(id)), "",
               fmt::format("see `troupe logs {}`", to_string(id))};
}

std::string time_text(double seconds) {
  return seconds < 1e-3 ? fmt::format("{:.1f} us", seconds * 1e6)
                        : fmt::format("{:.2f} ms", seconds * 1e3);
}

std::string rate_text(double bytes_a_second) {
  return fmt::format("{:.2f} GB/s", bytes_a_second / 1e9);
}

void print(Output& out, const Measured& measured) {
  bool one_host = measured.hosts == 1;
  Table table{{{"SIZE", true},
               {"TIME", true},
               {"ALGBW", true},
               {"BUSBW", true},
               {one_host ? "OF MEMCPY" : "OF LINK", true}}};
  for (const auto& size : measured.sizes) {
    auto part = part_of_limit(measured, size);
    table.row({{bytes_text(size.bytes), fmt::to_string(size.bytes)},
               {time_text(size.seconds)},
               {rate_text(algorithm_rate(size))},
               {rate_text(bus_rate(measured, size))},
               {part ? fmt::format("{:.0f} %", 100 * *part) : "-"}});
  }
  out.raw(table.text(out.out()));
  if (out.quiet()) return;
  out.talk(fmt::format("{} ranks on {} host{}{}", measured.ranks, measured.hosts,
                       one_host ? "" : "s",
                       one_host ? ""
                                : fmt::format("; one stream from one to another: {}",
                                              rate_text(measured.link_bytes_a_second))));
  for (const auto& doubt : doubts(measured)) out.talk("warning: " + doubt);
}

Value answer_of(const ExperimentId& id, const Measured& measured) {
  Value answer = value_of(measured);
  auto& fields = answer.as_map();
  ValueList sizes, warnings;
  for (const auto& size : measured.sizes) {
    auto part = part_of_limit(measured, size);
    sizes.emplace_back(ValueMap{{"bytes", size.bytes},
                                {"seconds", size.seconds},
                                {"algbw", algorithm_rate(size)},
                                {"busbw", bus_rate(measured, size)},
                                {"limit_seconds", size.limit_seconds},
                                {"part_of_limit", part ? Value{*part} : Value{}}});
  }
  for (const auto& doubt : doubts(measured)) warnings.emplace_back(doubt);
  fields["id"] = to_string(id);
  fields["sizes"] = std::move(sizes);
  fields["warnings"] = std::move(warnings);
  return answer;
}

}  // namespace

int bench_comm_verb(Session& session) {
  auto& out = session.out();
  auto wish = wish_of(session.arguments());
  if (!wish) return session.fail(wish.error());
  auto project = session.project();
  if (!project) return session.fail(project.error());
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto last = (*head)->last_event();
  if (!last) return session.fail(last.error());
  auto submitted = (*head)->submit(submission_of(*wish, *project));
  if (!submitted) return session.fail(submitted.error());
  auto id = parse_experiment_id(text_of(*submitted, "id"));
  if (!id) return session.fail(id.error());
  FollowOptions options;
  options.logs = false;
  options.states = !out.wants_json();
  options.after_event = *last;
  options.way_back = fmt::format("troupe logs -f {}", to_string(*id));
  if (auto code = follow(session, {*id}, options); code == 130) return code;
  auto measured = measured_by(**head, *id);
  if (!measured) return session.fail(measured.error());
  if (out.wants_json())
    out.json(answer_of(*id, *measured));
  else
    print(out, *measured);
  return 0;
}

int comm_rank_verb(Session& session) {
  const auto& text = session.arguments().arguments[0];
  uint64_t most = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), most);
  if (code != std::errc{} || end != text.data() + text.size() || most > most_max)
    return session.fail({Errc::invalid, fmt::format("{} is no number of bytes", text), "", ""});
  auto options = comm::options_from_environment();
  if (!options) return session.fail(options.error());
  auto ranks = comm::Communicator::open(*options);
  if (!ranks) return session.fail(ranks.error());
  auto measured = comm::measure_all_reduce(**ranks, comm::sizes_up_to(most), each_size);
  if (!measured) return session.fail(measured.error());
  if ((*ranks)->rank() == 0)
    session.out().json(ValueMap{{std::string{found_key}, value_of(*measured)}});
  return 0;
}

}  // namespace troupe::cli
