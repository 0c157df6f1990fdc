#include "client/plot/scene.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace troupe::plot {

namespace {

constexpr size_t not_varying = SIZE_MAX;

bool is_set(const Axis& axis) {
  return axis.is_category() && !axis.ordered;
}

/// A number in [0, 1], or the category; what has no value stands in the middle, or is a category of
/// its own.
double encoded_value(const Axis& axis, double value) {
  if (is_set(axis)) return std::isnan(value) ? static_cast<double>(axis.labels.size()) : value;
  if (std::isnan(value)) return 0.5;
  auto low = axis.log ? std::log(axis.low) : axis.low;
  auto high = axis.log ? std::log(axis.high) : axis.high;
  auto place = axis.log ? std::log(value) : value;
  return std::clamp((place - low) / (high - low), 0.0, 1.0);
}

}  // namespace

Model::Model(const Study& study) : study_{study}, shares_(study.axes.size()) {
  std::vector<hpo::Feature> features;
  for (const auto& axis : study.axes) {
    feature_of_.push_back(axis.varies() ? features.size() : not_varying);
    if (!axis.varies()) continue;
    hpo::Feature feature;
    // One more for members that have none.
    if (is_set(axis)) feature.categories = static_cast<uint32_t>(axis.labels.size());
    features.push_back(feature);
  }
  for (size_t i = 0; i < study.axes.size(); ++i)
    if (is_set(study.axes[i]) && feature_of_[i] != not_varying)
      for (const auto& member : study.members)
        if (member.counts(0) && std::isnan(member.params[i])) {
          ++features[feature_of_[i]].categories;
          break;
        }
  if (features.empty() || study.goals.empty()) return;
  log_ = study.value_axis().log;
  std::vector<double> rows, values;
  for (const auto& member : study.members) {
    if (!member.counts(0)) continue;
    for (size_t i = 0; i < study.axes.size(); ++i)
      if (feature_of_[i] != not_varying)
        rows.push_back(encoded_value(study.axes[i], member.params[i]));
    values.push_back(log_ ? std::log10(member.values[0]) : member.values[0]);
  }
  rows_ = values.size();
  if (rows_ < rows_min || std::equal(values.begin() + 1, values.end(), values.begin())) return;
  forest_ = std::make_unique<hpo::Forest>(features, rows, values);
  auto importance = forest_->importance();
  together_ = importance.rest;
  for (size_t i = 0; i < study.axes.size(); ++i)
    if (feature_of_[i] != not_varying) shares_[i] = importance.shares[feature_of_[i]];
}

std::vector<double> Model::encoded(size_t axis, const std::vector<double>& at) const {
  std::vector<double> out;
  for (auto value : at) out.push_back(encoded_value(study_.axes[axis], value));
  return out;
}

std::vector<double> Model::values_of(std::vector<double> fitted) const {
  if (log_)
    for (auto& value : fitted) value = std::pow(10, value);
  return fitted;
}

std::vector<double> Model::marginal(size_t axis, const std::vector<double>& at) const {
  return values_of(forest_->marginal(feature_of_[axis], encoded(axis, at)));
}

std::vector<double> Model::marginal(size_t first, const std::vector<double>& at_first,
                                    size_t second, const std::vector<double>& at_second) const {
  return values_of(forest_->marginal(feature_of_[first], encoded(first, at_first),
                                     feature_of_[second], encoded(second, at_second)));
}

Scene::Scene(const Study& of, std::vector<size_t> chosen)
    : study{of}, model{of}, axes{std::move(chosen)} {
  if (!study.goals.empty()) {
    ranked = study.ranked();
    standing = study.standing();
  }
  if (!axes.empty()) return;
  for (size_t i = 0; i < study.axes.size(); ++i)
    if (study.axes[i].varies()) axes.push_back(i);
  std::stable_sort(axes.begin(), axes.end(), [&](size_t a, size_t b) {
    return model.shares()[a].mean > model.shares()[b].mean;
  });
}

std::string Scene::hover(size_t place) const {
  if (!hovers()) return {};
  const auto& member = study.members[place];
  auto text = member.id + ":";
  for (size_t i = 0; i < study.goals.size(); ++i)
    if (member.has(i))
      text += fmt::format(" {} {},", study.goals[i].name, number_text(member.values[i]));
  return fmt::format("{} {}", text, study.params_text(member));
}

}  // namespace troupe::plot
