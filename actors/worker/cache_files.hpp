// Dataset versions on the disk of a node: `<dir>/cache/<digest>/` has each sealed,
// `<dir>/trees/<method>/<digest>/` shows its files. Blocking; any thread, but one at a time for a
// version.
#pragma once

#include "actors/messages.hpp"
#include "actors/worker/data_source.hpp"
#include "actors/worker/paths.hpp"
#include "storage/dataset/mount.hpp"

#include <functional>
#include <optional>
#include <set>
#include <string>

namespace troupe::actors {

/// Brings a version here and shows its files; what is here already is not brought again, unless it
/// is damaged. `make_room` removes something and answers whether it did: asked where the disk is
/// full. With a `method` its files are shown that way or not at all: invalid where it does not work
/// here.
Result<DataTree> bring_version(const WorkerPaths& paths, DataSource& source,
                               const dataset::ContentId& version,
                               std::optional<dataset::MountMethod> method,
                               const std::function<bool()>& make_room);
/// Nobody has taken its mount away, or killed who serves it.
bool is_shown(const DataTree& tree);
/// Removes the version that was used longest ago, except these. False: there is none.
bool remove_oldest(const WorkerPaths& paths, const std::set<std::string>& except);
/// Notes that a version was used now.
void touch_version(const WorkerPaths& paths, const std::string& digest);
/// Takes down all trees that are mounts, except these.
void unmount_trees(const WorkerPaths& paths, const std::set<std::string>& except);

}  // namespace troupe::actors
