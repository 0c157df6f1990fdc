#include "docs/examples/native/progress.hpp"

#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>

using troupe::Error;
using troupe::Result;

// The file: a line of text, then the weights and the velocity as they lie in memory.

Result<void> save(const std::string& path, const Progress& progress,
                  const std::vector<float>& weights, const std::vector<float>& velocity) {
  auto text = fmt::format("native1 {} {} {:a} {}\n", weights.size(), progress.steps, progress.loss,
                          progress.cursor);
  for (const auto* floats : {&weights, &velocity})
    text.append(reinterpret_cast<const char*>(floats->data()), floats->size() * sizeof(float));
  return troupe::replace_file(path, text);
}

Result<Progress> load(const std::string& path, std::vector<float>& weights,
                      std::vector<float>& velocity) {
  auto text = troupe::read_file(path);
  if (!text) return std::move(text).error();
  auto fail = [&](const std::string& detail) {
    return Error{troupe::Errc::corrupt, fmt::format("{} cannot be gone on from", path), detail,
                 "train with the same --hidden as before, or from the beginning"};
  };
  size_t size = 0;
  unsigned long steps = 0;
  double loss = 0;
  char cursor[100] = {};
  auto end = text->find('\n');
  if (end == std::string::npos ||
      std::sscanf(text->c_str(), "native1 %zu %lu %la %99s", &size, &steps, &loss, cursor) != 4)
    return fail("it is no checkpoint of this program");
  auto bytes = weights.size() * sizeof(float);
  if (size != weights.size() || text->size() - end - 1 != 2 * bytes)
    return fail(fmt::format("it has {} weights in {} bytes, the network {}", size, text->size(),
                            weights.size()));
  std::memcpy(weights.data(), text->data() + end + 1, bytes);
  std::memcpy(velocity.data(), text->data() + end + 1 + bytes, bytes);
  return Progress{cursor, steps, loss};
}
