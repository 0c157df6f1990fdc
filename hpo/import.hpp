// Search spaces of other programs as parameters: Determined's and Katib's YAML (read into a Value
// by the caller) and ConfigSpace's JSON. What has no equal here is refused by name, never dropped.
// Pure functions.
#pragma once

#include "hpo/space_rules.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/spec.hpp"

#include <string>
#include <vector>

namespace troupe::hpo {

/// The `hyperparameters` map of a Determined experiment. Groups become names with a point between;
/// the bounds of type log are exponents of its base.
Result<std::vector<Parameter>> import_determined(const Value& hyperparameters);

/// The `parameters` list of a Katib experiment, whose numbers are texts.
Result<std::vector<Parameter>> import_katib(const Value& parameters);

/// Parameters with their conditions, and what else holds between them.
struct ImportedSpace {
  std::vector<Parameter> parameters;
  RuleTexts rules;
};
/// A ConfigSpace document, with its conditions and forbidden clauses. Unequal probabilities are
/// refused.
Result<ImportedSpace> import_config_space(const Value& document);

/// Any of them, by its form: an experiment file of Determined or Katib as it is, or a ConfigSpace
/// document. What such a file says beside its search space is left alone.
Result<ImportedSpace> import_space(const Value& document);

/// A space as a project file has it, in JSON: `parameters`, and `sweep` with the constraints.
std::string project_text(const ImportedSpace& space);

}  // namespace troupe::hpo
