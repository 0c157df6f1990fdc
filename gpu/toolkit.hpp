// The CUDA runtime that programs on this machine load.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace troupe::gpu {

struct Toolkit {
  std::string library;  // "libcudart.so.13"
  int cuda = 0;         // 13000
};

/// The first of these that can be loaded; none where there is none. Needs no driver.
std::optional<Toolkit> find_toolkit(const std::vector<std::string>& libraries = {
                                        "libcudart.so.13", "libcudart.so.12"});

}  // namespace troupe::gpu
