// Trees that several machines wrote parts of, as one: shards of a checkpoint. Pure; any thread.
#pragma once

#include "storage/dataset/manifest.hpp"

#include <vector>

namespace troupe::dataset {

/// All files and folders of `parts`, at least one. A file that several have must be the same in
/// all: else invalid, naming it. Its blocks are those of the parts, packed as they were; tables are
/// those of the parts too.
Result<Manifest> merge_manifests(const std::vector<Manifest>& parts);

}  // namespace troupe::dataset
