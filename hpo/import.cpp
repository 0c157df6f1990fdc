#include "hpo/import.hpp"

#include "hpo/space.hpp"
#include "runtime/core/condition_text.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace troupe::hpo {
namespace {

Error refused(const std::string& name, std::string detail, std::string hint) {
  return {Errc::invalid, fmt::format("parameter {} cannot be taken over", name), std::move(detail),
          std::move(hint)};
}

Result<Value> member(const std::string& name, const Value& map, std::string_view key) {
  const auto* found = map.find(key);
  if (found == nullptr)
    return refused(name, fmt::format("it has no {}", key), fmt::format("write {}: ...", key));
  return *found;
}

/// What is not there stands as null.
Value optional(const Value& map, std::string_view key) {
  const auto* found = map.find(key);
  return found == nullptr ? Value{} : *found;
}

std::string text_of(const Value& value) {
  return value.is_string() ? value.as_string() : "";
}

Result<Parameter> checked(Parameter parameter) {
  // The checks of a parameter that was written here hold for one taken over.
  auto axis = Axis::make(parameter);
  if (!axis) return std::move(axis).error();
  return parameter;
}

Result<Parameter> listed(const std::string& name, const Value& values) {
  if (!values.is_list()) return refused(name, "its values are no list", "write them as a list");
  return checked({name, values.as_list(), {}});
}

Result<Parameter> ranged(const std::string& name, Value min, Value max, bool is_int, bool log,
                         std::optional<Value> step = {}, std::optional<int64_t> count = {}) {
  if (!min.is_number() || !max.is_number())
    return refused(name, "its bounds are no numbers", "give both as numbers");
  if (is_int && (!min.is_int() || !max.is_int()))
    return refused(name, "the bounds of an int are no ints", "write them without a point");
  if (!is_int) {
    // Whole bounds would make the range one of ints.
    min = min.as_number();
    max = max.as_number();
  }
  return checked(
      {name, {}, ParameterRange{std::move(min), std::move(max), std::move(step), count, log}});
}

Result<std::optional<int64_t>> count_of(const std::string& name, const Value& map) {
  const auto count = optional(map, "count");
  if (count.is_null()) return std::optional<int64_t>{};
  if (!count.is_int()) return refused(name, "its count is no int", "write count: N");
  return std::optional<int64_t>{count.as_int()};
}

Result<Parameter> determined_one(const std::string& name, const Value& map) {
  const auto type = text_of(optional(map, "type"));
  if (type == "const") {
    auto value = member(name, map, "val");
    if (!value) return std::move(value).error();
    return checked({name, {*value}, {}});
  }
  if (type == "categorical") {
    auto values = member(name, map, "vals");
    if (!values) return std::move(values).error();
    return listed(name, *values);
  }
  auto min = member(name, map, "minval"), max = member(name, map, "maxval");
  if (!min) return std::move(min).error();
  if (!max) return std::move(max).error();
  auto count = count_of(name, map);
  if (!count) return std::move(count).error();
  if (type == "int" || type == "double")
    return ranged(name, *min, *max, type == "int", false, {}, *count);
  if (type != "log")
    return refused(name, fmt::format("type {} is not known", type),
                   "known are const, int, double, log, categorical");
  const auto base = optional(map, "base");
  if (!base.is_null() && !base.is_number())
    return refused(name, "its base is no number", "write base: 10");
  if (!min->is_number() || !max->is_number())
    return refused(name, "its exponents are no numbers", "give minval and maxval as numbers");
  const double number = base.is_null() ? 10.0 : base.as_number();
  return ranged(name, std::pow(number, min->as_number()), std::pow(number, max->as_number()), false,
                true, {}, *count);
}

Result<void> determined_group(const std::string& prefix, const Value& group,
                              std::vector<Parameter>& out) {
  for (const auto& [key, value] : group.as_map()) {
    const auto name = prefix + key;
    if (value.is_map() && !optional(value, "type").is_string()) {
      TROUPE_TRY(determined_group(name + ".", value, out));
      continue;
    }
    auto one = value.is_map() ? determined_one(name, value) : checked({name, {value}, {}});
    if (!one) return std::move(one).error();
    out.push_back(std::move(*one));
  }
  return ok();
}

/// A number as Katib writes it: a text. Ints stay ints.
Value number_of(const Value& value) {
  if (!value.is_string()) return value;
  const auto& text = value.as_string();
  const char* end = text.data() + text.size();
  int64_t whole = 0;
  if (auto read = std::from_chars(text.data(), end, whole);
      read.ec == std::errc{} && read.ptr == end)
    return whole;
  double real = 0;
  if (auto read = std::from_chars(text.data(), end, real);
      read.ec == std::errc{} && read.ptr == end)
    return real;
  return value;
}

Result<Parameter> katib_one(const std::string& name, const Value& map) {
  const auto type = text_of(optional(map, "parameterType"));
  auto space = member(name, map, "feasibleSpace");
  if (!space) return std::move(space).error();
  if (type == "categorical" || type == "discrete") {
    auto values = member(name, *space, "list");
    if (!values) return std::move(values).error();
    if (type == "categorical" || !values->is_list()) return listed(name, *values);
    ValueList numbers;
    for (const auto& value : values->as_list()) numbers.push_back(number_of(value));
    return listed(name, numbers);
  }
  if (type != "int" && type != "double")
    return refused(name, fmt::format("parameterType {} is not known", type),
                   "known are int, double, discrete, categorical");
  const auto distribution = text_of(optional(*space, "distribution"));
  if (!distribution.empty() && distribution != "uniform" && distribution != "logUniform")
    return refused(name, fmt::format("distribution {} has no equal here", distribution),
                   "use uniform or logUniform");
  auto min = member(name, *space, "min"), max = member(name, *space, "max");
  if (!min) return std::move(min).error();
  if (!max) return std::move(max).error();
  const auto step = number_of(optional(*space, "step"));
  std::optional<Value> own_step;
  // A step of 1 between ints is what ints have; beside logUniform it would be refused.
  if (!step.is_null() && !(type == "int" && step == Value{1})) own_step = step;
  if (own_step && !own_step->is_number())
    return refused(name, "its step is no number", "give a number, or leave it out");
  return ranged(name, number_of(*min), number_of(*max), type == "int", distribution == "logUniform",
                own_step);
}

Result<Parameter> config_space_one(const std::string& name, const Value& map) {
  const auto type = text_of(optional(map, "type"));
  if (type == "constant") {
    auto value = member(name, map, "value");
    if (!value) return std::move(value).error();
    return checked({name, {*value}, {}});
  }
  if (type == "categorical" || type == "ordinal") {
    for (const auto* key : {"probabilities", "weights"}) {
      const auto chances = optional(map, key);
      if (!chances.is_list()) continue;
      for (const auto& chance : chances.as_list())
        if (chance != chances.as_list().front())
          return refused(name, "its choices have unequal probabilities", "leave them out");
    }
    auto values = member(name, map, type == "ordinal" ? "sequence" : "choices");
    if (!values) return std::move(values).error();
    return listed(name, *values);
  }
  if (type != "uniform_float" && type != "uniform_int")
    return refused(name, fmt::format("type {} has no equal here", type),
                   "known are uniform_float, uniform_int, categorical, ordinal, constant");
  auto min = member(name, map, "lower"), max = member(name, map, "upper");
  if (!min) return std::move(min).error();
  if (!max) return std::move(max).error();
  const auto log = optional(map, "log");
  const auto step = optional(map, "q");
  std::optional<Value> own_step;
  if (!step.is_null()) own_step = step;
  return ranged(name, *min, *max, type == "uniform_int", log == Value{true}, own_step);
}

std::string child_of(const Value& condition) {
  if (auto child = text_of(optional(condition, "child")); !child.empty()) return child;
  for (const auto* key : {"conditions", "components"})
    if (const auto parts = optional(condition, key); parts.is_list() && !parts.as_list().empty())
      return child_of(parts.as_list().front());
  return "";
}

/// A condition on a parent, or a forbidden clause, in the words of Predicate.
Result<std::string> condition_text(const Value& condition) {
  const auto type = text_of(optional(condition, "type"));
  if (type == "AND" || type == "OR") {
    std::string text;
    for (const auto* key : {"conditions", "components", "clauses"}) {
      const auto parts = optional(condition, key);
      if (!parts.is_list()) continue;
      for (const auto& part : parts.as_list()) {
        auto one = condition_text(part);
        if (!one) return one;
        text += fmt::format("{}({})", text.empty() ? "" : type == "AND" ? " and " : " or ", *one);
      }
    }
    return text;
  }
  auto name = text_of(optional(condition, "parent"));
  if (name.empty()) name = text_of(optional(condition, "name"));
  if (type == "IN") {
    const auto values = optional(condition, "values");
    if (values.is_list()) return all_of_text({{name, values}});
  }
  const auto* sign = type == "EQ" || type == "EQUALS" ? "=="
                     : type == "NEQ"                  ? "!="
                     : type == "LT"                   ? "<"
                     : type == "GT"                   ? ">"
                                                      : nullptr;
  if (sign == nullptr || name.empty())
    return refused(name, fmt::format("a condition of type {} has no equal here", type),
                   "known are EQ, NEQ, IN, LT, GT, AND, OR");
  return fmt::format("{} {} {}", name_text(name), sign, literal_text(optional(condition, "value")));
}

Error no_list(const char* what) {
  return {Errc::invalid, "the search space cannot be taken over", fmt::format("{}", what),
          "give the part of the file that lists the parameters"};
}

using Reader = Result<Parameter> (*)(const std::string& name, const Value& map);

Result<std::vector<Parameter>> each_of(const Value& list, Reader read) {
  std::vector<Parameter> parameters;
  for (const auto& one : list.as_list()) {
    const auto name = text_of(optional(one, "name"));
    auto parameter = read(name, one);
    if (!parameter) return std::move(parameter).error();
    parameters.push_back(std::move(*parameter));
  }
  if (auto space = Space::make(parameters); !space) return std::move(space).error();
  return parameters;
}

}  // namespace

