#include "actors/foreseen.hpp"

#include "actors/head/life.hpp"
#include "actors/head/orders.hpp"
#include "actors/worker/environment.hpp"

#include <fmt/format.h>

#include <numeric>

namespace troupe::actors {

namespace {

ExperimentRecord placed(const ExperimentSpec& spec) {
  ExperimentRecord record;
  record.id = ExperimentId{1, 0};
  record.user = "you";
  record.spec = std::make_shared<const ExperimentSpec>(spec);
  for (const auto& parameter : spec.parameters)
    if (!parameter.choices.empty()) record.params.emplace(parameter.name, parameter.choices[0]);
  std::vector<ExperimentLife::Place> places;
  for (uint32_t job = 0; job < spec.workers.min; ++job) {
    std::vector<uint32_t> gpus(spec.resources_at(job).gpus);
    std::iota(gpus.begin(), gpus.end(), 0u);
    places.push_back({fmt::format("node-{}", job), std::move(gpus)});
  }
  ExperimentLife life{std::move(record)};
  life.place(places, 1, Timestamp{1});
  return life.record();
}

/// Of the networks that are set aside for examples.
std::string example_address(uint32_t job) {
  return fmt::format("198.18.{}.{}", job / 250, job % 250 + 1);
}

}  // namespace

Result<std::vector<ForeseenRank>> foreseen_ranks(const ExperimentSpec& spec) {
  auto record = placed(spec);
  auto orders = orders_of(record, "TOKEN", Timestamp{1});
  if (!orders) return std::move(orders).error();
  WorkerEnvironment worker{{}, "http://HEAD:7070", {}, "eth0"};
  WorkerPaths paths{"/WORKER", "/OUTPUTS"};
  std::vector<ForeseenRank> ranks;
  for (auto& order : *orders) {
    bool gang = order.hosts.size() > 1;
    for (uint32_t job = 0; job < order.hosts.size(); ++job)
      order.hosts[job] = {order.hosts[job].node, gang ? example_address(job) : "",
                          launch::port_range_begin, order.hosts[job].processes};
    for (uint32_t process = 0; process < order.processes; ++process) {
      ForeseenRank rank;
      rank.rank = order.first_rank + process;
      rank.job = fmt::format("{}.{}", order.key.job.role, order.key.job.index);
      rank.node = order.hosts[order.node_rank].node;
      for (const auto& entry : job_environment(worker, paths, order, 0, process, "")) {
        auto equals = entry.find('=');
        rank.env.emplace(entry.substr(0, equals), entry.substr(equals + 1));
      }
      for (auto& word : launch::rank_argv({}, order.contracts, process))
        rank.argument = std::move(word);
      ranks.push_back(std::move(rank));
    }
  }
  return ranks;
}

}  // namespace troupe::actors
