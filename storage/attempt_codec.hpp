// An attempt with its jobs, and the mark of a checkpoint, to stored rows and back. Pure; any
// thread.
#pragma once

#include "runtime/core/record.hpp"
#include "storage/records.capnp.h"

namespace troupe::storage {

void fill(rows::Attempt::Builder row, const AttemptRecord& attempt);
/// Throws where the row names a state that there is not: call it inside with_row.
AttemptRecord attempt_record(rows::Attempt::Reader row);

void fill(rows::Checkpoint::Builder row, const CheckpointMark& mark);
CheckpointMark checkpoint_mark(rows::Checkpoint::Reader row);

}  // namespace troupe::storage
