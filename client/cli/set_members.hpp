// The members of a set that have begun, page after page: `show` has no more than the first
// thousand.
#pragma once

#include "client/cpp/client.hpp"

#include <functional>
#include <string>
#include <vector>

namespace troupe::cli {

class SetMembers {
 public:
  /// Whether nothing new will be learned of this member.
  using Each = std::function<Result<bool>(const Value& member)>;

  /// Calls `each` for the members of `set`, an answer of show. A later call begins with the first
  /// page that was not full, or had members that `each` was not done with.
  Result<void> visit(client::Client& head, const Value& set, const Each& each);

 private:
  std::string from_;  // the token of that page; empty: the first
};

/// All jobs of a member as its set shows it; none before it was placed.
Result<std::vector<JobId>> jobs_of_member(client::Client& head, const Value& set,
                                          const Value& member);

}  // namespace troupe::cli
