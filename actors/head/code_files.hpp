// What the head lets its workers read: code snapshots. On file threads.
#pragma once

#include "runtime/cluster/bulk.hpp"
#include "storage/code_store.hpp"

namespace troupe::actors {

cluster::BulkOpen code_files(storage::CodeStore store);

}  // namespace troupe::actors
