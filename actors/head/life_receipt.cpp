// What an experiment's life does about the receipt of where it starts.
#include "actors/head/life.hpp"

#include <algorithm>
#include <limits>

namespace troupe::actors {

namespace {

/// Figures of a ring of which one is missing say nothing of the whole.
void conclude(Receipt& receipt, Timestamp now) {
  receipt.time = now;
  bool all = std::all_of(receipt.nodes.begin(), receipt.nodes.end(),
                         [](const auto& node) { return node.error.empty(); });
  if (!all) receipt.all_reduce = receipt.latency_ns = 0;
}

}  // namespace

std::vector<std::string> ExperimentLife::nodes() const {
  std::vector<std::string> nodes;
  if (record_.attempts.empty()) return nodes;
  for (const auto& job : record_.attempts.back().jobs)
    if (std::find(nodes.begin(), nodes.end(), job.node) == nodes.end()) nodes.push_back(job.node);
  return nodes;
}

void ExperimentLife::expect_receipt() {
  auto ring = nodes();
  auto& receipt = attempt().receipt;
  receipt = {};
  for (size_t i = 0; i < ring.size(); ++i) {
    ReceiptNode node;
    node.node = ring[i];
    node.next = ring[(i + 1) % ring.size()];
    receipt.nodes.push_back(std::move(node));
  }
}

void ExperimentLife::take_receipt(Receipt known) {
  attempt().receipt = std::move(known);
}

void ExperimentLife::note_receipt(const JobUpdate& update, const std::string& from, Timestamp now,
                                  Effects& effects) {
  auto& receipt = attempt().receipt;
  auto node = std::find_if(receipt.nodes.begin(), receipt.nodes.end(),
                           [&](const auto& one) { return one.node == from; });
  if (update.receipt.empty() || receipt.time || node == receipt.nodes.end() || node->told) return;
  constexpr size_t error_max = 300;
  const auto& part = update.receipt.front();
  node->told = true;
  node->copy = part.copy;
  node->link = part.link;
  node->error = part.error.substr(0, error_max);
  // Of the slowest rank.
  if (part.error.empty()) {
    receipt.all_reduce =
        receipt.all_reduce == 0 ? part.all_reduce : std::min(receipt.all_reduce, part.all_reduce);
    receipt.latency_ns = std::max(receipt.latency_ns, part.latency_ns);
  }
  effects.changed = true;
  if (!std::all_of(receipt.nodes.begin(), receipt.nodes.end(),
                   [](const auto& one) { return one.told; }))
    return;
  conclude(receipt, now);
  effects.receipt_came = true;
}

void ExperimentLife::note_drift(std::vector<std::string> notes) {
  attempt().receipt.notes = std::move(notes);
}

}  // namespace troupe::actors
