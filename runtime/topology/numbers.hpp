// Sets of small numbers (CPUs, NUMA nodes) and PCI bus ids, as machines and people write them.
// Pure.
#pragma once

#include "runtime/core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::topology {

/// Sorted, none twice.
using Numbers = std::vector<uint32_t>;

/// "0-3,8,10-11"; empty for none.
std::string to_text(const Numbers& numbers);
/// invalid where it is no such list, or names a number of 65,536 or more.
Result<Numbers> parse_numbers(std::string_view text);
void add(Numbers& to, const Numbers& more);

/// The same bus id however it was written: "0000:3b:00.0", domain and digits as Linux has them.
/// Empty where it is none ("3b:00.0" is: domain 0).
std::string bus_id(std::string_view text);

}  // namespace troupe::topology
