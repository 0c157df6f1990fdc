#include "actors/worker/run_request.hpp"

#include "actors/worker/checkpoint_look.hpp"
#include "actors/worker/job_mounts.hpp"
#include "actors/worker/pmi_server.hpp"
#include "actors/worker/receipt_rank.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/launch/environment.hpp"
#include "runtime/topology/numbers.hpp"

#include <fmt/format.h>

#include <charconv>

namespace troupe::actors {

namespace {

template <class T>
bool take_number(std::string_view& text, T& number) {
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc{}) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

/// A line of `setup` has all that its job has.
void bind(process::ProcessSpec& process, const JobBound& bound, std::optional<uint32_t> rank) {
  bool one = rank && *rank < bound.ranks.size();
  auto cpus = topology::parse_numbers(one ? bound.ranks[*rank].cpus : bound.cpus);
  auto memory = topology::parse_numbers(one ? bound.ranks[*rank].memory : bound.memory);
  if (cpus) process.cpus = std::move(*cpus);
  if (memory) process.memory = std::move(*memory);
}

Result<process::RunRequest> leased(process::RunRequest request, const WorkerContext& context,
                                   const JobOrder& order, const LeaseTerm& lease) {
  if (!order.leased) return request;
  request.lease_until = lease.until(context.clock->monotonic());
  if (request.lease_until.count() == 0)
    return Error{Errc::unavailable, fmt::format("job {} was not started", to_string(order.key.job)),
                 "it is exclusive, and its worker did not hear of the head for too long",
                 "it is started again by itself"};
  return request;
}

}  // namespace

std::string run_key(const JobKey& key, uint32_t phase) {
  return fmt::format("{}/{}/{}", to_string(key.job), key.epoch, phase);
}

std::optional<std::pair<JobKey, uint32_t>> parse_run_key(std::string_view text) {
  auto slash = text.find('/');
  auto job = parse_job_id(text.substr(0, slash));
  if (!job || slash == std::string_view::npos) return std::nullopt;
  auto rest = text.substr(slash + 1);
  JobKey key{*job, 0};
  uint32_t phase = 0;
  if (!take_number(rest, key.epoch) || !rest.starts_with('/')) return std::nullopt;
  rest.remove_prefix(1);
  if (!take_number(rest, phase) || !rest.empty()) return std::nullopt;
  return std::pair{key, phase};
}

bool waits_for_gang(const JobOrder& order, uint32_t phase) {
  return order.nodes > 1 && !order.phases[phase].setup;
}

Result<process::RunRequest> run_request(const WorkerContext& context, const JobOrder& order,
                                        const HeldData* data, uint32_t slot, uint32_t phase,
                                        const LeaseTerm& lease) {
  const auto& what = order.phases[phase];
  const auto& paths = context.paths;
  process::RunRequest request;
  request.key = run_key(order.key, phase);
  request.log_dir = paths.log(order.key.job);
  request.log_bytes_max = limits::job_log_bytes_max;
  if (context.confine) {
    request.cpus = static_cast<double>(order.milli_cpus) / 1000;
    request.mem = order.mem;
    request.processes_max = order.max_processes;
  }
  if (what.receipt) {
    request.processes = {receipt_process(context, order, slot)};
    bind(request.processes.front(), order.bound, {});
    return leased(std::move(request), context, order, lease);
  }
  auto resume = resume_path(order, paths.data(slot));
  std::vector<std::string> before;
  if (serves_pmi(order, phase)) before = pmi_command(context.program, paths.dir, order, phase);
  for (uint32_t rank = 0; rank < (what.setup ? 1 : order.processes); ++rank) {
    process::ProcessSpec process;
    process.argv = before;
    auto argv = what.setup ? what.argv : launch::rank_argv(what.argv, order.contracts, rank);
    process.argv.insert(process.argv.end(), argv.begin(), argv.end());
    process.env = job_environment(context.environment, paths, order, slot, rank, resume);
    process.cwd = paths.work(slot);
    bind(process, order.bound, what.setup ? std::optional<uint32_t>{} : rank);
    request.processes.push_back(std::move(process));
  }
  if (data != nullptr) add_mounts(context, order, *data, slot, request);
  return leased(std::move(request), context, order, lease);
}

}  // namespace troupe::actors
