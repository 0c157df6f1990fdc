// Who used how much: projects among each other, and users within a project. Everyone who wants
// something has the same share; use fades with a half-life. Owned by the Scheduler.
#pragma once

#include "runtime/schedule/request.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace troupe::schedule {

class Shares {
 public:
  explicit Shares(Time half_life) : half_life_{half_life} {}

  /// Something of theirs waits or runs (+1), or no longer does (-1).
  void wants(const Request& request, int change, Time now);
  /// What they use a millisecond grew or shrank by so much.
  void rate(const Request& request, int64_t change, Time now);

  /// Takes stock; true where somebody's standing changed.
  bool refresh(Time now);
  /// 0: within their share. Each step stands for twice as much as the one below; a project weighs
  /// more than a user within it.
  int32_t standing(const Request& request) const;
  /// Whether time alone can change a standing.
  bool contended() const;

 private:
  struct Use {
    double used = 0;
    double rate = 0;
    Time at{0};
    int64_t wants = 0;
    int32_t standing = 0;
  };
  struct Project : Use {
    std::map<std::string, Use> users;
  };

  void settle(Use& use, Time now) const;
  template <class Uses>
  bool compare(Uses& uses, Time now);

  Time half_life_;
  std::map<std::string, Project> projects_;
};

}  // namespace troupe::schedule
