#include "tests/sim/jobs.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace troupe::sim {

std::vector<std::string> JobScript::to_argv() const {
  return {"sim",
          fmt::format("ms={}", run_ms),
          fmt::format("code={}", code),
          fmt::format("bad={}", bad_attempts),
          fmt::format("ignore={}", ignores_term ? 1 : 0),
          fmt::format("well={}", ends_well_on_term ? 1 : 0),
          fmt::format("metrics={}", metrics)};
}

JobScript JobScript::of(const std::vector<std::string>& argv) {
  JobScript script;
  for (const auto& word : argv) {
    auto at = word.find('=');
    if (at == std::string::npos) continue;
    auto name = word.substr(0, at);
    auto number = std::strtoull(word.c_str() + at + 1, nullptr, 10);
    if (name == "ms") script.run_ms = number;
    if (name == "code") script.code = static_cast<int32_t>(number);
    if (name == "bad") script.bad_attempts = static_cast<uint32_t>(number);
    if (name == "ignore") script.ignores_term = number != 0;
    if (name == "well") script.ends_well_on_term = number != 0;
    if (name == "metrics") script.metrics = static_cast<uint32_t>(number);
  }
  return script;
}

}  // namespace troupe::sim