Result<std::vector<Parameter>> import_determined(const Value& hyperparameters) {
  if (!hyperparameters.is_map()) return no_list("hyperparameters is no map");
  std::vector<Parameter> parameters;
  TROUPE_TRY(determined_group("", hyperparameters, parameters));
  if (auto space = Space::make(parameters); !space) return std::move(space).error();
  return parameters;
}

Result<std::vector<Parameter>> import_katib(const Value& parameters) {
  if (!parameters.is_list()) return no_list("parameters is no list");
  return each_of(parameters, katib_one);
}

Result<ImportedSpace> import_config_space(const Value& document) {
  const auto list = optional(document, "hyperparameters");
  if (!list.is_list()) return no_list("hyperparameters is no list");
  auto parameters = each_of(list, config_space_one);
  if (!parameters) return std::move(parameters).error();
  ImportedSpace space{std::move(*parameters), {}};
  const auto conditions = optional(document, "conditions");
  if (conditions.is_list())
    for (const auto& condition : conditions.as_list()) {
      auto text = condition_text(condition);
      if (!text) return std::move(text).error();
      const auto child = child_of(condition);
      auto found = std::find_if(space.parameters.begin(), space.parameters.end(),
                                [&](const Parameter& one) { return one.name == child; });
      if (found == space.parameters.end())
        return refused(child, "a condition is on it, and it is no parameter", "");
      found->when = found->when.empty() ? *text : fmt::format("({}) and ({})", found->when, *text);
    }
  const auto forbiddens = optional(document, "forbiddens");
  if (forbiddens.is_list())
    for (const auto& forbidden : forbiddens.as_list()) {
      auto text = condition_text(forbidden);
      if (!text) return std::move(text).error();
      space.rules.constraints.push_back(fmt::format("not ({})", *text));
    }
  if (auto made = Space::make(space.parameters, space.rules); !made) return std::move(made).error();
  return space;
}

