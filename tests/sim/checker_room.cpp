// What the checker says of resources, and of the end.
#include "actors/head/orders.hpp"
#include "actors/worker/run_request.hpp"
#include "tests/sim/checker.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::sim {

namespace {

/// What is given out on one machine.
struct Given {
  schedule::Amount sum;
  std::map<uint32_t, std::string> gpus;  // by device, who has it

  /// The name of whoever had one of these devices before.
  std::string add(const std::string& who, const schedule::Amount& amount,
                  const std::vector<uint32_t>& devices) {
    sum.milli_cpus += amount.milli_cpus;
    sum.mem += amount.mem;
    sum.gpus += amount.gpus;
    std::string twice;
    for (auto device : devices)
      if (auto [had, fresh] = gpus.emplace(device, who); !fresh) twice = had->second;
    return twice;
  }
  bool fits(const MachineSize& size) const {
    return sum.milli_cpus <= size.milli_cpus && sum.mem <= size.mem && sum.gpus <= size.gpus;
  }
};

}  // namespace

/// Whether the head wants it to run, as far as its ledger tells.
bool Checker::approved(const JobKey& key) const {
  auto it = experiments_.find(key.job.experiment);
  if (it == experiments_.end() || is_terminal(it->second.state)) return false;
  const auto& record = it->second;
  // Ordered before it is durable: good as long as the head lives that ordered it.
  if (record.attempts.empty() || record.attempts.back().epoch < key.epoch)
    return head_up_ && key.epoch >> 32 == generation_;
  const auto& attempt = record.attempts.back();
  return attempt.epoch == key.epoch &&
         std::any_of(attempt.jobs.begin(), attempt.jobs.end(), [&](const JobRecord& job) {
           return job.index == key.job.index && !is_terminal(job.state);
         });
}

bool Checker::settled(const std::string& machine) const {
  auto it = unsettled_until_.find(machine);
  return world_.now() >= adopting_until_ &&
         (it == unsettled_until_.end() || world_.now() >= it->second);
}

/// What is too much of what runs there with the head's approval; empty: nothing.
std::string Checker::overfull(const std::string& machine) const {
  Given given;
  std::set<JobKey> jobs;
  for (const auto& [run, state] : runs_)
    if (state.running && state.machine == machine && approved(run.first)) jobs.insert(run.first);
  for (const auto& key : jobs) {
    const auto& record = experiments_.at(key.job.experiment);
    std::vector<uint32_t> devices;
    if (!record.attempts.empty() && record.attempts.back().epoch == key.epoch)
      for (const auto& job : record.attempts.back().jobs)
        if (job.index == key.job.index) devices = job.gpus;
    auto twice =
        given.add(to_string(key.job), actors::request_of(record).amount_at(key.job.index), devices);
    if (!twice.empty())
      return fmt::format("{} and {} run with one GPU of {}", twice, to_string(key.job), machine);
  }
  if (given.fits(machines_.at(machine))) return {};
  return fmt::format("{} runs jobs for {}", machine, to_text(given.sum));
}

void Checker::check_room(const std::string& machine) {
  // While commits fail the ledger is behind what the head knows.
  if (world_.now() < books_behind_until_) return;
  auto found = overfull(machine);
  if (found.empty()) return;
  if (settled(machine)) return fail(found);
  world_.after(ending_takes, [this, machine] {
    if (world_.now() < books_behind_until_) return;
    if (auto still = overfull(machine); !still.empty()) fail(still);
  });
}

void Checker::run_began(const std::string& machine, const JobKey& key, uint32_t phase) {
  auto [it, fresh] = runs_.try_emplace({key, phase}, Run{machine, true, false, 0});
  if (!fresh) fail(fmt::format("{} began a second time", actors::run_key(key, phase)));
  check_alone(machine, key);
  check_room(machine);
}

void Checker::check_alone(const std::string& machine, const JobKey& key) {
  auto id = key.job.experiment;
  auto record = experiments_.find(id);
  if (record == experiments_.end() || !record->second.spec->exclusive) return;
  for (const auto& [run, state] : runs_)
    if (state.running && run.first.job.experiment == id && run.first.epoch != key.epoch)
      fail(fmt::format("{} is exclusive and began on {} while {} ran on {}", to_string(key.job),
                       machine, actors::run_key(run.first, run.second), state.machine));
}

void Checker::run_ended(const std::string&, const JobKey& key, uint32_t phase,
                        const process::RunStatus& status) {
  auto& run = runs_[{key, phase}];
  run.running = false;
  auto bad = status.first_failed >= 0 ? static_cast<size_t>(status.first_failed) : 0;
  const auto& exit = status.exits.at(bad);
  run.good = !status.error && exit.code == 0 && exit.signal == 0;
  run.whole = run.good && !status.stopped;
  run.code = exit.signal != 0 ? 128 + exit.signal : exit.code;
}

/// After a restart of the head a job that has ended may be adopted beside what got its place: its
/// node tells of the end behind its metrics.
void Checker::books(const std::vector<api::NodeView>& nodes) {
  if (world_.now() < adopting_until_) return;
  for (const auto& node : nodes)
    if (node.cpus_used > node.cpus || node.mem_used > node.mem || node.gpus_used > node.gpus)
      fail(fmt::format("the scheduler has given out {} cpus, {} bytes, {} gpus of {}",
                       node.cpus_used, node.mem_used, node.gpus_used, node.name));
}

bool Checker::all_ended() const {
  auto ended = [](const auto& entry) { return is_terminal(entry.second.state); };
  return std::all_of(experiments_.begin(), experiments_.end(), ended) &&
         std::all_of(sets_.begin(), sets_.end(), ended);
}

void Checker::finished(const storage::Ledger& ledger, const storage::SeriesStore& series) {
  for (const auto& promised : promised_) check_promise(promised, ledger);
  for (const auto& [id, record] : experiments_) {
    if (!is_terminal(record.state))
      fail(
          fmt::format("{} is still {}: {}", to_string(id), to_string(record.state), record.reason));
    if (record.state == State::finished) check_points(record, series);
  }
  for (const auto& [top, set] : sets_)
    if (!is_terminal(set.state))
      fail(fmt::format("set {} is still {}: {}", top, to_string(set.state), set.reason));
  for (auto id : to_be_killed_) {
    auto state =
        id.is_member() || !sets_.contains(id.top) ? experiments_[id].state : sets_[id.top].state;
    if (state != State::killed)
      fail(fmt::format("{} was to be killed; it is {}", to_string(id), to_string(state)));
  }
  for (const auto& [run, state] : runs_)
    if (state.running)
      fail(fmt::format("{} still runs on {}", actors::run_key(run.first, run.second),
                       state.machine));
  check_events(ledger);
}

void Checker::check_events(const storage::Ledger& ledger) {
  uint64_t after = 0;
  while (true) {
    auto events = ledger.events(after, 1000);
    if (!events || events->empty()) break;
    for (const auto& event : *events)
      if (event.number != ++after) return fail(fmt::format("event {} is missing", after));
  }
  if (after != last_event_) fail(fmt::format("{} events of {}", after, last_event_));
}

}  // namespace troupe::sim
