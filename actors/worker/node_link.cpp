// How a node finds its head again after the link between them was cut: it says hello with all its
// jobs, and when the head has said what it still wants, each of them tells everything once more.
#include "actors/worker/node.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

constexpr auto hello_again_after = std::chrono::milliseconds{500};

/// An end counts when it is told after the metrics before it; until then the job is under way.
JobUpdate without_end(const JobUpdate& update) {
  if (update.step != JobStep::ended) return update;
  JobUpdate open;
  open.key = update.key;
  open.attempt = update.attempt;
  open.step = update.started_us != 0 ? JobStep::running : JobStep::preparing;
  open.phase = update.phase;
  open.time_us = update.time_us;
  open.started_us = update.started_us;
  open.gpus = update.gpus;
  open.first_port = update.first_port;
  return open;
}

}  // namespace

NodeHello NodeState::blank_hello() const {
  NodeHello hello;
  hello.name = context_->name;
  hello.version = context_->version;
  hello.epoch = epoch_;
  hello.milli_cpus = context_->milli_cpus;
  hello.mem = context_->mem;
  hello.gpus = context_->gpus;
  hello.gpu_type = context_->gpu_type;
  hello.gpu_mem = context_->gpu_mem;
  hello.labels = context_->labels;
  hello.address = context_->address;
  hello.time_us = context_->clock->now().us;
  hello.stuck = stuck_text();
  hello.devices = devices_;
  const auto& rules = context_->binding;
  if (!rules.model) return hello;
  hello.topology = json_text(topology::to_value(*rules.model));
  // In the head's order, by index.
  auto near = rules.model->gpu_nearness();
  std::vector<std::optional<uint32_t>> places(hello.gpus);
  for (const auto& [index, device] : rules.devices)
    if (index < hello.gpus) places[index] = rules.model->gpu_at(device.bus);
  if (hello.gpus > 1 && std::all_of(places.begin(), places.end(), [](auto at) { return bool{at}; }))
    for (auto a : places)
      for (auto b : places) hello.gpu_near.push_back(near[*a * rules.model->gpus.size() + *b]);
  return hello;
}

void NodeState::linked(const std::string& url) {
  head_url_ = url;
  if (joined_) return join_again();
  if (joining_) join();  // otherwise the launcher has not said yet what runs
}

void NodeState::join_again() {
  if (std::exchange(joining_again_, true)) return;
  auto hello = std::make_shared<NodeHello>(blank_hello());
  auto open = std::make_shared<size_t>(jobs_.size());
  if (jobs_.empty()) return say_hello_again(std::move(*hello));
  auto answered = [this, hello, open] {
    if (--*open == 0) say_hello_again(std::move(*hello));
  };
  for (const auto& [id, entry] : jobs_)
    self_->request(entry.actor, limits::request_timeout, status_atom_v)
        .then(
            [hello, answered, token = entry.token](const JobUpdate& update) {
              hello->jobs.push_back(without_end(update));
              hello->jobs.back().token = token;
              answered();
            },
            [answered](caf::error&) { answered(); });
}

void NodeState::say_hello_again(NodeHello hello) {
  self_
      ->request(context_->registry, limits::request_timeout, hello_atom_v, std::move(hello),
                static_cast<node_actor>(self_))
      .then(
          [this, asked = context_->clock->monotonic()](const NodeWelcome& welcome) {
            joining_again_ = false;
            welcomed(welcome, asked);
            report_all();
          },
          [this](caf::error& e) {
            joining_again_ = false;
            auto error = from_caf(e, "joining the head");
            // Without a link there is nothing to try: the next one comes with a message.
            if (error.code == Errc::unavailable) return;
            log::error("node", "{} could not join: {}", context_->name, to_string(error));
            self_->delayed_send(self_, hello_again_after, linked_atom_v, head_url_);
          });
}

}  // namespace troupe::actors