Result<ImportedSpace> import_space(const Value& document) {
  auto plain = [](Result<std::vector<Parameter>> parameters) -> Result<ImportedSpace> {
    if (!parameters) return std::move(parameters).error();
    return ImportedSpace{std::move(*parameters), {}};
  };
  const auto hyperparameters = optional(document, "hyperparameters");
  if (hyperparameters.is_list()) return import_config_space(document);
  if (hyperparameters.is_map()) return plain(import_determined(hyperparameters));
  const auto spec = optional(document, "spec");
  const auto parameters = optional(spec.is_map() ? spec : document, "parameters");
  if (parameters.is_list()) return plain(import_katib(parameters));
  return Error{Errc::invalid, "the search space cannot be taken over",
               "it has neither hyperparameters (Determined, ConfigSpace) nor parameters (Katib)",
               "give the whole file of the experiment, or what ConfigSpace writes as JSON"};
}

std::string project_text(const ImportedSpace& space) {
  auto text = [](const Value& value) { return json_text(value); };
  std::string parameters;
  for (const auto& one : space.parameters) {
    ValueMap keys;
    if (one.range) {
      ValueMap range{{"min", one.range->min}, {"max", one.range->max}};
      if (one.range->step) range["step"] = *one.range->step;
      if (one.range->count) range["count"] = *one.range->count;
      if (one.range->log) range["scale"] = "log";
      keys["range"] = std::move(range);
    } else {
      keys["choices"] = one.choices;
    }
    if (!one.when.empty()) keys["when"] = one.when;
    parameters += fmt::format("{}{}: {}", parameters.empty() ? "" : ", ", text(Value{one.name}),
                              text(Value{std::move(keys)}));
  }
  ValueList constraints(space.rules.constraints.begin(), space.rules.constraints.end());
  auto sweep = constraints.empty() ? std::string{}
                                   : fmt::format(", \"sweep\": {{\"constraints\": {}}}",
                                                 text(Value{std::move(constraints)}));
  return fmt::format("{{\"parameters\": {{{}}}{}}}", parameters, sweep);
}

}  // namespace troupe::hpo
