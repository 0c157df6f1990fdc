// "Did you mean ...?": the known word closest to one that is not known. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// Steps from one word to the other: a byte put in, taken out, changed, or swapped with its
/// neighbour.
size_t edit_distance(std::string_view a, std::string_view b);

/// The known word closest to `word`, the first of equals; empty where none is near enough to be
/// meant: one step for up to three bytes, two up to six, else three. Case does not count as a step.
std::string closest_word(std::string_view word, const std::vector<std::string>& known);

/// "did you mean `trials`?", or else "one of: a, b, c" (cut to the first ten), or empty where
/// nothing is known.
std::string suggestion(std::string_view word, const std::vector<std::string>& known);

}  // namespace troupe
