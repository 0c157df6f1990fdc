// The asking half towards one peer: questions wait for a connection, idle connections wait for a
// question. Lives on the thread of a KJ loop.
#pragma once

#include "runtime/cluster/bulk_stream.hpp"

#include <deque>
#include <functional>
#include <list>
#include <string>

namespace troupe::cluster {

// KJ's interfaces have no virtual destructor; nobody disposes of this one through its base.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class BulkAsker final : private kj::TaskSet::ErrorHandler {
 public:
  /// `wanted` is called when a question has to wait: one more connection would help.
  BulkAsker(std::string peer, kj::Timer& timer, std::function<void()> wanted)
      : peer_{std::move(peer)}, timer_{timer}, wanted_{std::move(wanted)}, tasks_{*this} {}
  /// Whoever still waits is told that nothing comes.
  ~BulkAsker() noexcept;

  void ask(BulkQuestion question);
  /// A connection on which the other side waits for questions.
  void offer(std::unique_ptr<BulkStream> stream);
  /// Connections there are, idle or not.
  size_t streams() const { return idle_.size() + busy_; }
  bool anybody_waits() const { return !waiting_.empty(); }

  static constexpr size_t streams_max = 8;
  static constexpr size_t waiting_max = 256;

 private:
  struct Pending {
    std::shared_ptr<BulkQuestion> question;
    kj::TimePoint until = kj::origin<kj::TimePoint>();
    uint32_t tries = 0;
  };
  using PendingRef = std::shared_ptr<Pending>;

  void begin();
  kj::Promise<void> run(PendingRef pending, std::unique_ptr<BulkStream> stream);
  void failed(const PendingRef& pending, bool begun, const kj::Exception& exception);
  void finish(const PendingRef& pending, Result<BulkAnswer> answer);
  void expire();
  void arm(kj::TimePoint until);
  Error nobody() const;
  void taskFailed(kj::Exception&& exception) override;

  std::string peer_;
  kj::Timer& timer_;
  std::function<void()> wanted_;
  std::deque<std::unique_ptr<BulkStream>> idle_;  // the newest last, and taken first
  size_t busy_ = 0;
  std::deque<PendingRef> waiting_;
  std::list<PendingRef> open_;  // all that have not been answered
  kj::TaskSet tasks_;
};
#pragma GCC diagnostic pop

}  // namespace troupe::cluster
