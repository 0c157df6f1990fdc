// As much of XML as topology files are written in: elements and attributes, comments, declarations.
// Texts between elements are left out. Pure; for input from anybody, so all of it has limits.
#pragma once

#include "runtime/core/result.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::topology {

struct XmlElement {
  std::string name;
  std::vector<std::pair<std::string, std::string>> attributes;
  std::vector<XmlElement> children;

  /// Null where it has none of that name.
  const std::string* find(std::string_view attribute) const;
  std::string text(std::string_view attribute) const;  // "" where there is none
};

/// The root element; the error names the line.
Result<XmlElement> parse_xml(std::string_view text);

}  // namespace troupe::topology
