#include "tests/sim/workload.hpp"

#include "tests/sim/jobs.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::sim {

namespace {

using namespace actors;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto answer_timeout = seconds{4};

}  // namespace

Workload::Workload(World& world, HeadMachine& head, Checker& checker,
                   std::vector<std::string> nodes, std::vector<MachineSize> sizes)
    : world_{world},
      head_{head},
      checker_{checker},
      random_{world.random().fork()},
      nodes_{std::move(nodes)},
      sizes_{std::move(sizes)} {}

void Workload::begin(Nanos span) {
  auto count = random_.between(6, 24);
  for (uint64_t i = 0; i < count; ++i)
    world_.after(random_.between(Nanos{0}, span), [this] { something(); });
}

void Workload::something() {
  if (winding_down_) return;
  auto dice = random_.below(100);
  if (dice < 60 || known_.empty()) return submit(draw(), "");
  const auto& [submission, id] = random_.pick(known_);
  if (dice < 72) return kill(id);
  if (dice < 78) return resend();
  if (dice < 84) {
    auto again = submission;
    again.key = fmt::format("key-{}", ++submitted_);
    again.experiment.name = fmt::format("work-{}", submitted_);
    return submit(std::move(again), to_string(id));
  }
  if (dice < 92) return drain(random_.pick(nodes_), true);
  if (!drained_.empty()) drain(random_.pick(drained_), false);
}

Submission Workload::draw() {
  Submission submission;
  auto& spec = submission.experiment;
  auto number = ++submitted_;
  submission.key = fmt::format("key-{}", number);
  spec.project = "demo";
  spec.name = fmt::format("work-{}", number);
  JobScript script;
  // From a blink to many seconds, short ones more often.
  script.run_ms = 20ull << random_.below(10);
  script.run_ms += random_.below(script.run_ms);
  spec.exclusive = random_.chance(0.25);
  // Longer than the patience with a node and the wait for a lease together.
  if (spec.exclusive && random_.chance(0.4)) script.run_ms = random_.between(30'000, 60'000);
  if (random_.chance(0.15)) script.code = 1;
  if (random_.chance(0.2)) script.bad_attempts = static_cast<uint32_t>(random_.between(1, 2));
  script.ignores_term = random_.chance(0.1);
  script.ends_well_on_term = random_.chance(0.2);
  if (random_.chance(0.6)) script.metrics = static_cast<uint32_t>(random_.below(8));
  if (random_.chance(0.2)) {
    JobScript setup;
    setup.run_ms = random_.between(1, 500);
    spec.setup.push_back({"", setup.to_argv()});
  }
  for (auto lines = random_.chance(0.25) ? random_.between(2, 3) : 1; lines > 1; --lines) {
    JobScript first;
    first.run_ms = random_.between(1, 3000);
    spec.run.push_back({"", first.to_argv()});
  }
  spec.run.push_back({"", script.to_argv()});
  shape(spec);
  if (random_.chance(0.15)) make_set(submission);
  return submission;
}

void Workload::shape(ExperimentSpec& spec) {
  // What fits nowhere is accepted while nodes are away, and would wait for ever.
  const auto& size = random_.pick(sizes_);
  spec.resources.cpus =
      static_cast<double>(random_.between(1, static_cast<uint64_t>(size.milli_cpus / 1000)));
  if (size.gpus > 0 && random_.chance(0.5))
    spec.resources.gpus = static_cast<uint32_t>(random_.between(1, size.gpus));
  if (random_.chance(0.3)) spec.resources.mem = random_.between(1, 6) << 30;
  if (nodes_.size() > 1 && random_.chance(0.35)) {
    spec.workers.min = spec.workers.max = static_cast<uint32_t>(random_.between(2, nodes_.size()));
    // As many as there are machines must fit, whatever their sizes.
    spec.resources.cpus = 1;
    spec.resources.gpus = std::min(spec.resources.gpus, 1u);
  }
  if (spec.workers.min > 1 && random_.chance(0.4)) {
    Resources less;
    less.cpus = 0.5;
    spec.roles = {{"chief", 1, {}, less}, {"worker", spec.workers.min - 1, {}}};
  }
  spec.workers.processes = static_cast<uint32_t>(random_.between(1, 3));
  spec.priority = random_.pick(std::vector<int32_t>{50, 50, 50, 10, 90});
  spec.retry.count = static_cast<uint32_t>(random_.below(3));
  spec.retry.backoff = milliseconds{random_.below(3000)};
  if (random_.chance(0.1)) spec.limits.running = seconds{random_.between(1, 10)};
  if (random_.chance(0.1)) spec.limits.pending = seconds{random_.between(1, 30)};
  if (!known_.empty() && random_.chance(0.12)) spec.after.push_back(random_.pick(known_).second);
}

