// Small pieces of text for the codec: JSON strings and numbers appended without copies, and
// suggestions for misspelt names. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe::api {

/// `text` in quotes. Bytes that are no UTF-8 become U+FFFD, so the result is always valid.
void append_json_string(std::string& out, std::string_view text);
/// Shortest form with a point or an exponent; NaN and the infinities in quotes.
void append_json_number(std::string& out, double value);

/// The one of `names` that is nearest to `wrong`, or empty where none is near.
std::string suggest(std::string_view wrong, const std::vector<std::string_view>& names);
/// `did you mean "x"?`, or the list of what there is.
std::string suggestion_hint(std::string_view wrong, const std::vector<std::string_view>& names);

}  // namespace troupe::api
