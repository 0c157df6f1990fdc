#include "runtime/core/mount_method.hpp"

#include <fmt/format.h>

#include <array>

namespace troupe {

namespace {

struct Method {
  MountMethod method;
  std::string_view name;
};
constexpr std::array<Method, 4> methods{{{MountMethod::erofs, "erofs"},
                                         {MountMethod::erofs_loop, "erofs-loop"},
                                         {MountMethod::fuse, "fuse"},
                                         {MountMethod::plain_copy, "copy"}}};

}  // namespace

std::string_view to_string(MountMethod method) {
  for (const auto& known : methods)
    if (known.method == method) return known.name;
  return "unknown";
}

std::optional<MountMethod> mount_method_from(std::string_view text) {
  for (const auto& known : methods)
    if (known.name == text) return known.method;
  return std::nullopt;
}

std::string mount_method_names() {
  std::string names{any_mount_method};
  for (const auto& known : methods) names += fmt::format(", {}", known.name);
  return names;
}

}  // namespace troupe
