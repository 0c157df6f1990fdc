// A study as one SVG page: the plots that were asked for, or all that it has something for. Pure.
#pragma once

#include "client/plot/scene.hpp"
#include "runtime/core/result.hpp"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::plot {

enum class Kind : uint8_t { history, importance, parallel, pareto, contour, curves, slices };

inline constexpr std::array all_kinds{Kind::history, Kind::importance, Kind::parallel, Kind::pareto,
                                      Kind::contour, Kind::curves,     Kind::slices};

std::string_view to_string(Kind kind);
/// The error names all.
Result<Kind> kind_from(std::string_view name);

/// Whether there is something for it to show; the error says what it lacks.
Result<void> check_kind(const Scene& scene, Kind kind);
/// Those of all_kinds that pass.
std::vector<Kind> kinds_of(const Scene& scene);

/// Each of `kinds` must pass check_kind.
std::string page(const Scene& scene, const std::vector<Kind>& kinds);

}  // namespace troupe::plot
