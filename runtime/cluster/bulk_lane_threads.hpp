// The answering end of connections that block: a thread for each, as many as a machine has use for.
// Who comes beyond that is served by the loop, more slowly. Any thread.
#pragma once

#include "runtime/cluster/bulk_lane.hpp"
#include "runtime/cluster/link_server.hpp"

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

namespace troupe::cluster {

/// The name of a worker that says `hello` and has a certificate of that common name; an error where
/// it is not welcome, or of another version. Pure but for `admit`.
Result<std::string> admit_worker(const AdmitWorker& admit, const std::string& common_name,
                                 const std::string& hello, const LinkHello& ours);

struct BulkLaneThreadsOptions {
  std::string authority;
  Identity identity;
  LinkHello hello;
  std::shared_ptr<Clock> clock;
  BulkOpen open;
  AdmitWorker admit;
  std::chrono::milliseconds greeting_patience{5000};
  size_t threads_max = 64;
  size_t peer_max = 16;  // of one worker
};

class BulkLaneThreads {
 public:
  static Result<std::unique_ptr<BulkLaneThreads>> start(BulkLaneThreadsOptions options);
  /// Ends all connections and waits for their threads.
  ~BulkLaneThreads();
  BulkLaneThreads(const BulkLaneThreads&) = delete;
  BulkLaneThreads& operator=(const BulkLaneThreads&) = delete;

  /// Takes a connection whose opening was read. False where all threads are busy: it was left.
  bool take(UniqueFd& fd);
  /// Ends all connections of a worker.
  void drop(const std::string& worker);

 private:
  struct Lane {
    std::string worker;  // empty: it has not proved itself yet
    UniqueFd socket;     // a second descriptor of it, to end it with
  };

  explicit BulkLaneThreads(BulkLaneThreadsOptions options) : options_{std::move(options)} {}
  void run(uint64_t number, UniqueFd fd);
  void serve(uint64_t number, UniqueFd fd);
  Result<std::string> greet(TlsSocket& socket) const;
  bool note(uint64_t number, const std::string& worker);

  BulkLaneThreadsOptions options_;
  std::shared_ptr<const TlsSettings> settings_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool stopping_ = false;
  uint64_t next_ = 0;
  std::map<uint64_t, Lane> lanes_;
};

}  // namespace troupe::cluster
