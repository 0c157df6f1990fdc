#include "storage/dataset/entry_path.hpp"

#include "storage/dataset/limits.hpp"

#include <fmt/format.h>

namespace troupe::dataset {

namespace {

constexpr size_t printed_max = 200;  // of a path in an error

/// Bytes of the UTF-8 character at the beginning of `text`; 0 where there is none (RFC 3629: no
/// surrogates, no longer forms than needed, nothing above U+10FFFF).
size_t character_bytes(std::string_view text) {
  auto at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  auto follows = [&](size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return at(i) >= low && at(i) <= high;
  };
  unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    unsigned low = first == 0xe0 ? 0xa0 : 0x80, high = first == 0xed ? 0x9f : 0xbf;
    return follows(1, low, high) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    unsigned low = first == 0xf0 ? 0x90 : 0x80, high = first == 0xf4 ? 0x8f : 0xbf;
    return follows(1, low, high) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace

std::string printable(std::string_view path) {
  std::string text;
  while (!path.empty()) {
    if (text.size() > printed_max) return text + "...";
    auto bytes = character_bytes(path);
    if (bytes == 0 || is_control(path.front())) {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(path.front()));
      path.remove_prefix(1);
    } else {
      text += path.substr(0, bytes);
      path.remove_prefix(bytes);
    }
  }
  return text;
}

Result<void> check_entry_path(std::string_view path) {
  auto bad = [&](std::string detail, std::string hint) {
    return Error{Errc::invalid,
                 fmt::format("the name \"{}\" cannot be in a dataset", printable(path)),
                 std::move(detail), std::move(hint)};
  };
  constexpr auto rename = "rename it and try again";
  if (path.empty()) return bad("it is empty", rename);
  if (path.size() > limits::path_bytes_max)
    return bad(fmt::format("the path has {} bytes, at most {} are possible", path.size(),
                           limits::path_bytes_max),
               "use shorter names or fewer folders in each other");
  if (path.front() == '/') return bad("it is absolute", "only paths below the dataset are taken");
  for (auto rest = path; !rest.empty();) {
    auto bytes = character_bytes(rest);
    if (bytes == 0) return bad("it is no valid UTF-8", rename);
    if (is_control(rest.front()))
      return bad("it holds a control character; a newline is one", rename);
    rest.remove_prefix(bytes);
  }
  for (auto rest = path;;) {
    auto slash = rest.find('/');
    auto part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..")
      return bad(fmt::format("it has the part \"{}\"", part),
                 "only plain paths below the dataset are taken");
    if (part.size() > limits::name_bytes_max)
      return bad(fmt::format("one of its names has {} bytes, at most {} are possible", part.size(),
                             limits::name_bytes_max),
                 rename);
    if (slash == std::string_view::npos) return ok();
    rest.remove_prefix(slash + 1);
  }
}

std::string_view parent_of(std::string_view path) {
  auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

}  // namespace troupe::dataset
