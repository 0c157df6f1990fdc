// What a C++ program that runs as a job is given: its datasets as records, and its share of them.
// Read from the environment that docs/reference/environment.md describes; any thread, as long as
// nobody changes the environment meanwhile.
#pragma once

#include "storage/dataset/epoch.hpp"
#include "storage/dataset/record_reader.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace troupe::job {

/// The version that the job was given under this name (or mount name). Takes milliseconds; its
/// bytes are read when they are touched. not_found, with the names that there are, elsewhere.
Result<std::shared_ptr<const dataset::SealedFile>> open_dataset(std::string_view name);

/// This rank's way through the epochs over `count` records, from RANK and WORLD_SIZE; alone where
/// they are not set. `cursor` is a text that to_string(shard.cursor()) once gave, by any number of
/// ranks, and then `seed` is not looked at; or empty. invalid for ranks that are none.
Result<dataset::Shard> open_shard(uint64_t count, uint64_t seed, std::string_view cursor = {},
                                  bool shuffle = true);

}  // namespace troupe::job
