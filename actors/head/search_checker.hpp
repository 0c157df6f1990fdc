// Derives the decisions of a set's search again from the ledger. That takes as long as the search
// took to suggest: on a thread of its own, one at a time.
#pragma once

#include "actors/head/head_context.hpp"

namespace troupe::actors {

/// `not_found` where there is no such set.
Result<api::SearchReplay> replay_search(const storage::Ledger& ledger, uint64_t top);

search_checker_actor::behavior_type search_checker_behavior(search_checker_actor::pointer self,
                                                            HeadContextRef context);

}  // namespace troupe::actors
