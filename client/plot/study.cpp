#include "client/plot/study.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::plot {

namespace {

constexpr double log_from = 1000;  // the ratio of values from which only a logarithm shows them all

}  // namespace

std::vector<size_t> Study::ranked(size_t goal) const {
  std::vector<size_t> places;
  for (size_t i = 0; i < members.size(); ++i)
    if (members[i].counts(goal)) places.push_back(i);
  std::stable_sort(places.begin(), places.end(), [&](size_t a, size_t b) {
    return goals[goal].better(members[a].values[goal], members[b].values[goal]);
  });
  return places;
}

std::optional<size_t> Study::best(size_t goal) const {
  std::optional<size_t> best;
  for (size_t i = 0; i < members.size(); ++i)
    if (members[i].counts(goal) &&
        (!best || goals[goal].better(members[i].values[goal], members[*best].values[goal])))
      best = i;
  return best;
}

std::vector<double> Study::standing(size_t goal) const {
  std::vector<double> standing(members.size(), nothing);
  auto places = ranked(goal);
  for (size_t i = 0; i < places.size(); ++i)
    standing[places[i]] =
        places.size() < 2 ? 1 : 1 - static_cast<double>(i) / static_cast<double>(places.size() - 1);
  return standing;
}

Axis Study::value_axis(size_t goal) const {
  Axis axis;
  axis.name = goals[goal].name;
  axis.low = std::numeric_limits<double>::infinity();
  axis.high = -axis.low;
  for (const auto& member : members) {
    if (!member.has(goal)) continue;
    axis.low = std::min(axis.low, member.values[goal]);
    axis.high = std::max(axis.high, member.values[goal]);
  }
  if (axis.low > axis.high) axis.low = axis.high = 0;
  axis.log = axis.low > 0 && axis.high / axis.low >= log_from;
  return axis;
}

std::vector<size_t> Study::front(size_t first, size_t second) const {
  std::vector<size_t> front;
  auto places = ranked(first);
  std::erase_if(places, [&](size_t place) { return !members[place].counts(second); });
  for (size_t from = 0, to; from < places.size(); from = to) {
    // Of those that are equal in the first goal only the best in the second can be of the front.
    auto best = places[from];
    auto value = members[best].values[first];
    for (to = from; to < places.size() && members[places[to]].values[first] == value; ++to)
      if (goals[second].better(members[places[to]].values[second], members[best].values[second]))
        best = places[to];
    if (front.empty() ||
        goals[second].better(members[best].values[second], members[front.back()].values[second]))
      front.push_back(best);
  }
  return front;
}

std::string Study::params_text(const Member& member) const {
  std::string text;
  for (size_t i = 0; i < axes.size(); ++i) {
    auto value = member.params[i];
    if (std::isnan(value)) continue;
    text += fmt::format(
        "{}{}={}", text.empty() ? "" : " ", axes[i].name,
        axes[i].is_category() ? axes[i].labels[static_cast<size_t>(value)] : number_text(value));
  }
  return text;
}

std::string number_text(double value) {
  auto size = std::abs(value);
  if (size >= 1e6 && size < 1e9 && std::fmod(value, 1e5) == 0)
    return fmt::format("{:g}M", value / 1e6);
  if (size >= 1e4 && size < 1e6 && std::fmod(value, 1000) == 0)
    return fmt::format("{:g}k", value / 1e3);
  auto text = fmt::format("{:.4g}", value);
  // "1e-05" as people write it.
  auto at = text.find('e');
  if (at == std::string::npos) return text;
  auto digits = text.find_first_not_of("+-0", at + 1);
  bool negative = text[at + 1] == '-';
  return text.substr(0, at + 1) + (negative ? "-" : "") + text.substr(digits);
}

std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& points,
                                               size_t buckets) {
  if (points.size() <= 2 * buckets || buckets < 2) return points;
  std::vector<std::pair<double, double>> kept{points.front()};
  // The ends stand for themselves; what is between is shared evenly.
  auto inner = points.size() - 2;
  auto shares = buckets - 1;
  auto lower = [](const auto& a, const auto& b) { return a.second < b.second; };
  for (size_t i = 0; i < shares; ++i) {
    auto from = points.begin() + 1 + static_cast<ptrdiff_t>(inner * i / shares);
    auto to = points.begin() + 1 + static_cast<ptrdiff_t>(inner * (i + 1) / shares);
    auto [low, high] = std::minmax_element(from, to, lower);
    kept.push_back(*std::min(low, high));
    if (low != high) kept.push_back(*std::max(low, high));
  }
  kept.push_back(points.back());
  return kept;
}

}  // namespace troupe::plot
