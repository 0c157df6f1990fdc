// Writes the history of a test (history.hpp) while it runs, and asks the checkers about it.
#pragma once

#include "tests/cluster/many.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace troupe::cluster {

/// What the program says of the history in that file, and how it ended.
Output run_checker(const std::string& checker, const std::string& history);

class Recorder {
 public:
  explicit Recorder(ManyMachines& machines);

  const std::string& path() const { return path_; }
  /// The command of a job that leaves its marks and takes so long.
  std::string mark(int milliseconds, double cpus = 1, int code = 0) const;
  /// Submits it under a key and a name of its own, again until it is acknowledged; "" where `once`
  /// and there was no answer.
  std::string submit(const std::string& name, const std::string& command,
                     const std::string& more = {}, bool once = false);
  /// Sends again what had no answer.
  bool submit_open();
  void kill(const std::string& id);
  /// What is true at this moment.
  void lost(const std::string& node) { note("lost", node); }
  void back(const std::string& node) { note("back", node); }
  void healed() { note("healed", ""); }
  void nodes();

  /// Awaits the end of all that was acknowledged, records what the API says of it, and runs all
  /// checkers.
  void finish(std::chrono::milliseconds limit = std::chrono::seconds{120});
  const std::map<std::string, std::string>& acknowledged() const { return names_; }  // id -> name
  /// A sweep that was submitted elsewhere: read with its members, without their logs.
  void add(const std::string& id);
  size_t marks(const std::string& what) const;

 private:
  void write(ValueMap entry);
  void note(const char* what, const std::string& node);
  void record_final(const std::string& id, const std::string& name);
  void record_log(const std::string& id, const Value& record);
  void quiet();
  void each_node(const std::function<void(const std::string&, int64_t, int64_t)>& take);

  ManyMachines& machines_;
  std::string path_;
  std::map<std::string, std::string> names_;
  std::set<std::string> submitted_elsewhere_;  // ids, of members too
  std::map<std::string, std::string> open_;    // name -> body
};

}  // namespace troupe::cluster
