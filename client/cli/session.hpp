// One run of the command line: its arguments, its output, its connection to the head, and how it
// ends. Made in main; main thread.
#pragma once

#include "client/cli/arguments.hpp"
#include "client/cli/output.hpp"
#include "client/cpp/client.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe::cli {

class Session {
 public:
  Session(Arguments arguments, OutputOptions options);

  const Arguments& arguments() const { return arguments_; }
  Output& out() { return out_; }
  Clock& clock() { return clock_; }

  /// The head, connected at the first call.
  Result<client::Client*> head();
  client::EndpointOptions endpoint_options() const;

  /// Ids of one argument; `last` is looked up at the head.
  Result<Selector> select(const std::string& text);
  /// An argument that must be one experiment, member or set.
  Result<ExperimentId> select_one(const std::string& text);
  /// What the head says of it.
  Result<Value> show_one(const std::string& text);
  /// The project that a command here is about: --project, the project file's, else the folder's
  /// name.
  Result<std::string> project();

  /// Prints the error; the exit code for it.
  int fail(const Error& error);

 private:
  Arguments arguments_;
  Output out_;
  SystemClock clock_;
  std::unique_ptr<client::Client> client_;
};

/// Fields of an answer, with something harmless where they are not there.
std::string text_of(const Value& map, std::string_view key);
int64_t int_of(const Value& map, std::string_view key);
const ValueList& list_of(const Value& map, std::string_view key);
const ValueMap& map_of(const Value& map, std::string_view key);

/// Runs one command line; the exit code of the process.
int main_of(const std::vector<std::string>& words);

}  // namespace troupe::cli
