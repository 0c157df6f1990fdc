#include "runtime/core/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace troupe {

void assertion_failed(const char* file, int line, const char* expression, std::string_view text) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s: %.*s\n", file, line, expression,
               static_cast<int>(text.size()), text.data());
  std::abort();
}

}  // namespace troupe
