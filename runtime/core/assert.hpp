// TROUPE_ASSERT: an invariant whose breach means our own bug. Always on: crash, let the supervisor
// restart us, and trust the ledger.
#pragma once

#include <string_view>

namespace troupe {

[[noreturn]] void assertion_failed(const char* file, int line, const char* expression,
                                   std::string_view text);

}  // namespace troupe

#define TROUPE_ASSERT(condition, text)                                                  \
  do {                                                                                  \
    if (!(condition)) ::troupe::assertion_failed(__FILE__, __LINE__, #condition, text); \
  } while (false)
