// A real `troupe up` in a folder of its own, the real command line beside it, and what is left of
// them. Everything a test starts carries the folder's name in its environment or command line, so
// nothing of it can hide. One UpProcess at a time a thread: its HTTP client has the thread's event
// loop.
#pragma once

#include "client/cpp/http_client.hpp"
#include "runtime/core/value.hpp"
#include "tests/cluster/child.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace troupe::cluster {

using namespace std::chrono_literals;

/// Waits for something in other processes. False when it has not come within `limit`.
template <class Condition>
bool await(Condition condition, std::chrono::milliseconds limit = 60s) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    // tidy: allow sleep: this is what awaiting is made of
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

struct Output {
  int code = -1;  // 128 + signal where one ended it; -1: it did not end in time and was killed
  std::string out, err;
};

class UpProcess {
 public:
  /// Makes the folder; `start` starts. `args` follow `troupe up --port 0 --dir D`.
  explicit UpProcess(std::vector<std::string> args = {"--cpus", "4"});
  /// Kills all that is left, and removes the folder.
  virtual ~UpProcess();
  UpProcess(const UpProcess&) = delete;
  UpProcess& operator=(const UpProcess&) = delete;

  /// Starts `up`, or starts it again on the same folder, and waits until it serves. On failure the
  /// test fails with what it said.
  bool start() { return start({"up", "--port", "0"}); }
  /// The same with another command than `up --port 0`; "--dir D" and the arguments are added.
  bool start(const std::vector<std::string>& command);
  void kill9();
  /// Signals it and waits for its end; its exit code, -1 where it does not end within `limit`.
  int stop(int signal = SIGTERM, std::chrono::milliseconds limit = 60s);
  void signal(int number) const { up_.signal(number); }
  /// Waits for an end that was asked for before.
  int wait(std::chrono::milliseconds limit = 60s) { return up_.wait(limit); }

  pid_t pid() const { return up_.pid(); }
  const std::string& root() const { return root_; }  // all of the test; `dir` and more below it
  const std::string& dir() const { return dir_; }    // of `up`
  const std::string& url() const { return url_; }
  std::string token() const;
  /// What `up` wrote so far, of all its starts.
  std::string out() const;
  std::string err() const;

  /// The command line, as its user would run it in `cwd` (default: an empty folder).
  Output cli(const std::vector<std::string>& args, std::chrono::milliseconds limit = 60s,
             const std::string& cwd = {});
  /// `troupe run --no-code OPTIONS -- sh -c SCRIPT`.
  Output run_shell(const std::vector<std::string>& options, const std::string& script);
  /// Any command line in the background; its output goes to `name`.out and .err below root().
  Child cli_child(const std::vector<std::string>& args, const std::string& name,
                  const std::string& cwd = {});

  /// The API; GET and POST answer an error value where the head does not answer, or says no.
  Result<Value> get(const std::string& path);
  Result<Value> post(const std::string& path, const std::string& json, const std::string& key = {});
  /// Any request, with a client of this start of `up`.
  client::HttpClient& http() { return *http_; }

  /// Submits through the API; "" and a test failure where it is refused.
  std::string submit(const std::string& json, const std::string& key = {});
  /// Submits `sh -c script` with these further members of the body (", \"retry\": ...").
  std::string submit_shell(const std::string& script, const std::string& more = {});
  Value show(const std::string& id);
  std::string state(const std::string& id);
  bool await_state(const std::string& id, const std::string& state,
                   std::chrono::milliseconds limit = 60s);
  /// Waits for a terminal state and answers it.
  std::string await_end(const std::string& id, std::chrono::milliseconds limit = 60s);
  /// The parameters of all members of a set that were begun, as JSON, in their order.
  std::vector<std::string> points(const std::string& set);
  /// All "state" events of one id, as "FROM->TO"; "" is before the first.
  std::vector<std::string> transitions(const std::string& id);
  ValueList events(uint64_t after = 0);
  /// The text of a job's log, lines joined, from the API.
  std::string log_text(const std::string& id, const std::string& job = "worker.0");

  /// Living processes of this test, by environment or command line.
  std::vector<pid_t> processes() const;
  /// Of these the launchers.
  std::vector<pid_t> launchers() const;
  /// Of these the ones that carry `text` in environment or command line.
  std::vector<pid_t> processes_with(const std::string& text) const;
  /// Whether no process is left, within `limit`; says which are.
  testing::AssertionResult nothing_left(std::chrono::milliseconds limit = 20s) const;

  /// "NAME=VALUE" for commands that start from now on.
  std::vector<std::string> more_environment;

  std::string path(const std::string& name) const { return root_ + "/" + name; }
  std::string read(const std::string& name) const;
  std::vector<std::string> lines(const std::string& name) const;

 protected:
  std::vector<std::string> environment() const;
  /// How the processes of a test's machines are started; "" is the one of `up` or the head.
  virtual Child launch(const std::string& machine, const std::vector<std::string>& argv,
                       const std::string& out_path, const std::string& err_path);

 private:
  std::vector<std::string> args_;
  std::string root_, dir_, url_;
  Child up_;
  int calls_ = 0;
  std::unique_ptr<client::HttpClient> http_;
};

/// Whether a process lives and is no zombie.
bool is_alive(pid_t pid);

/// A text member of a JSON object, "" where there is none.
std::string text_of(const Value& value, std::string_view key);
/// A whole number, `otherwise` where there is none or null.
int64_t number_of(const Value& value, std::string_view key, int64_t otherwise = -1);
/// JSON text of a string, quoted.
std::string quoted(const std::string& text);

}  // namespace troupe::cluster
