#include "gpu/toolkit.hpp"

#include <dlfcn.h>

namespace troupe::gpu {

std::optional<Toolkit> find_toolkit(const std::vector<std::string>& libraries) {
  for (const auto& name : libraries) {
    // Never closed: it may have started something.
    void* handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) continue;
    auto version = reinterpret_cast<int (*)(int*)>(::dlsym(handle, "cudaRuntimeGetVersion"));
    Toolkit found{name, 0};
    if (version != nullptr && version(&found.cuda) == 0) return found;
  }
  return std::nullopt;
}

}  // namespace troupe::gpu
