#include "hpo/space_rules.hpp"

#include "runtime/core/condition_text.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::hpo {

namespace {

size_t place_of(const std::vector<Parameter>& parameters, std::string_view name) {
  for (size_t i = 0; i < parameters.size(); ++i)
    if (parameters[i].name == name) return i;
  return parameters.size();
}

bool is_numeric(const Parameter& parameter) {
  return parameter.range || std::all_of(parameter.choices.begin(), parameter.choices.end(),
                                        [](const Value& choice) { return choice.is_number(); });
}

Result<void> check_names(const Predicate& predicate, const std::vector<Parameter>& parameters,
                         const std::string& what) {
  std::vector<std::string> known;
  for (const auto& parameter : parameters) known.push_back(parameter.name);
  for (const auto& name : predicate.names())
    if (place_of(parameters, name) == parameters.size())
      return Error{
          Errc::invalid, what,
          fmt::format("`{}` names {}, and there is no such parameter", predicate.text(), name),
          suggestion(name, known)};
  for (const auto& name : predicate.numeric_names())
    if (!is_numeric(parameters[place_of(parameters, name)]))
      return Error{
          Errc::invalid, what,
          fmt::format("`{}` computes with {}, whose values are no numbers", predicate.text(), name),
          "compare texts by == and in [...]"};
  return ok();
}

}  // namespace

Result<SpaceRules> SpaceRules::make(const std::vector<Parameter>& parameters,
                                    const RuleTexts& texts) {
  SpaceRules rules;
  TROUPE_TRY(rules.add_conditions(parameters));
  TROUPE_TRY(rules.add_constraints(parameters, texts));
  if (!rules.empty()) TROUPE_TRY(rules.sort(parameters));
  return rules;
}

Result<void> SpaceRules::add_conditions(const std::vector<Parameter>& parameters) {
  for (const auto& parameter : parameters) {
    names_.push_back(parameter.name);
    auto& when = when_.emplace_back();
    if (parameter.when.empty()) continue;
    auto what = fmt::format("parameters.{}.when", parameter.name);
    auto read = Predicate::parse(parameter.when);
    if (!read)
      return Error{Errc::invalid, what, read.error().what + ": " + read.error().detail,
                   read.error().hint};
    TROUPE_TRY(check_names(*read, parameters, what));
    if (read->names().empty())
      return Error{Errc::invalid, what,
                   fmt::format("`{}` depends on no other parameter", parameter.when),
                   "name one, or leave it out"};
    when = std::move(*read);
    has_conditions_ = true;
  }
  return ok();
}

/// Parents first; among others the order in which they stand.
Result<void> SpaceRules::sort(const std::vector<Parameter>& parameters) {
  enum class Mark : uint8_t { fresh, open, done };
  std::vector<Mark> marks(parameters.size(), Mark::fresh);
  conditions_.resize(parameters.size());
  std::vector<size_t> way;
  // Recursion by hand: a chain may be as long as there are parameters.
  struct Step {
    size_t place, next;
  };
  for (size_t start = 0; start < parameters.size(); ++start) {
    std::vector<Step> steps;
    if (marks[start] == Mark::fresh) steps.push_back({start, 0});
    while (!steps.empty()) {
      auto& [place, next] = steps.back();
      marks[place] = Mark::open;
      if (!when_[place] || next == when_[place]->names().size()) {
        marks[place] = Mark::done;
        order_.push_back(place);
        if (when_[place]) {
          conditions_[place] = when_[place]->text();
          for (const auto& name : when_[place]->names())
            if (const auto& above = conditions_[place_of(parameters, name)]; !above.empty())
              conditions_[place] += "\n" + above;
        }
        steps.pop_back();
        continue;
      }
      auto parent = place_of(parameters, when_[place]->names()[next++]);
      if (marks[parent] == Mark::open) {
        std::string circle;
        bool inside = false;
        for (const auto& step : steps) {
          inside = inside || step.place == parent;
          if (inside) circle += parameters[step.place].name + " -> ";
        }
        return Error{
            Errc::invalid, fmt::format("parameters.{}.when", parameters[parent].name),
            fmt::format("the conditions go in a circle: {}{}", circle, parameters[parent].name),
            "let one of them be active without the others"};
      }
      if (marks[parent] == Mark::fresh) steps.push_back({parent, 0});
    }
  }
  return ok();
}

Result<void> SpaceRules::add_constraints(const std::vector<Parameter>& parameters,
                                         const RuleTexts& texts) {
  auto add = [&](const std::string& text, std::string what, std::string shown,
                 bool forbids) -> Result<void> {
    auto read = Predicate::parse(text);
    if (!read)
      return Error{Errc::invalid, what, read.error().what + ": " + read.error().detail,
                   read.error().hint};
    TROUPE_TRY(check_names(*read, parameters, what));
    constraints_.push_back({std::move(*read), std::move(shown), forbids});
    return ok();
  };
  for (size_t i = 0; i < texts.constraints.size(); ++i)
    TROUPE_TRY(add(texts.constraints[i], fmt::format("sweep.constraints[{}]", i),
                   texts.constraints[i], false));
  for (size_t i = 0; i < texts.forbidden.size(); ++i) {
    const ValueMap values{texts.forbidden[i].begin(), texts.forbidden[i].end()};
    auto what = fmt::format("sweep.forbidden[{}]", i);
    if (values.empty())
      return Error{Errc::invalid, what, "it names no parameter", "write {NAME: VALUE, ...}"};
    TROUPE_TRY(add(all_of_text(values), what, fmt::format("not {}", json_text(values)), true));
  }
  return ok();
}

bool SpaceRules::is_active(size_t place, const Point& point) const {
  return !has_conditions_ || !when_[place] || when_[place]->holds(point).value_or(false);
}

void SpaceRules::drop_inactive(Point& point) const {
  if (!has_conditions_) return;
  for (auto place : order_)
    if (when_[place] && !is_active(place, point)) point.erase(names_[place]);
}

const std::string* SpaceRules::broken(const Point& point) const {
  for (const auto& constraint : constraints_) {
    auto holds = constraint.predicate.holds(point);
    if (holds && *holds == constraint.forbids) return &constraint.text;
  }
  return nullptr;
}

}  // namespace troupe::hpo
