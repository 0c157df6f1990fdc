// A launcher in a folder of its own, a client, and what the client was told. Ends everything it
// started.
#pragma once

#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/process/confinement.hpp"
#include "runtime/process/launcher_client.hpp"
#include "runtime/process/log_store.hpp"
#include "runtime/process/process_tree.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace troupe::process {

inline std::string fresh_dir() {
  auto path = std::filesystem::temp_directory_path() / ("troupe-process-" + hex(random_bytes(6)));
  std::filesystem::create_directories(path);
  return path.string();
}

/// Waits for a condition in other processes.
template <class Condition>
bool await(Condition condition, std::chrono::seconds limit = std::chrono::seconds{30}) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    // tidy: allow sleep: this is what awaiting is made of
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  return true;
}

inline bool is_alive(pid_t pid) {
  auto facts = process_facts(pid);
  return facts && facts->state != 'Z' && facts->state != 'X';
}

/// Processes that carry the mark `TEST_MARK=value` in their environment.
inline std::vector<pid_t> marked(const std::string& value) {
  std::vector<pid_t> found;
  for (auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    auto pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0 || !is_alive(pid)) continue;
    auto text = read_file(entry.path() / "environ");
    if (text && text->find("TEST_MARK=" + value) != std::string::npos) found.push_back(pid);
  }
  return found;
}

/// Processes with this among their arguments.
inline std::vector<pid_t> with_argument(const std::string& word) {
  std::vector<pid_t> found;
  for (auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    auto pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0 || !is_alive(pid)) continue;
    auto text = read_file(entry.path() / "cmdline");
    if (text && text->find('\0' + word + '\0') != std::string::npos) found.push_back(pid);
  }
  return found;
}

/// An argument for sleep by which with_argument() finds this process again, and no other test's.
inline std::string seconds_of_its_own(int seconds, const std::string& mark) {
  return fmt::format("{}.{}", seconds, std::stoul(mark.substr(0, 7), nullptr, 16));
}

class Harness {
 public:
  explicit Harness(int idle_ms = 60'000) : root{fresh_dir()}, dir{root + "/launcher"} {
    launcher_argv = {LAUNCHER_PROGRAM, dir, std::to_string(idle_ms)};
  }
  ~Harness() {
    if (client) (void)client->shutdown_launcher(true);
    client.reset();
    if (auto pid = launcher_pid(); pid > 0 && is_alive(pid)) ::kill(pid, SIGTERM);
    (void)remove_tree(root);
  }

  void connect() {
    LauncherClientOptions options;
    options.dir = dir;
    options.argv = launcher_argv;
    options.events.connected = [this](auto all) {
      std::lock_guard lock{mutex};
      ++connections;
      for (auto& run : all) note(run);
      changed.notify_all();
    };
    options.events.started = options.events.ended = [this](auto& run) {
      std::lock_guard lock{mutex};
      note(run);
      changed.notify_all();
    };
    options.events.logged = [this](auto& key, uint64_t bytes) {
      std::lock_guard lock{mutex};
      logged[key] = bytes;
      changed.notify_all();
    };
    options.events.lost = [this](auto&) {
      std::lock_guard lock{mutex};
      ++losses;
      changed.notify_all();
    };
    client = std::make_unique<LauncherClient>(std::move(options));
  }

  RunRequest request(const std::string& key, std::vector<std::string> argv) {
    RunRequest made;
    made.key = key;
    made.processes.push_back(
        {std::move(argv), {"PATH=/usr/local/bin:/usr/bin:/bin", "TEST_MARK=" + mark}, root});
    made.log_dir = log_dir(key);
    return made;
  }
  RunRequest shell(const std::string& key, const std::string& script) {
    return request(key, {"sh", "-c", script});
  }
  std::string log_dir(const std::string& key) const { return root + "/logs/" + key; }

  template <class Condition>
  bool wait(Condition condition, std::chrono::seconds limit = std::chrono::seconds{60}) {
    std::unique_lock lock{mutex};
    return changed.wait_for(lock, limit, condition);
  }
  /// The run's end; one that never ends fails the test.
  RunStatus end_of(const std::string& key) {
    bool there = wait([&] { return runs.contains(key) && runs[key].state != RunState::running; });
    EXPECT_TRUE(there) << key << " did not end";
    std::lock_guard lock{mutex};
    return runs[key];
  }
  RunStatus start_of(const std::string& key) {
    EXPECT_TRUE(wait([&] { return runs.contains(key); })) << key << " did not start";
    std::lock_guard lock{mutex};
    return runs[key];
  }
  RunStatus run(RunRequest request) {
    auto key = request.key;
    client->start(std::move(request));
    return end_of(key);
  }

  /// No process of any run is left.
  bool marked_gone() const {
    return await([&] { return marked(mark).empty(); });
  }

  pid_t launcher_pid() const {
    auto text = read_file(dir + "/launcher.lock", 64);
    return text ? std::atoi(text->c_str()) : 0;
  }
  /// All records.
  std::string log_of(const std::string& key) const {
    std::string all;
    LogReader reader{log_dir(key)};
    for (uint64_t at = 0;;) {
      auto slice = reader.read(at, 1u << 20);
      EXPECT_TRUE(slice) << to_string(slice.error());
      if (!slice || slice->bytes.empty()) return all;
      all += slice->bytes;
      at = slice->next_offset;
    }
  }
  /// The texts of one stream, as the process wrote them, parts joined.
  std::string text_of(const std::string& key, const std::string& stream = "0o") const {
    auto all = log_of(key);
    std::string text;
    std::string_view rest{all};
    while (!rest.empty()) {
      auto end = rest.find('\n');
      auto line = rest.substr(0, end);
      rest.remove_prefix(end + 1);
      auto space = line.find(' ');
      auto name = line.substr(space + 1, line.find(' ', space + 1) - space - 1);
      if (name != stream) continue;
      auto body = line.substr(space + 1 + name.size() + 1);
      text.append(body.substr(2));
      if (body[0] == 'F') text.push_back('\n');
    }
    return text;
  }

  std::string root, dir;
  std::string mark = hex(random_bytes(8));
  std::vector<std::string> launcher_argv;
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, RunStatus> runs;
  std::map<std::string, uint64_t> logged;
  std::map<std::string, int> starts, ends;  // how often each was told
  int connections = 0;
  int losses = 0;
  std::unique_ptr<LauncherClient> client;

 private:
  void note(const RunStatus& run) {
    ++(run.state == RunState::running ? starts : ends)[run.key];
    runs[run.key] = run;
  }
};

}  // namespace troupe::process
