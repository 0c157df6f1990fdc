#include "runtime/simulate/simulation.hpp"

#include "runtime/schedule/scheduler.hpp"

#include <algorithm>
#include <cmath>
#include <queue>

namespace troupe::simulate {
namespace {

double hours(Time time) {
  return static_cast<double>(time.count()) / 3'600'000.0;
}

Spread spread_of(std::vector<double> values) {
  Spread spread;
  if (values.empty()) return spread;
  std::sort(values.begin(), values.end());
  for (auto value : values) spread.mean += value;
  spread.mean /= static_cast<double>(values.size());
  auto at = [&](double part) {
    return values[static_cast<size_t>(part * static_cast<double>(values.size() - 1))];
  };
  spread.p50 = at(0.5), spread.p90 = at(0.9), spread.p99 = at(0.99), spread.max = values.back();
  return spread;
}

/// Means over pieces of time whose number stays bounded: where there are too many, each two become
/// one.
class Samples {
 public:
  void hold(double gpus, double cpus, double waiting, Time from, Time to) {
    while (from < to) {
      auto index = static_cast<size_t>(from / every_);
      if (index >= pieces_max) {
        halve();
        continue;
      }
      if (index >= sums_.size()) sums_.resize(index + 1);
      auto end = std::min(to, every_ * static_cast<int64_t>(index + 1));
      auto span = static_cast<double>((end - from).count());
      sums_[index].gpus += gpus * span;
      sums_[index].cpus += cpus * span;
      sums_[index].waiting += waiting * span;
      from = end;
    }
  }
  Time every() const { return every_; }
  std::vector<Sample> take(Time end) {
    for (size_t i = 0; i < sums_.size(); ++i) {
      auto begin = every_ * static_cast<int64_t>(i);
      auto span = static_cast<double>(std::min(every_, end - begin).count());
      if (span <= 0) continue;
      sums_[i].gpus /= span, sums_[i].cpus /= span, sums_[i].waiting /= span;
    }
    return std::move(sums_);
  }

 private:
  static constexpr size_t pieces_max = 800;  // about what a chart can show

  void halve() {
    for (size_t i = 0; i < pieces_max / 2; ++i) {
      auto& a = sums_[2 * i];
      const auto& b = sums_[2 * i + 1];
      sums_[i] = {a.gpus + b.gpus, a.cpus + b.cpus, a.waiting + b.waiting};
    }
    sums_.resize(pieces_max / 2);
    every_ *= 2;
  }

  Time every_{1000};
  std::vector<Sample> sums_;
};

class Run {
 public:
  Run(const Workload& workload, const Options& options)
      : workload_{workload}, options_{options}, scheduler_{options.policy} {}

  Report go();

 private:
  enum class What { end, stopped, arrival, wake };
  struct Event {
    Time at;
    What what;
    uint64_t number;  // order of events of one time
    size_t task;
    uint32_t attempt;
    bool operator>(const Event& other) const {
      return std::tie(at, what, number) > std::tie(other.at, other.what, other.number);
    }
  };
  struct State {
    Time left{0};
    Time since{0};  // runs or waits since
    uint32_t attempt = 0;
    bool running = false;
    size_t workers = 0;
  };

  static size_t task_of(ExperimentId id) { return id.top - 1; }
  void post(Time at, What what, size_t task = 0) {
    events_.push({at, what, ++number_, task,
                  what == What::arrival || what == What::wake ? 0 : states_[task].attempt});
  }
  void arrive(size_t task);
  void enqueue(size_t task);
  void end(size_t task);
  void stopped(size_t task);
  void decide();
  void begin(const schedule::Placement& placement);
  void use(size_t task, double sign);
  void account(Time to);
  Report report();

