#include "gpu/comm/http_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace troupe::comm {

namespace {

constexpr size_t head_bytes_max = 8u << 10;
constexpr size_t body_bytes_max = 1u << 20;
constexpr size_t all_bytes_max = 64u << 20;

std::string reply(std::string_view status, std::string_view body = {}) {
  return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", status,
                     body.size(), body);
}

/// The value of Content-Length; 0 where it is not said, nothing where it is no number.
std::optional<size_t> length_in(std::string_view head) {
  constexpr std::string_view name = "\r\ncontent-length:";
  auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  auto at = std::search(head.begin(), head.end(), name.begin(), name.end(), same);
  if (at == head.end()) return 0;
  auto text = head.substr(static_cast<size_t>(at - head.begin()) + name.size());
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  size_t length = 0;
  auto [rest, code] = std::from_chars(text.data(), text.data() + text.size(), length);
  bool ends = rest == text.data() + text.size() || *rest == '\r' || *rest == ' ';
  if (code != std::errc{} || !ends) return std::nullopt;
  return length;
}

}  // namespace

std::optional<std::string> HttpValues::answer(std::string_view request) {
  auto end = request.find("\r\n\r\n");
  if (end == request.npos) {
    if (request.size() > head_bytes_max) return reply("431 Request Header Fields Too Large");
    return std::nullopt;
  }
  auto head = request.substr(0, end);
  auto length = length_in(head);
  if (!length) return reply("400 Bad Request");
  if (*length > body_bytes_max) return reply("413 Content Too Large");
  auto body = request.substr(end + 4);
  if (body.size() < *length) return std::nullopt;
  auto line = head.substr(0, head.find("\r\n"));
  auto method = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(method.size() + 1, line.size()));
  auto path = line.substr(0, line.find(' '));
  if (!path.starts_with('/')) return reply("400 Bad Request");
  return carry_out(method, std::string{path}, body.substr(0, *length));
}

std::string HttpValues::carry_out(std::string_view method, const std::string& path,
                                  std::string_view body) {
  std::lock_guard lock{mutex_};
  auto place = values_.find(path);
  auto had = place == values_.end() ? 0 : path.size() + place->second.size();
  if (method == "GET")
    return place == values_.end() ? reply("404 Not Found") : reply("200 OK", place->second);
  if (method == "PUT") {
    if (bytes_ - had + path.size() + body.size() > all_bytes_max)
      return reply("507 Insufficient Storage");
    bytes_ += path.size() + body.size() - had;
    values_[path] = body;
    return reply("200 OK");
  }
  if (method != "DELETE") return reply("405 Method Not Allowed");
  bytes_ -= had;
  if (place != values_.end()) values_.erase(place);
  return reply("200 OK");
}

}  // namespace troupe::comm
