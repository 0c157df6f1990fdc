#include "runtime/topology/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace troupe::topology {

namespace {

constexpr uint32_t number_max = 65'535;

std::optional<uint32_t> whole(std::string_view text, int base) {
  uint32_t number = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string to_text(const Numbers& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    if (!text.empty()) text += ',';
    text += end == i + 1 ? fmt::format("{}", numbers[i])
                         : fmt::format("{}-{}", numbers[i], numbers[end - 1]);
    i = end;
  }
  return text;
}

Result<Numbers> parse_numbers(std::string_view text) {
  Numbers numbers;
  auto bad = [&] {
    return Error{Errc::invalid, fmt::format("\"{}\" is no list of numbers", text.substr(0, 100)),
                 "", "write it as in 0-3,8"};
  };
  for (auto rest = text; !rest.empty();) {
    auto comma = rest.find(',');
    auto part = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    auto dash = part.find('-');
    auto first = whole(part.substr(0, dash), 10);
    auto last = dash == std::string_view::npos ? first : whole(part.substr(dash + 1), 10);
    if (!first || !last || *last < *first || *last > number_max) return bad();
    for (auto n = *first; n <= *last; ++n) numbers.push_back(n);
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

void add(Numbers& to, const Numbers& more) {
  to.insert(to.end(), more.begin(), more.end());
  std::sort(to.begin(), to.end());
  to.erase(std::unique(to.begin(), to.end()), to.end());
}

std::string bus_id(std::string_view text) {
  std::array<std::optional<uint32_t>, 4> parts{0, 0, 0, 0};  // domain, bus, device, function
  auto dot = text.rfind('.');
  auto colon = text.rfind(':');
  if (dot == std::string_view::npos || colon == std::string_view::npos || dot < colon) return {};
  parts[3] = whole(text.substr(dot + 1), 16);
  parts[2] = whole(text.substr(colon + 1, dot - colon - 1), 16);
  auto rest = text.substr(0, colon);
  if (auto domain = rest.rfind(':'); domain != std::string_view::npos) {
    parts[0] = whole(rest.substr(0, domain), 16);
    rest = rest.substr(domain + 1);
  }
  parts[1] = whole(rest, 16);
  for (const auto& part : parts)
    if (!part) return {};
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", *parts[0], *parts[1], *parts[2], *parts[3]);
}

}  // namespace troupe::topology
