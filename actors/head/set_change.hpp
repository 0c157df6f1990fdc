// What people change of a set that runs, whoever runs its members: other limits and rules, further
// points, members that are not to be tried. Plain; owned by nobody.
#pragma once

#include "actors/head/set_search.hpp"
#include "client/api/trial_service.hpp"
#include "hpo/study.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::actors {

struct ChangingSet {
  SetRecord& record;
  SetSearch& search;
  hpo::Study& study;
  const storage::Ledger& ledger;
  bool stopping = false;  // no member is made any more
  std::function<bool(uint32_t)> lives;
};

/// An error where nothing was changed; else what happened, in words, an event each. The record, the
/// search and the study are as wanted then, and nothing of it is durable.
Result<std::vector<std::string>> change_set(const ChangingSet& set, const std::string& user,
                                            const api::SetChange& wanted);

}  // namespace troupe::actors
