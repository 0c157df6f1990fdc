// What a test has told the invented libraries to do, by TROUPE_FAKE_NCCL: words with numbers,
// "driver=12020,stuck=1".
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

namespace fake {

/// The number of a word; `otherwise` where it was not said.
inline int told(std::string_view word, int otherwise) {
  const char* value = std::getenv("TROUPE_FAKE_NCCL");
  if (value == nullptr) return otherwise;
  auto text = "," + std::string{value};
  auto at = text.find("," + std::string{word} + "=");
  return at == std::string::npos ? otherwise : std::atoi(text.c_str() + at + word.size() + 2);
}

/// Work in order, on a thread of its own; waits for nothing.
void enqueue(void* stream, void (*work)(void*), void* argument);

}  // namespace fake
