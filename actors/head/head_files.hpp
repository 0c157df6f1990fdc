// What the head lets its workers read: code snapshots and datasets, and who else has those. On file
// threads.
#pragma once

#include "actors/head/replicas.hpp"
#include "runtime/cluster/bulk.hpp"
#include "runtime/cluster/link_server.hpp"
#include "storage/code_store.hpp"
#include "storage/dataset/dataset_store.hpp"

#include <memory>

namespace troupe::actors {

/// What it knows of other workers; without it nothing is said of them.
struct HeadDesk {
  std::shared_ptr<const Replicas> replicas;
  cluster::AdmitWorker admit;
};

cluster::BulkOpen head_files(storage::CodeStore code, dataset::DatasetStore data,
                             HeadDesk desk = {});

}  // namespace troupe::actors
