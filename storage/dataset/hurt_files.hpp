// Which files of a version lie in certain blocks. Pure.
#pragma once

#include "storage/dataset/manifest.hpp"

#include <functional>
#include <string>
#include <vector>

namespace troupe::dataset {

/// Paths of the files that have a piece in one of these blocks (their records counting as part of
/// them), at most `most`; in `beyond` how many more there are.
std::vector<std::string> hurt_files(const Manifest& manifest,
                                    const std::function<bool(uint32_t block)>& is_bad, size_t most,
                                    uint64_t& beyond);

}  // namespace troupe::dataset
