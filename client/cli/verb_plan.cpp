// `troupe node plan`: where jobs would go on a machine, which need not be there.
#include "client/cli/commands.hpp"
#include "client/cli/session.hpp"
#include "gpu/topology/read_topology.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/topology/drawing.hpp"
#include "runtime/topology/placement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fcntl.h>

namespace troupe::cli {

namespace {

using topology::JobPlacement;
using topology::Model;

constexpr uint64_t workers_max = 1024, cpus_max = 65'536, gpus_max = 1024, processes_max = 4096;

struct Plan {
  Model model;
  std::vector<JobPlacement> workers;
  topology::Numbers busy_cpus, busy_gpus;
};

Result<uint32_t> number(const Arguments& arguments, const char* name, uint64_t least, uint64_t most,
                        uint32_t otherwise) {
  auto given = arguments.number(name, least, most);
  if (!given) return std::move(given).error();
  return *given ? static_cast<uint32_t>(**given) : otherwise;
}

Result<Model> model_of(const Arguments& arguments) {
  auto file = arguments.get("topology");
  return file.empty() ? topology::read_this_machine() : topology::read_topology_file(file);
}

Result<Plan> make_plan(const Arguments& arguments) {
  auto workers = number(arguments, "workers", 1, workers_max, 1);
  auto cpus = number(arguments, "cpus", 1, cpus_max, 1);
  auto gpus = number(arguments, "gpus", 0, gpus_max, 0);
  if (!workers) return std::move(workers).error();
  if (!cpus) return std::move(cpus).error();
  if (!gpus) return std::move(gpus).error();
  auto processes = number(arguments, "processes", 1, processes_max, std::max(1u, *gpus));
  if (!processes) return std::move(processes).error();
  Plan plan;
  topology::Wanted wanted;
  wanted.cpus = *cpus, wanted.gpus = *gpus, wanted.ranks = *processes;
  if (auto text = arguments.get("binding"); !text.empty() && text != any_binding) {
    auto binding = binding_from(text);
    if (!binding)
      return Error{Errc::invalid, fmt::format("--binding {}", text), "there is no such way",
                   fmt::format("one of {}", binding_names())};
    wanted.binding = *binding;
  }
  for (auto [name, list] :
       {std::pair{"busy-cpus", &plan.busy_cpus}, std::pair{"busy-gpus", &plan.busy_gpus}}) {
    auto read = topology::parse_numbers(arguments.get(name));
    if (!read) return std::move(read).error();
    *list = std::move(*read);
  }
  auto model = model_of(arguments);
  if (!model) return std::move(model).error();
  plan.model = std::move(*model);
  topology::Taken taken;
  taken.cpus = plan.busy_cpus;
  taken.gpus.insert(plan.busy_gpus.begin(), plan.busy_gpus.end());
  for (uint32_t worker = 0; worker < *workers; ++worker) {
    auto placed = topology::place(plan.model, taken, wanted);
    if (!placed) {
      auto error = std::move(placed).error();
      if (!plan.model.note.empty()) error.detail += "; " + plan.model.note;
      if (*workers > 1) error.what = fmt::format("worker {}: {}", worker, error.what);
      return error;
    }
    if (placed->own) topology::add(taken.cpus, placed->cpus);
    taken.gpus.insert(placed->gpus.begin(), placed->gpus.end());
    plan.workers.push_back(std::move(*placed));
  }
  return plan;
}

std::string nic_text(const Model& model, const topology::RankPlacement& rank) {
  if (!rank.nic) return {};
  const auto& nic = model.nics[*rank.nic];
  return nic.name.empty() ? nic.bus : nic.name;
}

Value plan_value(const Plan& plan) {
  ValueList workers;
  for (const auto& job : plan.workers) {
    ValueList ranks, gpus;
    for (auto gpu : job.gpus)
      gpus.emplace_back(ValueMap{{"gpu", gpu}, {"bus", plan.model.gpus[gpu].bus}});
    for (const auto& rank : job.ranks) {
      ValueList own;
      for (auto gpu : rank.gpus) own.emplace_back(gpu);
      ranks.emplace_back(ValueMap{{"cpus", topology::to_text(rank.cpus)},
                                  {"memory", topology::to_text(rank.memory)},
                                  {"gpus", std::move(own)},
                                  {"nic", nic_text(plan.model, rank)}});
    }
    workers.emplace_back(ValueMap{{"cpus", topology::to_text(job.cpus)},
                                  {"memory", topology::to_text(job.memory)},
                                  {"own", job.own},
                                  {"gpus", std::move(gpus)},
                                  {"ranks", std::move(ranks)},
                                  {"note", job.note}});
  }
  return ValueMap{{"workers", std::move(workers)}, {"topology", topology::to_value(plan.model)}};
}

topology::Picture picture_of(const Plan& plan) {
  topology::Picture picture{plan.model, {}, {}};
  for (size_t i = 0; i < plan.workers.size(); ++i)
    picture.owners.push_back(
        {fmt::format("worker {}", i), plan.workers[i].cpus, plan.workers[i].gpus});
  if (!plan.busy_cpus.empty() || !plan.busy_gpus.empty())
    picture.owners.push_back({"busy", plan.busy_cpus, plan.busy_gpus});
  return picture;
}

std::string table_text(const Plan& plan, const Face& face) {
  Table table{{{"WORKER", true}, {"RANK", true}, {"GPUS"}, {"CPUS"}, {"NUMA"}, {"NIC"}}};
  for (size_t i = 0; i < plan.workers.size(); ++i)
    for (size_t rank = 0; rank < plan.workers[i].ranks.size(); ++rank) {
      const auto& placed = plan.workers[i].ranks[rank];
      table.row({{fmt::to_string(i)},
                 {fmt::to_string(rank)},
                 {fmt::format("{}", fmt::join(placed.gpus, ","))},
                 {placed.cpus.empty() ? "any" : topology::to_text(placed.cpus)},
                 {topology::to_text(placed.memory)},
                 {nic_text(plan.model, placed)}});
    }
  return table.text(face);
}

}  // namespace

int node_plan_verb(Session& session) {
  const auto& arguments = session.arguments();
  auto plan = make_plan(arguments);
  if (!plan) return session.fail(plan.error());
  if (auto file = arguments.get("svg"); !file.empty()) {
    auto fd = open_file(file, O_CREAT | O_WRONLY | O_TRUNC);
    if (!fd) return session.fail(fd.error());
    auto written = write_all(fd->get(), topology::drawing_svg(picture_of(*plan)));
    if (!written) return session.fail(written.error());
  }
  auto& out = session.out();
  if (out.wants_json()) {
    out.json(plan_value(*plan));
    return 0;
  }
  out.raw(table_text(*plan, out.out()));
  for (size_t i = 0; i < plan->workers.size(); ++i)
    if (!plan->workers[i].note.empty())
      out.talk(fmt::format("worker {} is not bound: {}", i, plan->workers[i].note));
  if (out.quiet()) return 0;
  out.raw("\n");
  out.raw(safe_lines(topology::drawing_text(picture_of(*plan))));
  return 0;
}

}  // namespace troupe::cli
