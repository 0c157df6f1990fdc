// The worker's end of the launcher: starts one where none answers, reconnects, and hands events to
// its owner on a thread of its own. What is asked while there is no connection waits; what was
// asked and not answered is asked again.
#pragma once

#include "runtime/core/fd.hpp"
#include "runtime/process/launcher.hpp"
#include "runtime/process/protocol.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace troupe::process {

struct LauncherClientOptions {
  std::string dir;                // of the launcher; made where it is missing
  std::vector<std::string> argv;  // starts a launcher for that folder, which detaches itself
  LauncherEvents events;
};

class LauncherClient final : public Launcher {
 public:
  /// Begins to connect at once.
  explicit LauncherClient(LauncherClientOptions options);
  /// Leaves the launcher and its runs as they are.
  ~LauncherClient() override;

  void start(RunRequest request) override;
  void stop(const std::string& key, Duration grace) override;
  void renew(std::chrono::nanoseconds until) override;
  void forget(const std::string& key) override;

  /// Asks the launcher to end, and waits until it has. With live runs it refuses (conflict), unless
  /// forced: then it kills them. After success this client does nothing any more. Must not be
  /// called from an event.
  Result<void> shutdown_launcher(bool force, Duration timeout = std::chrono::seconds{30});

 private:
  struct Asked {  // a start without an answer yet, with the stop that followed it
    std::string start, stop;
  };

  void loop();
  bool serve_connection();
  void connect();
  Result<Duration> launch();
  void lose(Error error);
  bool read_frames();
  bool handle(const Frame& frame);
  bool flush();
  void queue(std::string frame);
  bool took(std::string frame);
  bool send_pending();
  void wake();
  void pause(Duration time);
  void answered(const std::string& key);
  void ask_again();
  void tell_refused();

  LauncherClientOptions options_;
  UniqueFd dir_;
  UniqueFd wake_;

  std::mutex mutex_;
  std::condition_variable changed_;
  UniqueFd fd_;
  bool ready_ = false;             // the snapshot has come: what is asked may be sent
  std::string out_;                // on its way
  std::string forgotten_;          // frames that wait for the next one; nobody is in a hurry
  std::deque<std::string> queue_;  // frames that do not fit the socket, or wait for a connection
  std::unordered_map<std::string, Asked> asked_;  // by key
  std::vector<RunStatus> refused_;                // too large to be sent: answered by ourselves
  std::optional<Result<void>> closing_;           // the answer to shutdown
  bool closed_ = false;                           // after a granted shutdown
  bool ended_ = false;                            // the connection after it is gone
  std::atomic<bool> leaving_ = false;

  // Of the thread alone.
  FrameSplitter frames_;
  std::vector<RunStatus> snapshot_;
  bool told_lost_ = false;

  std::thread thread_;
};

}  // namespace troupe::process
