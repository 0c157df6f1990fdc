#include "client/api/log_lines.hpp"

#include "client/api/json_text.hpp"

#include <fmt/format.h>

#include <charconv>

namespace troupe::api {

namespace {

template <class Each>
void each_line(std::string_view stored, Each&& each) {
  while (!stored.empty()) {
    auto end = stored.find('\n');
    each(parse_stored_line(stored.substr(0, end)));
    if (end == std::string_view::npos) return;
    stored.remove_prefix(end + 1);
  }
}

std::string_view stream_name(char stream) {
  return stream == 'e' ? "stderr" : stream == 't' ? "troupe" : "stdout";
}

}  // namespace

StoredLine parse_stored_line(std::string_view line) {
  StoredLine out;
  out.text = line;
  auto first = line.find(' ');
  if (first == std::string_view::npos) return out;
  auto second = line.find(' ', first + 1);
  if (second == std::string_view::npos || second + 2 > line.size()) return out;
  auto who = line.substr(first + 1, second - first - 1);
  auto mark = line[second + 1];
  bool has_text = second + 2 < line.size() && line[second + 2] == ' ';
  if (who.size() < 2 || (mark != 'F' && mark != 'P') || (!has_text && second + 2 != line.size()))
    return out;
  uint32_t rank = 0;
  auto digits = who.substr(0, who.size() - 1);
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
  if (error != std::errc{} || end != digits.data() + digits.size()) return out;
  out.time = line.substr(0, first);
  out.rank = rank;
  out.stream = who.back();
  out.partial = mark == 'P';
  out.text = has_text ? line.substr(second + 3) : std::string_view{};
  return out;
}

std::string log_as_text(std::string_view stored) {
  std::string out;
  out.reserve(stored.size());
  each_line(stored, [&](const StoredLine& line) {
    out += line.text;
    if (!line.partial) out += '\n';
  });
  return out;
}

std::string log_as_ndjson(std::string_view stored, std::string_view job) {
  std::string out;
  out.reserve(2 * stored.size());
  each_line(stored, [&](const StoredLine& line) {
    out += "{\"time\":";
    append_json_string(out, line.time);
    out += ",\"job\":";
    append_json_string(out, job);
    fmt::format_to(std::back_inserter(out), ",\"rank\":{},\"stream\":\"{}\",\"text\":", line.rank,
                   stream_name(line.stream));
    append_json_string(out, line.text);
    out += line.partial ? ",\"partial\":true}\n" : ",\"partial\":false}\n";
  });
  return out;
}

}  // namespace troupe::api
