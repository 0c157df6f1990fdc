#include "client/api/json_text.hpp"

#include "runtime/core/value.hpp"

#include <fmt/format.h>

#include <cmath>

namespace troupe::api {

namespace {

/// Length of the well-formed UTF-8 sequence at the beginning of `text`, 0 where there is none.
size_t utf8_length(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  auto first = byte(0);
  size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  // Overlong forms, surrogates, and what is above the last code point.
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F)) return 0;
  if ((first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F)) return 0;
  return length;
}

void append_escape(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\r':
      out += "\\r";
      return;
    default:
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  size_t plain = 0;  // begin of what was not yet copied and needs no change
  size_t at = 0;
  auto flush = [&] { out.append(text.substr(plain, at - plain)); };
  while (at < text.size()) {
    auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      ++at;
    } else if (c >= 0x80) {
      if (auto length = utf8_length(text.substr(at)); length != 0) {
        at += length;
        continue;
      }
      flush();
      out += "\xEF\xBF\xBD";
      plain = ++at;
    } else {
      flush();
      append_escape(out, text[at]);
      plain = ++at;
    }
  }
  flush();
  out += '"';
}

void append_json_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += '"';
    out += shortest_text(value);
    out += '"';
  } else {
    out += shortest_text(value);
  }
}

}  // namespace troupe::api
