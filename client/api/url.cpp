#include "client/api/url.hpp"

#include <fmt/format.h>

namespace troupe::api {

namespace {

Error bad(std::string detail, std::string hint) {
  return {Errc::invalid, "the address of the request could not be read", std::move(detail),
          std::move(hint)};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return bad("'%' is not followed by two hexadecimal digits", "write '%' as %25");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (c == '\0') return bad("it holds a zero byte", "remove it");
    out += c;
  }
  return out;
}

Result<void> add_pair(Query& query, std::string_view pair) {
  auto equals = pair.find('=');
  auto name = decode(pair.substr(0, equals), true);
  if (!name) return std::move(name).error();
  auto value =
      decode(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1), true);
  if (!value) return std::move(value).error();
  if (!query.emplace(*name, std::move(*value)).second)
    return bad(fmt::format("query parameter \"{}\" is given twice", name->substr(0, 100)),
               "give it once");
  return ok();
}

}  // namespace

Result<Url> parse_url(std::string_view target) {
  Url out;
  if (target.empty() || target.front() != '/')
    return bad("it does not begin with '/'", "send a path, as in GET /api/v1/nodes");
  auto question = target.find('?');
  auto path = target.substr(1, question == std::string_view::npos ? question : question - 1);
  while (!path.empty()) {
    auto slash = path.find('/');
    auto part = decode(path.substr(0, slash), false);
    if (!part) return std::move(part).error();
    if (part->empty() || *part == "." || *part == ".." || part->find('/') != std::string::npos)
      return bad("the path holds an empty, \".\" or \"..\" part", "give the plain path");
    out.path.push_back(std::move(*part));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
    if (path.empty()) return bad("the path ends with '/'", "leave the last '/' away");
  }
  if (question == std::string_view::npos) return out;
  auto query = target.substr(question + 1);
  while (!query.empty()) {
    auto end = query.find('&');
    if (auto pair = query.substr(0, end); !pair.empty()) TROUPE_TRY(add_pair(out.query, pair));
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace troupe::api