void Workload::make_set(Submission& submission) {
  auto& spec = submission.experiment;
  spec.workers.min = spec.workers.max = 1;
  spec.roles.clear();
  spec.after.clear();
  Parameter parameter;
  parameter.name = "x";
  for (uint64_t value = random_.between(2, 8); value > 0; --value)
    parameter.choices.emplace_back(static_cast<int64_t>(value));
  spec.parameters = {parameter};
  SweepSpec sweep;
  sweep.strategy = "grid";
  sweep.seed = random_.below(1000);
  if (random_.chance(0.5)) sweep.concurrency = static_cast<uint32_t>(random_.between(1, 4));
  if (sweep.concurrency.value_or(0) > 1 && random_.chance(0.5)) sweep.concurrency_sure = 1;
  if (random_.chance(0.4)) sweep.metric = Metric{true, "m0"};
  if (random_.chance(0.2)) sweep.stop_when = "m0 > 1003";
  if (random_.chance(0.2)) sweep.max_failures = static_cast<uint32_t>(random_.below(3));
  sweep.kill_on_stop = random_.chance(0.5);
  submission.sweep = sweep;
}

void Workload::submit(Submission submission, std::string rerun_of) {
  auto wish = std::make_shared<Wish>();
  wish->counted = true;
  wish->lost_answers = 0.1;
  ++open_;
  world_.trace([&] { return "somebody submits " + submission.experiment.name; });
  wish->ask = [this, submission = std::move(submission), rerun_of = std::move(rerun_of)](
                  caf::event_based_actor* self, const WishPtr& each) {
    SubmitBatch batch{"ada", {submission}, {}};
    if (!rerun_of.empty()) batch.rerun_of.push_back(rerun_of);
    self->request(head_.cast().director, answer_timeout, submit_atom_v, share(std::move(batch)))
        .then(
            [this, submission, each](const SubmittedRef& answer) {
              const auto& result = answer->front();
              if (!result) {
                // It is refused for good, or the disk is full for a while.
                if (result.error().code == Errc::invalid || result.error().code == Errc::refused ||
                    result.error().code == Errc::not_found)
                  answered(each);
                return;
              }
              ++acknowledged_;
              checker_.submitted(submission, *result, head_.ledger());
              bool known = std::any_of(known_.begin(), known_.end(), [&](const auto& other) {
                return other.second == result->id;
              });
              if (!known) known_.emplace_back(submission, result->id);
              if (!random_.chance(each->lost_answers)) answered(each);
            },
            [](caf::error&) {});
  };
  pursue(wish);
}

void Workload::resend() {
  auto [submission, id] = random_.pick(known_);
  submit(submission, "");
}

void Workload::kill(ExperimentId id) {
  if (checker_.sets().contains(id.top) && random_.chance(0.4))
    id.member = static_cast<uint32_t>(random_.between(1, 3));
  ++kills_;
  world_.trace([&] { return "somebody kills " + to_string(id); });
  auto wish = std::make_shared<Wish>();
  wish->ask = [this, id](caf::event_based_actor* self, const WishPtr& each) {
    self->request(head_.cast().director, answer_timeout, kill_atom_v, std::string{"killed by ada"},
                  id)
        .then(
            [this, id, each](bool) {
              checker_.killed(id, head_.ledger());
              answered(each);
            },
            [](caf::error&) {});
  };
  pursue(wish);
}

void Workload::drain(const std::string& node, bool drained) {
  std::erase(drained_, node);
  if (drained) drained_.push_back(node);
  world_.trace([&] { return (drained ? "somebody drains " : "somebody resumes ") + node; });
  auto wish = std::make_shared<Wish>();
  wish->counted = !drained;
  if (wish->counted) ++open_;
  wish->ask = [this, node, drained](caf::event_based_actor* self, const WishPtr& each) {
    self->request(head_.cast().registry, answer_timeout, drain_atom_v, node, drained)
        .then([this, each](bool) { answered(each); }, [](caf::error&) {});
  };
  pursue(wish);
}

void Workload::wind_down() {
  winding_down_ = true;
  for (const auto& node : nodes_) drain(node, false);
}

void Workload::answered(const WishPtr& wish) {
  if (std::exchange(wish->done, true)) return;
  if (wish->counted) --open_;
}

/// Until it is answered.
void Workload::pursue(const WishPtr& wish) {
  // Of things that are not counted nobody waits for ever: a kill of what never was, for one.
  if (wish->done || (!wish->counted && (winding_down_ || wish->tries > 5))) return;
  ++wish->tries;
  if (head_.up()) head_.ask([wish](caf::event_based_actor* self) { wish->ask(self, wish); });
  auto pause = head_.up() ? Nanos{answer_timeout} : random_.between(milliseconds{50}, seconds{1});
  world_.after(pause, [this, wish] { pursue(wish); });
}

}  // namespace troupe::sim
