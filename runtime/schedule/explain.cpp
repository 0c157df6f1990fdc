// Words for the scheduler's decisions: why something can never start, why it waits, what would
// start it now.
#include "runtime/core/units.hpp"
#include "runtime/schedule/scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <tuple>

namespace troupe::schedule {
namespace {

Amount whole(const Node& node) {
  return {node.spec.milli_cpus, node.spec.mem, node.spec.gpus};
}

/// " of type H100 with 80 GiB each": what is known or asked for.
std::string kind_text(const std::string& gpu_type, uint64_t gpu_mem, std::string_view with) {
  std::string text;
  if (!gpu_type.empty()) text += " of type " + gpu_type;
  if (gpu_mem != 0) text += fmt::format(" {} {} each", with, bytes_text(gpu_mem));
  return text;
}

std::string node_text(const Node& node) {
  auto text = fmt::format("node {} with {}", node.spec.name, to_text(whole(node)));
  if (node.spec.gpus != 0) text += kind_text(node.spec.gpu_type, node.spec.gpu_mem, "with");
  return text;
}

/// By GPUs where some are asked for, then by CPUs and memory.
const Node& largest(const std::vector<Node>& nodes, const Request& request) {
  return *std::max_element(nodes.begin(), nodes.end(), [&](const Node& a, const Node& b) {
    auto key = [&](const Node& node) {
      bool typed = node.has_gpus_for(request) && node.has_labels(request.labels);
      auto gpus = request.amount.gpus != 0 ? node.spec.gpus : 0;
      return std::make_tuple(typed, gpus, node.spec.milli_cpus, node.spec.mem);
    };
    return key(a) < key(b);
  });
}

std::string needs_text(const Request& request) {
  auto text = to_text(request.amount);
  if (request.amount.gpus != 0)
    text += kind_text(request.gpu_type, request.gpu_mem, "with at least");
  for (const auto& [name, value] : request.labels)
    text += fmt::format(", label {}={}", name, value);
  return text;
}

std::string count_text(size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

/// "1 ps with 4 cpus; 2 worker with 2 cpus, 1 gpu each".
std::string groups_text(const Request& request) {
  std::string text;
  for (const auto& group : request.groups)
    text += fmt::format("{}{} {} with {}{}", text.empty() ? "" : "; ", group.count, group.role,
                        needs_text(request.part(group)), group.count == 1 ? "" : " each");
  return text;
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

std::string part_text(uint32_t share) {
  return fmt::format("{}", static_cast<double>(share) / whole_gpu);
}

/// Of one device; empty where one has the part that is asked for.
std::string part_shortage(const std::vector<Node>& nodes, const Request& request) {
  uint32_t most = 0;
  const Node* best = nullptr;
  for (const auto& node : nodes) {
    if (!node.usable(request)) continue;
    for (uint32_t i = 0; i < node.spec.gpus; ++i) {
      if (!node.lends(i)) continue;
      auto free = whole_gpu - std::min(whole_gpu, node.gpu_used[i]);
      if (best == nullptr || free > most) best = &node, most = free;
    }
  }
  if (best == nullptr || most >= request.amount.gpu_share) return {};
  return fmt::format("needs {} of a gpu, the most free of one is {} (node {})",
                     part_text(request.amount.gpu_share), part_text(most), best->spec.name);
}

/// "needs 4 cpus, the most free on a node is 1.5 of 4 (node n0)"; empty where a node has enough.
std::string shortage(const std::vector<Node>& nodes, const Request& request, const Kind& kind) {
  if (request.amount.shares() && kind.unit == "gpus") return part_shortage(nodes, request);
  const Node* best = nullptr;
  uint64_t most = 0;
  for (const auto& node : nodes) {
    if (!node.usable(request)) continue;
    auto free = kind.of(node.free());
    if (best == nullptr || free > most) best = &node, most = free;
  }
  auto need = kind.of(request.amount);
  if (best == nullptr || most >= need) return {};
  auto closed = kind.unit == "gpus" && !best->spec.gpus_closed.empty()
                    ? fmt::format(", where {} cannot be used: troupe node show {}",
                                  best->spec.gpus_closed.size(), best->spec.name)
                    : std::string{};
  return fmt::format("needs {} {}, the most free on a node is {} of {} (node {}{})",
                     kind.text(need), kind.unit, kind.text(most), kind.text(kind.of(whole(*best))),
                     best->spec.name, closed);
}

/// Drained nodes, or none with the GPUs asked for. Empty where some node may be used.
std::vector<std::string> no_usable_node(const std::vector<Node>& nodes, const Request& request) {
  std::vector<std::string> reasons;
  auto drained = static_cast<size_t>(std::count_if(
      nodes.begin(), nodes.end(), [](const Node& node) { return !node.spec.accepts; }));
  bool some = std::any_of(nodes.begin(), nodes.end(),
                          [&](const Node& node) { return node.usable(request); });
  if (drained != 0)
    reasons.push_back(fmt::format("{} of {} accept{} no new jobs (drained)", drained,
                                  count_text(nodes.size(), "node"), drained == 1 ? "s" : ""));
  if (some || drained == nodes.size()) return reasons;
  auto has = [&](auto test) {
    return std::any_of(nodes.begin(), nodes.end(),
                       [&](const Node& node) { return node.spec.accepts && test(node); });
  };
  if (!has([&](const Node& node) { return node.has_gpus_for(request); }))
    reasons.push_back(fmt::format("needs gpus{}, no node that accepts jobs has them",
                                  kind_text(request.gpu_type, request.gpu_mem, "with at least")));
  for (const auto& [name, value] : request.labels)
    if (!has([&](const Node& node) { return node.has_labels({{name, value}}); }))
      reasons.push_back(
          fmt::format("needs label {}={}, no node that accepts jobs has it", name, value));
  if (reasons.size() == (drained != 0 ? 1 : 0))
    reasons.emplace_back("no node that accepts jobs has its kind of gpus and its labels together");
  return reasons;
}

}  // namespace

Result<void> Scheduler::check(const Request& request) const {
  if (nodes_.all().empty()) return ok();
  if (request.groups.empty()) return check_alike(request, "worker");
  for (const auto& group : request.groups) TROUPE_TRY(check_alike(request.part(group), group.role));
  if (nodes_.fits_empty(request, false)) return ok();
  return Error{
      Errc::invalid, "the nodes can never run this",
      fmt::format("each role would fit by itself, all together do not: {}", groups_text(request)),
      "ask for fewer or smaller workers, or add nodes"};
}

/// Workers that all need the same, called by that name.
Result<void> Scheduler::check_alike(const Request& request, std::string_view name) const {
  auto slots_known = nodes_.slots_empty(request, false, request.workers_min);
  if (slots_known >= request.workers_min) return ok();
  const auto& node = largest(nodes_.all(), request);
  if (slots_known == 0)
    return Error{Errc::invalid, "no node can ever run this",
                 fmt::format("each {} needs {}; the largest node is {}", name, needs_text(request),
                             node_text(node)),
                 "ask for less, or add a larger node"};
  return Error{Errc::invalid, "the nodes can never run this",
               fmt::format("needs {} at once, each with {}; the {} hold {}, the largest is {}",
                           count_text(request.workers_min, name), needs_text(request),
                           count_text(nodes_.all().size(), "node"), slots_known, node_text(node)),
               "ask for fewer or smaller workers, or add nodes"};
}

Explanation Scheduler::why(ExperimentId id) const {
  Explanation out;
  if (auto promised = promises_.find(id); promised != promises_.end()) {
    out.waiting = true;
    std::string ids;
    for (auto awaited : promised->second.awaited)
      ids += (ids.empty() ? "" : ", ") + to_string(awaited);
    out.reasons.push_back(fmt::format("it starts when {} stopped to make room for it",
                                      ids.empty() ? "those before it have" : ids + " has"));
    out.expected_start = now_;
    explain_data(promised->second.request, out);
    return out;
  }
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
  explain_ranges(*request, out);
  explain_data(*request, out);
  if (!out.reasons.empty() && possible(*request)) explain_time(*request, out);
  return out;
}

void Scheduler::explain_room(const Request& request, Explanation& out) const {
  if (nodes_.fits_now(request)) return;
  if (auto bad = check(request); !bad)
    out.reasons.push_back(bad.error().what + ": " + bad.error().detail);
  for (auto& reason : shortages(request)) out.reasons.push_back(std::move(reason));
  auto before = out.reasons.size();
  for (const auto& group : request.groups)
    for (const auto& reason : shortages(request.part(group))) {
      auto text =
          fmt::format("{}{} {}", group.role, reason.starts_with("needs ") ? "" : ":", reason);
      out.reasons.push_back(std::move(text));
    }
  if (!request.groups.empty() && out.reasons.size() == before)
    out.reasons.push_back("there is room for each role by itself, not for all together: " +
                          groups_text(request));
}

/// What workers that all need the same lack.
std::vector<std::string> Scheduler::shortages(const Request& request) const {
  const auto& nodes = nodes_.all();
  auto now = nodes_.slots_free(request, request.workers_min);
  if (now >= request.workers_min || !request.groups.empty()) return {};
  auto reasons = no_usable_node(nodes, request);
  auto before = reasons.size();
  for (const auto& kind : kinds)
    if (auto reason = shortage(nodes, request, kind); !reason.empty())
      reasons.push_back(std::move(reason));
  bool some = std::any_of(nodes.begin(), nodes.end(),
                          [&](const Node& node) { return node.usable(request); });
  if (now == 0 && reasons.size() == before && some)
    reasons.push_back(fmt::format("no single node has {} free together", needs_text(request)));
  if (request.workers_min > 1)
    reasons.push_back(fmt::format("needs {} workers at once, there is room for {} now",
                                  request.workers_min, now));
  return reasons;
}

void Scheduler::explain_line(const Request& request, Explanation& out) const {
  auto count = queue_.ahead(request.id);
  bool room = nodes_.fits_now(request);
  if (count != 0) {
    constexpr size_t shown = 3;
    std::string ids;
    for (auto id : queue_.first_ahead(request.id, shown))
      ids += (ids.empty() ? "" : ", ") + to_string(id);
    // Where whatever fits may start, those ahead of it are no reason by themselves.
    if (policy_.passing != Policy::Passing::any || !room)
      out.reasons.push_back(fmt::format("{} ahead of it in the queue: {}{}", count, ids,
                                        count > shown ? ", ..." : ""));
  }
  if (out.reasons.empty()) return;
  const auto& rank = *queue_.rank_of(request.id);
  if (rank.share > 0)
    out.reasons.push_back(
        fmt::format("project {} or user {} has used more than a fair share lately",
                    request.project.empty() ? "-" : request.project,
                    request.user.empty() ? "-" : request.user));
  if (rank.level > 0)
    out.reasons.push_back(
        fmt::format("it has received {:.1f} GPU-hours; those that received less go first",
                    static_cast<double>(service(request.id)) / static_cast<double>(gpu_hour)));
  if (!room) {
    if (count == 0 || policy_.passing == Policy::Passing::any)
      out.starts_now_with = smaller_that_fits(request);
    return;
  }
  constexpr int32_t priority_max = 100;
  const auto* first = queue_.first_line();
  if (first != nullptr && first->shape->priority < priority_max)
    out.starts_now_with = fmt::format("with priority {}: now", first->shape->priority + 1);
}

/// The line as it stands, each in turn taking the room that limits and slices say will come. What
/// comes later and goes before it is not known, nor what ends early.
void Scheduler::explain_time(const Request& request, Explanation& out) const {
  if (queue_.ahead(request.id) != 0 && policy_.passing != Policy::Passing::any) {
    // Each of those ahead must start first: one whose time is not known hides all behind it.
    constexpr size_t looked_max = 16;
    auto ahead = queue_.first_ahead(request.id, looked_max + 1);
    if (ahead.size() > looked_max) return;
    auto all = request;
    for (auto id : ahead) {
      auto one = queue_.find(id);
      if (!one || one->amount != request.amount || one->gpu_type != request.gpu_type ||
          one->gpu_mem != request.gpu_mem || one->labels != request.labels ||
          one->groups != request.groups)
        return;
      all.workers_min += one->workers_min;
      for (size_t i = 0; i < all.groups.size(); ++i) all.groups[i].count += one->groups[i].count;
    }
    // Exact where those ahead are of its own kind: they start no later than room for all is there.
    if (auto found = reserve(all, *queue_.rank_of(request.id))) out.expected_start = found->at;
    return;
  }
  if (auto found = reserve(request, *queue_.rank_of(request.id))) out.expected_start = found->at;
}

/// The largest request that differs in one number only and would start now.
std::string Scheduler::smaller_that_fits(const Request& request) const {
  if (!request.groups.empty()) return smaller_group_that_fits(request);
  auto now = nodes_.slots_free(request, request.workers_min);
  if (request.workers_min > 1 && now > 0)
    return fmt::format("with {}: now", count_text(now, "worker"));
  for (const auto& kind : kinds) {
    auto need = kind.of(request.amount);
    uint64_t most = 0;
    for (const auto& node : nodes_.all()) {
      if (!node.usable(request)) continue;
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

/// The same of a gang whose workers need different things: fewer of one role, or less for each.
std::string Scheduler::smaller_group_that_fits(const Request& request) const {
  /// The most below `need` with which all would fit; 0 where nothing helps.
  auto most = [&](uint64_t need, const std::function<void(Request&, uint64_t)>& set) {
    uint64_t least = 0;
    for (auto above = need; above - least > 1;) {
      auto middle = least + (above - least) / 2;
      auto smaller = request;
      set(smaller, middle);
      (nodes_.fits_now(smaller) ? least : above) = middle;
    }
    return least;
  };
  for (size_t i = request.groups.size(); i-- > 0;) {
    const auto& group = request.groups[i];
    auto count = most(group.count, [&](Request& smaller, uint64_t n) {
      smaller.groups[i].count = static_cast<uint32_t>(n);
      smaller.workers_min -= group.count - static_cast<uint32_t>(n);
    });
    if (count > 0) return fmt::format("with {} {}: now", count, group.role);
  }
  for (const auto& kind : kinds)
    for (const auto& group : request.groups) {
      auto i = static_cast<size_t>(&group - request.groups.data());
      // In steps that people would ask for.
      uint64_t step = kind.unit == "cpus" ? 500 : kind.unit == "mem" ? 64u << 20 : 1;
      auto steps =
          most((kind.of(group.amount) + step - 1) / step,
               [&](Request& smaller, uint64_t n) { kind.set(smaller.groups[i].amount, n * step); });
      if (steps > 0)
        return fmt::format("with {} {} for {}: now", kind.text(steps * step), kind.unit,
                           group.role);
    }
  return {};
}

}  // namespace troupe::schedule
