// The folder a command stands in: its project file, and the snapshot of its code that goes with a
// submission.
#pragma once

#include "client/cli/session.hpp"
#include "runtime/config/project_file.hpp"

namespace troupe::cli {

/// The project of the current folder: that of the project file above it, else the folder's name.
Result<std::string> project_here();

/// What the current folder and the options say should run, without the code.
struct Wanted {
  config::ProjectFile file;
  std::string root;
};
Result<Wanted> read_wanted(Session& session, config::Purpose purpose);

/// Prints what each process would find in its environment, and runs nothing.
int print_env(Session& session, const ExperimentSpec& spec);

/// Run options that override the file, in the order of the table; those of --params-from before
/// --param.
Result<std::vector<std::pair<std::string, std::string>>> override_options(
    const Arguments& arguments, bool sweep);

/// Uploads what the head does not have of the folder; the digest of the snapshot.
Result<std::string> sync_code(Session& session, const std::string& root);

}  // namespace troupe::cli
