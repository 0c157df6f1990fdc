// Reads typed things out of a YamlNode and remembers the first error and where every key stands.
// After an error the rest still reads harmlessly, so that callers need not stop at each step. Used
// by one parse; not shared.
#pragma once

#include "runtime/config/project_file.hpp"
#include "runtime/config/yaml_tree.hpp"

#include <functional>
#include <limits>

namespace troupe::config {

class NodeReader {
 public:
  using Read = std::function<void(const YamlNode& node, const std::string& path)>;
  /// A key and what to do with its value.
  using Fields = std::vector<std::pair<std::string, Read>>;

  /// `file_name` must outlive this.
  explicit NodeReader(std::string_view file_name) : file_name_{file_name} {}

  /// Each key of a map by its field; others are errors with a suggestion.
  void fields(const YamlNode& node, const std::string& path, const Fields& fields);
  /// Any keys.
  void entries(const YamlNode& node, const std::string& path,
               const std::function<void(const YamlEntry& entry, const std::string& path)>& read);
  void items(const YamlNode& node, const std::string& path, const Read& read);

  void text(const YamlNode& node, const std::string& path, std::string& out);
  void number(const YamlNode& node, const std::string& path, double& out);
  void boolean(const YamlNode& node, const std::string& path, bool& out);
  void bytes(const YamlNode& node, const std::string& path, uint64_t& out);
  void duration(const YamlNode& node, const std::string& path, Duration& out);
  void value(const YamlNode& node, const std::string& path, Value& out);
  int64_t integer(const YamlNode& node, const std::string& path, int64_t min,
                  int64_t max = std::numeric_limits<int64_t>::max());

  /// `path: message`, at a place of the input.
  void fail(const YamlNode& node, std::string message, std::string hint);
  void fail(const Place& place, std::string message, std::string hint);
  /// At the place of a path, or of the nearest above it.
  Error error_at(std::string path, const std::string& message, const std::string& hint) const;
  void note(const std::string& path, const Place& place);

  const std::optional<Error>& error() const { return error_; }
  std::map<std::string, Position> take_positions() { return std::move(positions_); }

 private:
  bool expect(const YamlNode& node, const std::string& path, YamlNode::Kind kind,
              const char* wanted);

  std::string_view file_name_;
  std::optional<Error> error_;
  std::map<std::string, Position> positions_;
};

/// "a.b", or "b" below the top.
std::string below(const std::string& path, std::string_view key);

}  // namespace troupe::config
