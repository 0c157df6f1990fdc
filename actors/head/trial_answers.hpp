// What is said to those who run the members of a set themselves, as far as the ledger alone knows
// it: what counts as a result, what is refused, what an ended set answers. Any thread.
#pragma once

#include "client/api/trial_service.hpp"
#include "storage/ledger.hpp"

#include <map>
#include <string>

namespace troupe::actors {

Error not_taken(ExperimentId id, std::string detail, std::string hint);
Error ended_already(const ExperimentRecord& record);
Error set_has_ended(const SetRecord& set);

/// The numbers of a request, by the names that they have in the set.
Result<std::map<std::string, double>> numbers_of(const SweepSpec& sweep, ExperimentId id,
                                                 const api::TellRequest& request);
/// Whether a trial that has ended did so in the way that is told.
bool is_same(const ExperimentRecord& record, const api::TellRequest& request,
             const std::map<std::string, double>& given);
api::Told told_as(const ExperimentRecord& record);

/// The answers of a set that has no desk: it has ended, or there is none of this kind.
Result<api::Asked> ask_nobody(const storage::Ledger& ledger, uint64_t top);
Result<api::Told> tell_nobody(const storage::Ledger& ledger, uint64_t top,
                              const api::TellRequest& request);

}  // namespace troupe::actors
