// What a head keeps of what nobody needs any more: what sites may want otherwise.
#pragma once

#include "runtime/core/units.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace troupe {

/// Of outputs of experiments that have ended. Without any rule they stay.
struct OutputRules {
  std::optional<Duration> age;        // since it ended: older ones go
  std::optional<uint32_t> keep_last;  // of each project; older ones may go
  std::optional<uint32_t> keep_best;  // members of each set that has a metric; others go
  bool any() const { return age || keep_last || keep_best; }
  bool operator==(const OutputRules&) const = default;
};

struct RetentionRules {
  Duration every{std::chrono::hours{1}};  // the head applies them; 0: only when it is told to
  // How long a push may take between its first block and its end, cuts included; what nothing names
  // is garbage only then.
  Duration unfinished{std::chrono::hours{24}};
  Duration copies{std::chrono::hours{24 * 7}};  // of outputs, on the head, since they were used
  OutputRules outputs;
  std::map<std::string, OutputRules> projects;  // in place of `outputs`

  const OutputRules& of(const std::string& project) const {
    auto at = projects.find(project);
    return at == projects.end() ? outputs : at->second;
  }
  bool operator==(const RetentionRules&) const = default;
};

}  // namespace troupe
