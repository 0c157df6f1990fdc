#include "runtime/config/node_reader.hpp"

#include "runtime/core/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::config {

namespace {

std::string name_of(const std::string& path) {
  return path.empty() ? "the file" : "`" + path + "`";
}

std::string kind_of(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return "empty";
    case YamlNode::Kind::list:
      return "a list";
    case YamlNode::Kind::map:
      return "a map";
    case YamlNode::Kind::scalar:
      break;
  }
  auto text = node.text.size() <= 40 ? node.text : node.text.substr(0, 37) + "...";
  return "\"" + text + "\"";
}

}  // namespace

std::string below(const std::string& path, std::string_view key) {
  return path.empty() ? std::string{key} : fmt::format("{}.{}", path, key);
}

void NodeReader::fail(const Place& place, std::string message, std::string hint) {
  if (error_) return;
  error_ = Error{Errc::invalid, fmt::format("{}: {}", place.text(file_name_), message), "",
                 std::move(hint)};
}

void NodeReader::fail(const YamlNode& node, std::string message, std::string hint) {
  fail(node.place, std::move(message), std::move(hint));
}

void NodeReader::note(const std::string& path, const Place& place) {
  positions_.insert_or_assign(path, Position{place.line, place.column, place.option});
}

Error NodeReader::error_at(std::string path, const std::string& message,
                           const std::string& hint) const {
  Place place;
  for (; !path.empty(); path.resize(std::min(path.find_last_of(".["), path.size()))) {
    auto it = positions_.find(path);
    if (it != positions_.end()) {
      place = Place{it->second.line, it->second.column, it->second.option};
      break;
    }
    if (path.find_first_of(".[") == std::string::npos) break;
  }
  return Error{Errc::invalid, fmt::format("{}: {}", place.text(file_name_), message), "", hint};
}

bool NodeReader::expect(const YamlNode& node, const std::string& path, YamlNode::Kind kind,
                        const char* wanted) {
  if (node.kind == kind) return true;
  fail(node, fmt::format("{} must be {}, it is {}", name_of(path), wanted, kind_of(node)),
       kind == YamlNode::Kind::map    ? "write KEY: VALUE lines, or {KEY: VALUE, ...}"
       : kind == YamlNode::Kind::list ? "write `- ITEM` lines, or [ITEM, ...]"
                                      : "write one value");
  return false;
}

void NodeReader::fields(const YamlNode& node, const std::string& path, const Fields& known) {
  entries(node, path, [&](const YamlEntry& entry, const std::string& entry_path) {
    for (const auto& [key, read] : known)
      if (key == entry.key) return read(entry.value, entry_path);
    std::vector<std::string> keys;
    for (const auto& [key, read] : known) keys.push_back(key);
    auto where = path.empty() ? std::string{} : fmt::format(" in {}", name_of(path));
    fail(entry.place, fmt::format("unknown key \"{}\"{}", entry.key, where),
         suggestion(entry.key, keys));
  });
}

void NodeReader::entries(const YamlNode& node, const std::string& path,
                         const std::function<void(const YamlEntry&, const std::string&)>& read) {
  if (!expect(node, path, YamlNode::Kind::map, "a map")) return;
  for (const auto& entry : node.entries) {
    auto entry_path = below(path, entry.key);
    note(entry_path, entry.place);
    read(entry, entry_path);
  }
}

void NodeReader::items(const YamlNode& node, const std::string& path, const Read& read) {
  if (!expect(node, path, YamlNode::Kind::list, "a list")) return;
  for (size_t i = 0; i < node.items.size(); ++i) {
    auto item_path = fmt::format("{}[{}]", path, i);
    note(item_path, node.items[i].place);
    read(node.items[i], item_path);
  }
}

void NodeReader::text(const YamlNode& node, const std::string& path, std::string& out) {
  if (expect(node, path, YamlNode::Kind::scalar, "a text")) out = node.text;
}

void NodeReader::value(const YamlNode& node, const std::string& path, Value& out) {
  if (node.kind == YamlNode::Kind::null) {
    out = Value{};
    return;
  }
  if (!expect(node, path, YamlNode::Kind::scalar, "one value")) return;
  auto read = scalar_value(node.text, node.quoted);
  if (!read)
    return fail(node, fmt::format("{}: {}", name_of(path), read.error().what), read.error().hint);
  out = std::move(*read);
}

void NodeReader::number(const YamlNode& node, const std::string& path, double& out) {
  Value read;
  value(node, path, read);
  if (read.is_number())
    out = read.as_number();
  else
    fail(node, fmt::format("{} must be a number, it is {}", name_of(path), kind_of(node)),
         "write digits alone, such as 2 or 0.5");
}

void NodeReader::boolean(const YamlNode& node, const std::string& path, bool& out) {
  Value read;
  value(node, path, read);
  if (read.is_bool())
    out = read.as_bool();
  else
    fail(node, fmt::format("{} must be true or false, it is {}", name_of(path), kind_of(node)),
         "write true or false");
}

int64_t NodeReader::integer(const YamlNode& node, const std::string& path, int64_t min,
                            int64_t max) {
  Value read;
  value(node, path, read);
  if (read.is_int() && read.as_int() >= min && read.as_int() <= max) return read.as_int();
  auto wanted = max == std::numeric_limits<int64_t>::max()
                    ? fmt::format("a whole number from {} on", min)
                    : fmt::format("a whole number from {} to {}", min, max);
  fail(node, fmt::format("{} must be {}, it is {}", name_of(path), wanted, kind_of(node)),
       "write digits alone, such as 4");
  return min;
}

void NodeReader::bytes(const YamlNode& node, const std::string& path, uint64_t& out) {
  if (!expect(node, path, YamlNode::Kind::scalar, "a size")) return;
  auto read = parse_bytes(node.text);
  if (read)
    out = *read;
  else
    fail(node, fmt::format("{}: {}: {}", name_of(path), read.error().what, read.error().detail),
         read.error().hint);
}

void NodeReader::duration(const YamlNode& node, const std::string& path, Duration& out) {
  if (!expect(node, path, YamlNode::Kind::scalar, "a duration")) return;
  auto read = parse_duration(node.text);
  if (read)
    out = *read;
  else
    fail(node, fmt::format("{}: {}: {}", name_of(path), read.error().what, read.error().detail),
         read.error().hint);
}

}  // namespace troupe::config
