// What a worker lets its head do with its files: read logs, outputs and dataset versions, verify
// versions, remove outputs; nothing else. On file threads.
#pragma once

#include "actors/worker/paths.hpp"
#include "runtime/cluster/bulk.hpp"

namespace troupe::actors {

cluster::BulkOpen worker_files(WorkerPaths paths);

}  // namespace troupe::actors