  const Workload& workload_;
  const Options& options_;
  schedule::Scheduler scheduler_;
  std::vector<State> states_;
  std::vector<Outcome> outcomes_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  uint64_t number_ = 0, decisions_ = 0, stops_ = 0;
  Time now_{0}, wake_{-1}, last_arrival_{0};
  double gpus_ = 0, cpus_ = 0;          // held
  double gpu_time_ = 0, cpu_time_ = 0;  // to the last submission
  Samples samples_;
};

void Run::arrive(size_t task) {
  states_[task].left = workload_.tasks[task].run;
  states_[task].since = now_;
  enqueue(task);
  if (task + 1 < workload_.tasks.size())
    post(workload_.tasks[task + 1].at, What::arrival, task + 1);
}

void Run::enqueue(size_t task) {
  auto request = workload_.tasks[task].request;
  request.id = {task + 1, 0};
  if (!scheduler_.check(request)) return;  // counts as never started
  if (!scheduler_.enqueue(request)) return;
}

void Run::use(size_t task, double sign) {
  const auto& amount = workload_.tasks[task].request.amount;
  auto workers = static_cast<double>(states_[task].workers) * sign;
  gpus_ += workers * amount.gpus * amount.gpu_share / schedule::whole_gpu;
  cpus_ += workers * static_cast<double>(amount.milli_cpus) / 1000;
}

void Run::begin(const schedule::Placement& placement) {
  auto task = task_of(placement.id);
  auto& state = states_[task];
  auto& outcome = outcomes_[task];
  outcome.longest_stall = std::max(outcome.longest_stall, now_ - state.since);
  if (outcome.first_start < Time{0})
    outcome.first_start = now_;
  else
    state.left += options_.restart_cost;
  state.running = true;
  state.since = now_;
  state.workers = placement.jobs.size();
  ++state.attempt;
  use(task, 1);
  auto limit = workload_.tasks[task].request.limit;
  post(now_ + (limit > Time{0} ? std::min(limit, state.left) : state.left), What::end, task);
}

void Run::end(size_t task) {
  auto& state = states_[task];
  outcomes_[task].end = now_;
  outcomes_[task].cut = now_ - state.since < state.left;
  use(task, -1);
  state.running = false;
  ++state.attempt;
  scheduler_.release_all({task + 1, 0});
}

void Run::stopped(size_t task) {
  auto& state = states_[task];
  use(task, -1);
  // What was done in the grace is not counted: it is spent on saving.
  state.left -= std::min(state.left, std::max(Time{0}, now_ - options_.grace - state.since));
  state.running = false;
  state.since = now_;
  ++state.attempt;
  ++outcomes_[task].stops;
  ++stops_;
  scheduler_.release_all({task + 1, 0});
  enqueue(task);
}

void Run::decide() {
  for (bool again = true; again;) {
    again = false;
    ++decisions_;
    auto decision = scheduler_.decide();
    for (const auto& placement : decision.starts) begin(placement);
    for (const auto& preemption : decision.preemptions) {
      auto task = task_of(preemption.id);
      if (options_.grace > Time{0}) {
        post(now_ + options_.grace, What::stopped, task);
        continue;
      }
      stopped(task);
      again = true;
    }
    if (again || !decision.wake || (wake_ > now_ && wake_ <= *decision.wake)) continue;
    wake_ = std::max(*decision.wake, now_ + Time{1});
    post(wake_, What::wake);
  }
}

void Run::account(Time to) {
  if (to <= now_) return;
  auto waiting = static_cast<double>(scheduler_.waiting());
  samples_.hold(gpus_, cpus_, waiting, now_, to);
  if (auto end = std::min(to, last_arrival_); end > now_) {
    gpu_time_ += gpus_ * static_cast<double>((end - now_).count());
    cpu_time_ += cpus_ * static_cast<double>((end - now_).count());
  }
  now_ = to;
  scheduler_.set_time(now_);
}

Report Run::go() {
  for (const auto& node : workload_.nodes) scheduler_.put_node(node);
  for (const auto& task : workload_.tasks) scheduler_.expect(task.request);
  states_.resize(workload_.tasks.size());
  outcomes_.resize(workload_.tasks.size());
  if (!workload_.tasks.empty()) {
    last_arrival_ = workload_.tasks.back().at;
    post(workload_.tasks.front().at, What::arrival, 0);
  }
  while (!events_.empty()) {
    account(events_.top().at);
    // All that happens at one time is known before it is decided upon.
    while (!events_.empty() && events_.top().at == now_) {
      auto event = events_.top();
      events_.pop();
      if (event.what == What::arrival)
        arrive(event.task);
      else if (event.what != What::wake && event.attempt == states_[event.task].attempt)
        event.what == What::end ? end(event.task) : stopped(event.task);
    }
    decide();
  }
  return report();
}

Report Run::report() {
  Report out;
  for (const auto& node : workload_.nodes)
    out.gpus += node.gpus, out.cpus += static_cast<double>(node.milli_cpus) / 1000;
  std::vector<double> completions, waits, stalls;
  for (size_t i = 0; i < outcomes_.size(); ++i) {
    const auto& outcome = outcomes_[i];
    auto at = workload_.tasks[i].at;
    if (outcome.first_start < Time{0}) {
      ++out.never_started;
      continue;
    }
    waits.push_back(hours(outcome.first_start - at));
    stalls.push_back(hours(outcome.longest_stall));
    if (outcome.end < Time{0}) continue;
    ++(outcome.cut ? out.cut : out.finished);
    completions.push_back(hours(outcome.end - at));
  }
  out.completion = spread_of(std::move(completions));
  out.first_wait = spread_of(std::move(waits));
  out.stall = spread_of(std::move(stalls));
  out.stops = stops_;
  out.decisions = decisions_;
  Time last{0};
  for (const auto& outcome : outcomes_) last = std::max(last, outcome.end);
  out.makespan_hours = hours(last);
  auto span = static_cast<double>(last_arrival_.count());
  if (span > 0 && out.gpus > 0) out.gpu_use = gpu_time_ / (out.gpus * span);
  if (span > 0 && out.cpus > 0) out.cpu_use = cpu_time_ / (out.cpus * span);
  out.samples = samples_.take(now_);
  out.sample_every = samples_.every();
  out.outcomes = std::move(outcomes_);
  return out;
}

}  // namespace

Report run(const Workload& workload, const Options& options) {
  return Run{workload, options}.go();
}

}  // namespace troupe::simulate
