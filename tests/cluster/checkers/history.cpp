#include "tests/cluster/checkers/history.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

namespace troupe::cluster {

std::string Entry::text(std::string_view key) const {
  const auto* found = value_.find(key);
  return found != nullptr && found->is_string() ? found->as_string() : "";
}

int64_t Entry::number(std::string_view key, int64_t otherwise) const {
  const auto* found = value_.find(key);
  return found != nullptr && found->is_int() ? found->as_int() : otherwise;
}

bool Entry::flag(std::string_view key) const {
  const auto* found = value_.find(key);
  return found != nullptr && found->is_bool() && found->as_bool();
}

Result<History> read_history(const std::string& path) {
  auto text = read_file(path, 1u << 30);
  if (!text) return std::move(text).error();
  History history;
  size_t line = 0;
  for (size_t begin = 0, end = 0; begin < text->size(); begin = end + 1) {
    ++line;
    end = text->find('\n', begin);
    bool whole = end != std::string::npos;
    auto value = parse_json(std::string_view{*text}.substr(begin, end - begin));
    if (!whole || !value || !value->is_map())
      return Error{Errc::corrupt, fmt::format("{} is no history", path),
                   fmt::format("line {} is no JSON object", line), ""};
    history.emplace_back(std::move(*value));
  }
  return history;
}

}  // namespace troupe::cluster
