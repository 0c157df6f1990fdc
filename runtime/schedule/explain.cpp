// Words for the scheduler's decisions: why something can never start, why it waits, what would
// start it now.
#include "runtime/core/units.hpp"
#include "runtime/schedule/scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace troupe::schedule {
namespace {

Amount whole(const Node& node) {
  return {node.spec.milli_cpus, node.spec.mem, node.spec.gpus};
}

std::string node_text(const Node& node) {
  auto text = fmt::format("node {} with {}", node.spec.name, to_text(whole(node)));
  if (node.spec.gpus != 0 && !node.spec.gpu_type.empty()) text += " of type " + node.spec.gpu_type;
  return text;
}

/// By GPUs where some are asked for, then by CPUs and memory.
const Node& largest(const std::vector<Node>& nodes, const Request& request) {
  return *std::max_element(nodes.begin(), nodes.end(), [&](const Node& a, const Node& b) {
    auto key = [&](const Node& node) {
      bool typed = node.has_type(request.gpu_type, request.amount.gpus);
      auto gpus = request.amount.gpus != 0 ? node.spec.gpus : 0;
      return std::make_tuple(typed, gpus, node.spec.milli_cpus, node.spec.mem);
    };
    return key(a) < key(b);
  });
}

std::string needs_text(const Request& request) {
  auto text = to_text(request.amount);
  if (request.amount.gpus != 0 && !request.gpu_type.empty()) text += " of type " + request.gpu_type;
  return text;
}

std::string count_text(size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

/// One resource of an Amount, for reasons about each.
struct Kind {
  std::string_view unit;
  uint64_t (*of)(const Amount&);
  void (*set)(Amount&, uint64_t);
  std::string (*text)(uint64_t);
};
const Kind kinds[] = {
    {"cpus", [](const Amount& a) { return static_cast<uint64_t>(a.milli_cpus); },
     [](Amount& a, uint64_t n) { a.milli_cpus = static_cast<int64_t>(n); },
     [](uint64_t n) { return cpus_text(static_cast<int64_t>(n)); }},
    {"mem", [](const Amount& a) { return a.mem; }, [](Amount& a, uint64_t n) { a.mem = n; },
     [](uint64_t n) { return bytes_text(n); }},
    {"gpus", [](const Amount& a) -> uint64_t { return a.gpus; },
     [](Amount& a, uint64_t n) { a.gpus = static_cast<uint32_t>(n); },
     [](uint64_t n) { return fmt::to_string(n); }},
};

bool usable(const Node& node, const Request& request) {
  return node.spec.accepts && node.has_type(request.gpu_type, request.amount.gpus);
}

/// "needs 4 cpus, the most free on a node is 1.5 of 4 (node n0)"; empty where a node has enough.
std::string shortage(const std::vector<Node>& nodes, const Request& request, const Kind& kind) {
  const Node* best = nullptr;
  uint64_t most = 0;
  for (const auto& node : nodes) {
    if (!usable(node, request)) continue;
    auto free = kind.of(node.free());
    if (best == nullptr || free > most) best = &node, most = free;
  }
  auto need = kind.of(request.amount);
  if (best == nullptr || most >= need) return {};
  return fmt::format("needs {} {}, the most free on a node is {} of {} (node {})", kind.text(need),
                     kind.unit, kind.text(most), kind.text(kind.of(whole(*best))), best->spec.name);
}

/// Drained nodes, or none with the GPUs asked for. Empty where some node may be used.
std::vector<std::string> no_usable_node(const std::vector<Node>& nodes, const Request& request) {
  std::vector<std::string> reasons;
  auto drained = static_cast<size_t>(std::count_if(
      nodes.begin(), nodes.end(), [](const Node& node) { return !node.spec.accepts; }));
  bool some = std::any_of(nodes.begin(), nodes.end(),
                          [&](const Node& node) { return usable(node, request); });
  if (drained != 0)
    reasons.push_back(fmt::format("{} of {} accept{} no new jobs (drained)", drained,
                                  count_text(nodes.size(), "node"), drained == 1 ? "s" : ""));
  if (!some && drained < nodes.size())
    reasons.push_back(
        fmt::format("needs gpus of type {}, no node that accepts jobs has them", request.gpu_type));
  return reasons;
}

}  // namespace

Result<void> Scheduler::check(const Request& request) const {
  if (nodes_.all().empty()) return ok();
  auto slots_known = nodes_.slots_empty(request, false, request.workers_min);
  if (slots_known >= request.workers_min) return ok();
  const auto& node = largest(nodes_.all(), request);
  if (slots_known == 0)
    return Error{Errc::invalid, "no node can ever run this",
                 fmt::format("each worker needs {}; the largest node is {}", needs_text(request),
                             node_text(node)),
                 "ask for less, or add a larger node"};
  return Error{
      Errc::invalid, "the nodes can never run this",
      fmt::format("needs {} workers at once, each with {}; the {} hold {}, the largest is {}",
                  request.workers_min, needs_text(request), count_text(nodes_.all().size(), "node"),
                  slots_known, node_text(node)),
      "ask for fewer or smaller workers, or add nodes"};
}

Explanation Scheduler::why(ExperimentId id) const {
  Explanation out;
  auto request = queue_.find(id);
  if (!request) {
    out.reasons.push_back(held_.contains(id) ? "it has its resources" : "it is not in the queue");
    return out;
  }
  out.waiting = true;
  if (nodes_.all().empty())
    out.reasons.emplace_back("no node has joined");
  else
    explain_room(*request, out);
  explain_line(*request, out);
  return out;
}

void Scheduler::explain_room(const Request& request, Explanation& out) const {
  const auto& nodes = nodes_.all();
  auto now = nodes_.slots_free(request, request.workers_min);
  if (now >= request.workers_min) return;
  if (auto bad = check(request); !bad)
    out.reasons.push_back(bad.error().what + ": " + bad.error().detail);
  for (auto& reason : no_usable_node(nodes, request)) out.reasons.push_back(std::move(reason));
  auto before = out.reasons.size();
  for (const auto& kind : kinds)
    if (auto reason = shortage(nodes, request, kind); !reason.empty())
      out.reasons.push_back(std::move(reason));
  bool some = std::any_of(nodes.begin(), nodes.end(),
                          [&](const Node& node) { return usable(node, request); });
  if (now == 0 && out.reasons.size() == before && some)
    out.reasons.push_back(fmt::format("no single node has {} free together", needs_text(request)));
  if (request.workers_min > 1)
    out.reasons.push_back(fmt::format("needs {} workers at once, there is room for {} now",
                                      request.workers_min, now));
}

void Scheduler::explain_line(const Request& request, Explanation& out) const {
  auto count = queue_.ahead(request.id);
  if (count == 0) {
    if (!out.reasons.empty()) out.starts_now_with = smaller_that_fits(request);
    return;
  }
  constexpr size_t shown = 3;
  std::string ids;
  for (auto id : queue_.first_ahead(request.id, shown))
    ids += (ids.empty() ? "" : ", ") + to_string(id);
  out.reasons.push_back(
      fmt::format("{} ahead of it in the queue: {}{}", count, ids, count > shown ? ", ..." : ""));
  if (nodes_.slots_free(request, request.workers_min) < request.workers_min) return;
  constexpr int32_t priority_max = 100;
  auto head = queue_.head();
  if (head && head->request.priority < priority_max)
    out.starts_now_with = fmt::format("with priority {}: now", head->request.priority + 1);
}

/// The largest request that differs in one number only and would start now.
std::string Scheduler::smaller_that_fits(const Request& request) const {
  auto now = nodes_.slots_free(request, request.workers_min);
  if (request.workers_min > 1 && now > 0)
    return fmt::format("with {}: now", count_text(now, "worker"));
  for (const auto& kind : kinds) {
    auto need = kind.of(request.amount);
    uint64_t most = 0;
    for (const auto& node : nodes_.all()) {
      if (!usable(node, request)) continue;
      auto rest = request.amount;
      kind.set(rest, 0);
      auto free = node.free();
      if (slots(free, rest) > 0) most = std::max(most, std::min(need, kind.of(free)));
    }
    auto smaller = request;
    kind.set(smaller.amount, most);
    if (most > 0 && most < need &&
        nodes_.slots_free(smaller, smaller.workers_min) >= smaller.workers_min)
      return fmt::format("with {} {}: now", kind.text(most), kind.unit);
  }
  return {};
}

}  // namespace troupe::schedule
