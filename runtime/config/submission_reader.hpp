// A tree in the form of the project file, with everything merged into it, becomes a Submission.
#pragma once

#include "runtime/config/node_reader.hpp"

namespace troupe::config {

/// Errors are left in the reader. `tasks` and `warnings` get what the file says of them.
void read_submission(NodeReader& in, const YamlNode& root, ProjectFile& out);

// Parts of it, each in a file of its own.
void read_parameters(NodeReader& in, const YamlNode& node, const std::string& path,
                     ExperimentSpec& spec, std::vector<std::map<std::string, Value>>& points);
/// "asha", or, as an option: "asha:max=27,resource=epoch".
ValueMap rule_of(std::string_view text);

void read_sweep(NodeReader& in, const YamlNode& node, const std::string& path, SweepSpec& sweep,
                bool& has_strategy);
void read_commands(NodeReader& in, const YamlNode& node, const std::string& path,
                   std::vector<Command>& out);

}  // namespace troupe::config
