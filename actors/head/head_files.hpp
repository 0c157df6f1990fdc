// What the head lets its workers read: code snapshots and datasets. On file threads.
#pragma once

#include "runtime/cluster/bulk.hpp"
#include "storage/code_store.hpp"
#include "storage/dataset/dataset_store.hpp"

namespace troupe::actors {

cluster::BulkOpen head_files(storage::CodeStore code, dataset::DatasetStore data);

}  // namespace troupe::actors
