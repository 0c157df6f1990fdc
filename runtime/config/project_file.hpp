// troupe.yaml: from its text, and the options of the command line that override it, to a checked
// Submission. Every error names the line and column, or the option, at fault. Pure but for
// find_project_root.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/spec.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::config {

/// The file's name, looked for by find_project_root.
inline constexpr const char* project_file_name = "troupe.yaml";

enum class Purpose {
  run,         // one experiment: the sweep section is left out, every parameter needs one value
  sweep,       // a set, also where the file has no sweep section
  as_written,  // a set where the file has a sweep section
};

/// What is wanted of a project file, and what overrides it.
struct Request {
  Purpose purpose = Purpose::as_written;
  std::string task;             // a name below `tasks`; empty: the top level alone
  std::string default_project;  // where the file names none

  /// Run and sweep options without their dashes, in the order given. They are put into the file's
  /// place before anything is checked:
  ///   project name cpus mem gpus gpu-type workers processes priority retries max-time seed
  ///   mount-method
  ///   strategy trials concurrency metric stop-when early-stop budget    replace the file's value
  ///   data REF[:MOUNT[:rw]], setup CMD   replace the file's list; several make a list. The mount
  ///                                      is what follows the second ':', or follows the first
  ///                                      where REF is ID/out; it may be empty. rw: writable
  ///   env NAME or NAME=VALUE, label K=V  replace or add the one of that name
  ///   after ID                           several make a list
  ///   param NAME=SPEC                    replaces or adds the one of that name
  ///   space TEXT                         YAML with `parameters`, which replace or add those of
  ///                                      their names, and `sweep`, whose lists are added to
  ///
  /// SPEC is typed as a value of the file is. For a run: one value, as it stands. For a sweep:
  ///   0.1                  one value
  ///   32,64,128            choices; a value with a comma goes in quotes: 'a,b',c
  ///   1e-4..1e-1           a range, both ends included; then, each after a colon,
  ///   1e-4..1e-1:log         scale: log
  ///   0..1:step=0.1          the step from the lower end
  ///   0..1:count=5           the number of points of a grid
  std::vector<std::pair<std::string, std::string>> options;

  /// Replaces the file's run. Parameters of the file it does not use are left out.
  std::optional<Command> command;

  /// Where `env NAME` finds its value; not set: the process's own environment.
  std::function<std::optional<std::string>(const std::string&)> environment;
};

struct Position {
  int line = 0;  // from 1; 0: it came from `option`
  int column = 0;
  std::string option;  // "--cpus"
};

struct ProjectFile {
  Submission submission;                      // checked with check_submission
  std::vector<std::string> tasks;             // the names below `tasks`, in order
  std::map<std::string, Position> positions;  // of each key: "sweep.trials", "run[1]"
  std::vector<std::string> warnings;
};

/// `file_name` is what errors begin with.
Result<ProjectFile> parse_project_file(std::string_view text, std::string_view file_name,
                                       const Request& request = {});

/// The same without a file: all comes from the request.
Result<ProjectFile> without_project_file(const Request& request);

/// A commented troupe.yaml that runs as it is, for `troupe init`. `project` must be a name that
/// is_object_name accepts.
std::string starter_project_file(std::string_view project);

/// The folder with a troupe.yaml, from `start` upwards; nothing where there is none.
std::optional<std::string> find_project_root(const std::string& start);

/// What a project is called after its folder: other characters become '-'; never empty.
std::string project_name_of(const std::string& folder);

}  // namespace troupe::config
