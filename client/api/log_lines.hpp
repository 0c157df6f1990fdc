// The log store's text form, "2026-11-21T01:29:00.123456Z 0o F text", in the two forms that clients
// get: the text alone, or one JSON object a line. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::api {

struct StoredLine {
  std::string_view time;
  uint32_t rank = 0;
  char stream = 'o';  // o: stdout, e: stderr, t: troupe's own words
  bool partial = false;
  std::string_view text;
};

/// A line without its line end. What is not of that form is all text.
StoredLine parse_stored_line(std::string_view line);

/// The text alone, byte for byte: a partial line gets no line end.
std::string log_as_text(std::string_view stored);
/// One JSON object (LogLine of troupe.capnp) a line.
std::string log_as_ndjson(std::string_view stored, std::string_view job);

}  // namespace troupe::api
