// The record of a set, as its study and its own states change it; the same for sets whose members
// run here and for those whose members are run elsewhere. Pure.
#pragma once

#include "hpo/study.hpp"
#include "runtime/core/record.hpp"

#include <string>
#include <vector>

namespace troupe::actors {

/// The study that a record tells of.
Result<hpo::Study> study_of(const SetRecord& record);
/// What the study has come to; `front` as the search says. True: another member is the best, and
/// its parameters have yet to be written.
bool copy_study(const hpo::Study& study, std::vector<uint32_t> front, SetRecord& record);
/// To a state that it is not in; it has not ended.
Event change_state(SetRecord& record, State to, const std::string& cause, Timestamp now,
                   const Error* error);
/// What a set that ends as FAILED says.
Error set_failed(const SetRecord& record, const std::string& cause);

}  // namespace troupe::actors
