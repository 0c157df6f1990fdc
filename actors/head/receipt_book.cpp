#include "actors/head/receipt_book.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

namespace {

uint64_t median_of(const std::deque<uint64_t>& figures) {
  std::vector<uint64_t> sorted{figures.begin(), figures.end()};
  auto half = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), half, sorted.end());
  return *half;
}

/// Whose time lies furthest back goes.
template <class Map>
void keep_newest(Map& map, size_t most) {
  if (map.size() <= most) return;
  map.erase(std::min_element(map.begin(), map.end(), [](const auto& a, const auto& b) {
    return a.second.time < b.second.time;
  }));
}

}  // namespace

std::optional<Receipt> ReceiptBook::known(std::vector<std::string> nodes, Timestamp now) const {
  std::sort(nodes.begin(), nodes.end());
  std::lock_guard lock{mutex_};
  auto at = receipts_.find(nodes);
  if (at == receipts_.end()) return std::nullopt;
  auto age = now.us - at->second.time.us;
  if (age > (at->second.measured() ? good_for : bad_for).count()) return std::nullopt;
  return at->second;
}

std::vector<ReceiptDrift> ReceiptBook::add(ExperimentId of, const Receipt& receipt, Timestamp now) {
  std::vector<ReceiptDrift> drifts;
  std::vector<std::string> nodes;
  std::lock_guard lock{mutex_};
  for (const auto& node : receipt.nodes) {
    nodes.push_back(node.node);
    if (node.link != 0) note({node.node, node.next}, node.link, now, drifts);
    if (node.copy != 0) note({node.node, ""}, node.copy, now, drifts);
  }
  std::sort(nodes.begin(), nodes.end());
  auto kept = receipt;
  kept.of = to_string(of);
  kept.time = now;
  kept.notes.clear();
  receipts_.insert_or_assign(std::move(nodes), std::move(kept));
  keep_newest(receipts_, receipts_max);
  return drifts;
}

void ReceiptBook::note(const Subject& subject, uint64_t figure, Timestamp now,
                       std::vector<ReceiptDrift>& drifts) {
  auto& series = series_[subject];
  series.usual = series.figures.size() < figures_min ? 0 : median_of(series.figures);
  series.figures.push_back(figure);
  series.time = now;
  if (series.figures.size() > figures_max) series.figures.pop_front();
  if (series.slow()) {
    drifts.push_back({{subject.first}, text(subject, series)});
    if (!subject.second.empty()) drifts.back().nodes.push_back(subject.second);
  }
  keep_newest(series_, series_max);
}

bool ReceiptBook::counts(const Series& series, Timestamp now) const {
  return now.us - series.time.us <= good_for.count();
}

std::set<std::string> ReceiptBook::drifting(Timestamp now) const {
  struct Links {
    uint64_t slow = 0, all = 0;
  };
  std::map<std::string, Links> links;
  std::set<std::string> names;
  std::lock_guard lock{mutex_};
  for (const auto& [subject, series] : series_) {
    if (!counts(series, now)) continue;
    if (subject.second.empty() && series.slow()) names.insert(subject.first);
    if (subject.second.empty()) continue;
    for (const auto& end : {subject.first, subject.second}) {
      ++links[end].all;
      links[end].slow += series.slow() ? 1 : 0;
    }
  }
  for (const auto& [subject, series] : series_) {
    if (!counts(series, now) || subject.second.empty() || !series.slow()) continue;
    const auto& from = links[subject.first];
    const auto& to = links[subject.second];
    auto of_from = from.slow * to.all, of_to = to.slow * from.all;
    if (of_from >= of_to) names.insert(subject.first);
    if (of_to >= of_from) names.insert(subject.second);
  }
  return names;
}

std::vector<std::string> ReceiptBook::texts_of(const std::string& node, Timestamp now) const {
  std::vector<std::string> texts;
  std::lock_guard lock{mutex_};
  for (const auto& [subject, series] : series_)
    if ((subject.first == node || subject.second == node) && counts(series, now) && series.slow())
      texts.push_back(text(subject, series));
  return texts;
}

std::string ReceiptBook::text(const Subject& subject, const Series& series) {
  auto what = subject.second.empty() ? fmt::format("memory of {}", subject.first)
                                     : fmt::format("link {} -> {}", subject.first, subject.second);
  return fmt::format("{} {}, usually {}", what, rate_text(series.figures.back()),
                     rate_text(series.usual));
}

}  // namespace troupe::actors
