#include "runtime/core/exec_size.hpp"

#include "runtime/core/limits.hpp"
#include "runtime/core/placeholder.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

namespace troupe {

namespace {

constexpr const char* shorten = "put long texts into files of the code, and name the file";

/// The longest value of each parameter, as text. Ranges have short ones.
std::map<std::string, Value> longest_values(const Submission& submission) {
  std::map<std::string, Value> longest;
  auto offer = [&](const std::string& name, const Value& value) {
    auto [it, fresh] = longest.emplace(name, value);
    if (!fresh && value.to_text().size() > it->second.to_text().size()) it->second = value;
  };
  for (const auto& parameter : submission.experiment.parameters) {
    for (const auto& choice : parameter.choices) offer(parameter.name, choice);
    if (parameter.range) offer(parameter.name, parameter.range->min);
  }
  if (submission.sweep)
    for (const auto& point : submission.sweep->points)
      for (const auto& [name, value] : point) offer(name, value);
  return longest;
}

}  // namespace

Result<void> check_exec_size(const std::vector<std::string>& argv,
                             const std::map<std::string, std::string>& env) {
  size_t total = 0;
  auto fits = [&](size_t bytes) {
    total += bytes + 1;
    return bytes < limits::exec_string_bytes_max;
  };
  auto too_long = [](const std::string& what, size_t bytes) {
    return Error{Errc::invalid, fmt::format("{} is {} bytes long", what, bytes),
                 fmt::format("the kernel takes less than {}, what parameters put in included",
                             bytes_text(limits::exec_string_bytes_max)),
                 shorten};
  };
  for (const auto& word : argv)
    if (!fits(word.size())) return too_long("a word of the command", word.size());
  for (const auto& [name, value] : env)
    if (!fits(name.size() + 1 + value.size()))
      return too_long(fmt::format("the variable {}", name), value.size());
  if (total > limits::exec_total_bytes_max)
    return Error{Errc::invalid, fmt::format("command and variables are {} bytes long", total),
                 fmt::format("at most {} together", bytes_text(limits::exec_total_bytes_max)),
                 shorten};
  return ok();
}

std::optional<SubmissionProblem> check_exec_sizes(const Submission& submission) {
  const auto& spec = submission.experiment;
  auto params = longest_values(submission);
  std::map<std::string, std::string> env;
  for (const auto& [name, value] : spec.env)
    if (auto filled = fill_text(value, params)) env.emplace(name, std::move(*filled));
  auto problem_of = [](std::string path, const Error& error) {
    return SubmissionProblem{std::move(path), error.what + ": " + error.detail, error.hint};
  };
  if (auto fits = check_exec_size({}, env); !fits) return problem_of("env", fits.error());
  auto check = [&](const std::vector<Command>& commands,
                   const char* key) -> std::optional<SubmissionProblem> {
    for (size_t i = 0; i < commands.size(); ++i) {
      auto filled = fill_placeholders(commands[i], params);
      if (!filled) continue;
      auto argv = filled->argv.empty() ? std::vector<std::string>{filled->shell} : filled->argv;
      if (auto fits = check_exec_size(argv, env); !fits)
        return problem_of(fmt::format("{}[{}]", key, i), fits.error());
    }
    return std::nullopt;
  };
  if (auto problem = check(spec.run, "run")) return problem;
  for (const auto& role : spec.roles)
    if (auto problem = check(role.run, "roles")) return problem;
  return check(spec.setup, "setup");
}

}  // namespace troupe
