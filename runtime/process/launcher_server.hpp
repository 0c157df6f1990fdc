// The launcher's loop: one epoll set for the socket, the client, signals and all output pipes.
// Single-threaded; made and run on one thread.
#pragma once

#include "runtime/core/fd.hpp"
#include "runtime/process/launcher_main.hpp"
#include "runtime/process/protocol.hpp"
#include "runtime/process/run_manager.hpp"

#include <memory>
#include <optional>
#include <string>

namespace troupe::process {

class LauncherServer {
 public:
  /// `lock` is the locked file of the folder; `listener` the bound socket.
  LauncherServer(LauncherConfig config, UniqueFd lock, UniqueFd listener, Journal journal,
                 const std::string& name, uint64_t open_files_max);
  /// Until told to end, idle for too long, or the folder is gone.
  int run();

 private:
  using Time = std::chrono::steady_clock::time_point;

  void watch(int fd, uint64_t id, uint32_t events, int operation);
  void accept_client();
  void drop_client(const std::string& why);
  void read_client();
  void handle(const Frame& frame);
  void shut_down(bool force);
  void send_snapshot();
  void send(const std::string& bytes) {
    if (!snapshot_by_) out_.append(bytes);
  }
  void flush();
  void read_signals();
  int timeout();
  bool may_end();

  LauncherConfig config_;
  UniqueFd lock_;
  UniqueFd listener_;
  UniqueFd epoll_;
  UniqueFd signals_;
  UniqueFd client_;
  FrameSplitter frames_;
  std::string out_;
  bool writable_watched_ = false;
  std::optional<Time> snapshot_by_;  // what a new client is owed first, at the latest then
  std::unique_ptr<RunManager> runs_;
  bool ending_ = false;
  Time idle_since_;
};

/// The socket of a launcher's folder, also where the path is too long for an address: bound or
/// connected through `dir`, an open handle on the folder.
Result<UniqueFd> listen_in(int dir);
Result<UniqueFd> connect_in(int dir);

}  // namespace troupe::process
