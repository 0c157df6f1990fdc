// Small pieces of text for the codec: JSON strings and numbers appended without copies. Pure
// functions.
#pragma once

#include <string>
#include <string_view>

namespace troupe::api {

/// `text` in quotes. Bytes that are no UTF-8 become U+FFFD, so the result is always valid.
void append_json_string(std::string& out, std::string_view text);
/// Shortest form with a point or an exponent; NaN and the infinities in quotes.
void append_json_number(std::string& out, double value);

}  // namespace troupe::api
