#include "runtime/core/binding.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace troupe {

namespace {

constexpr std::array<std::pair<Binding, std::string_view>, 3> bindings{
    {{Binding::off, "off"}, {Binding::cores, "cores"}, {Binding::numa, "numa"}}};

}  // namespace

std::string_view to_string(Binding binding) {
  for (const auto& [known, name] : bindings)
    if (known == binding) return name;
  return "unknown";
}

std::optional<Binding> binding_from(std::string_view text) {
  for (const auto& [known, name] : bindings)
    if (name == text) return known;
  return std::nullopt;
}

std::string binding_names() {
  std::string names{any_binding};
  for (const auto& [known, name] : bindings) names += fmt::format(", {}", name);
  return names;
}

}  // namespace troupe
