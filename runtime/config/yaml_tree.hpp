// A YAML document as a tree that knows where each part stands, built under limits. Behind it is
// yaml-cpp's event parser: keys given twice, depth, aliases and size are judged while reading,
// before anything grows. Pure.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/value.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::config {

/// Where a part of the input came from: a line and column of the file, or an option of the command
/// line.
struct Place {
  int line = 0;  // from 1; 0: not from the file
  int column = 0;
  std::string option;  // "--cpus"

  /// "troupe.yaml:7:3", "--cpus", or the file's name alone.
  std::string text(std::string_view file_name) const;
};

struct YamlEntry;

struct YamlNode {
  enum class Kind { null, scalar, list, map };

  Kind kind = Kind::null;
  std::string text;     // of a scalar
  bool quoted = false;  // a scalar that stays a string
  Place place;
  std::vector<YamlNode> items;
  std::vector<YamlEntry> entries;  // in the order written, no key twice

  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_list() const { return kind == Kind::list; }
  bool is_map() const { return kind == Kind::map; }

  YamlNode* find(std::string_view key);
  const YamlNode* find(std::string_view key) const;
  /// Puts a value in the place of the key's own, or at the end.
  void set(std::string_view key, YamlNode value);
  void erase(std::string_view key);
};

struct YamlEntry {
  std::string key;
  Place place;  // of the key
  YamlNode value;
};

struct YamlLimits {
  size_t bytes_max;
  size_t depth_max = 32;
  size_t nodes_max = 200'000;  // with what aliases repeat
  size_t aliases_max = 1000;
};

/// Reads exactly one document. Errors name the place: "troupe.yaml:7:3: ...".
Result<YamlNode> parse_yaml(std::string_view text, std::string_view file_name, YamlLimits limits);

YamlNode scalar_node(std::string text, Place place, bool quoted = false);

/// A scalar by the rules of YAML 1.2's core schema: null, true/false, integers (decimal, 0o, 0x;
/// 010 is ten), floats with point or exponent, .inf, .nan, else a string. `yes` and `no` are
/// strings. A number that does not fit is an error.
Result<Value> scalar_value(std::string_view text, bool quoted = false);

/// A document as the value it stands for.
Result<Value> plain_value(const YamlNode& node);

}  // namespace troupe::config
