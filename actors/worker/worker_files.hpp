// What a worker lets its head read: logs and outputs of jobs, nothing else. On file threads.
#pragma once

#include "actors/worker/paths.hpp"
#include "runtime/cluster/bulk.hpp"

namespace troupe::actors {

cluster::BulkOpen worker_files(WorkerPaths paths);

}  // namespace troupe::actors
