// A shared library that is loaded when it is first needed, and may not be there. It is never
// unloaded: what it has started may still run. One thread at a time.
#pragma once

#include <fmt/format.h>

#include <dlfcn.h>
#include <string>
#include <type_traits>
#include <vector>

namespace troupe {

class LoadedLibrary {
 public:
  /// The first of these that can be loaded. `scope` is RTLD_GLOBAL for one whose plugins look for
  /// its functions among all there are.
  explicit LoadedLibrary(const std::vector<std::string>& names, int scope = RTLD_LOCAL) {
    for (const auto& name : names) {
      handle_ = ::dlopen(name.c_str(), RTLD_NOW | scope);
      name_ = name;
      if (is_open()) break;
      const char* reason = ::dlerror();
      problem_ +=
          fmt::format("{}{}", problem_.empty() ? "" : "; ", reason != nullptr ? reason : name);
    }
    if (is_open()) problem_.clear();
  }

  bool is_open() const { return handle_ != nullptr; }
  const std::string& name() const { return name_; }
  /// Why it cannot be used: it could not be loaded, or lacks the first of these functions. Empty:
  /// it can.
  const std::string& problem() const { return problem_; }

  /// A function that is needed; null where it is missing.
  template <class Function>
  void find(const char* symbol, Function& function) {
    find_optional(symbol, function);
    if (function == nullptr && problem_.empty())
      problem_ = fmt::format("{} has no {}", name_, symbol);
  }
  template <class Function>
  void find_optional(const char* symbol, Function& function) {
    static_assert(std::is_pointer_v<Function>);
    function = is_open() ? reinterpret_cast<Function>(::dlsym(handle_, symbol)) : nullptr;
  }

 private:
  void* handle_ = nullptr;
  std::string name_, problem_;
};

}  // namespace troupe
