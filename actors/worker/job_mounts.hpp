// How the jobs of a node are shown their data: mounts of their own where the node permits them,
// else links to those of the node. Blocking; any thread, one at a time for a slot.
#pragma once

#include "actors/worker/worker_context.hpp"

#include <string>
#include <vector>

namespace troupe::actors {

/// With mounts of their own for jobs, the folder of trees is a mount itself: a job lets go of all
/// of it in one step, and so does a worker that ends.
Result<void> open_trees(const WorkerPaths& paths);
/// Whatever is mounted there goes; jobs that have their own mounts read on.
void close_trees(const WorkerPaths& paths);

/// The data root of a job in its slot. invalid where something is to be writable and cannot be.
Result<void> make_data_root(const WorkerContext& context, const JobOrder& order,
                            const HeldData& data, uint32_t slot);
/// Fills in what the launcher does for it.
void add_mounts(const WorkerContext& context, const JobOrder& order, const HeldData& data,
                uint32_t slot, process::RunRequest& request);
/// For the record.
std::vector<MountShown> shown_mounts(const WorkerContext& context, const JobOrder& order,
                                     const HeldData& data);

}  // namespace troupe::actors
