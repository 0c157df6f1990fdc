#include "runtime/core/receipt.hpp"

#include <fmt/format.h>

namespace troupe {

std::string rate_text(uint64_t bytes_a_second) {
  constexpr double giga = 1e9, mega = 1e6;
  auto rate = static_cast<double>(bytes_a_second);
  if (rate >= giga) return fmt::format("{:.1f} GB/s", rate / giga);
  if (rate >= 10 * mega) return fmt::format("{:.0f} MB/s", rate / mega);
  return fmt::format("{:.1f} MB/s", rate / mega);
}

}  // namespace troupe
