#include "gpu/toolkit.hpp"

#include "runtime/core/loaded_library.hpp"

namespace troupe::gpu {

std::optional<Toolkit> find_toolkit(const std::vector<std::string>& libraries) {
  for (const auto& name : libraries) {
    LoadedLibrary library{{name}};
    int (*version)(int*) = nullptr;
    library.find("cudaRuntimeGetVersion", version);
    Toolkit found{name, 0};
    if (version != nullptr && version(&found.cuda) == 0) return found;
  }
  return std::nullopt;
}

}  // namespace troupe::gpu
