// Options of the command line, put into the tree of a project file before it is read: one reader
// checks both, and an error names the option.
#pragma once

#include "runtime/config/project_file.hpp"
#include "runtime/config/yaml_tree.hpp"

namespace troupe::config {

/// Puts a named task over the top level: maps key by key, all else whole.
Result<void> apply_task(YamlNode& root, const std::string& task, std::string_view file_name);

/// The sweep section as the purpose wants it, then the options, then the command.
Result<void> apply_request(YamlNode& root, const Request& request);

/// The node of a parameter given as --param NAME=SPEC (see Request::options).
Result<YamlNode> parameter_node(std::string_view spec, bool sweep, const Place& place);

}  // namespace troupe::config
