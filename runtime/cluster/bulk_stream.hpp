// One bulk connection, of either side: questions one after the other, each with its answer. Lives
// on the thread of a KJ loop; sources and takers run on file threads. Back-pressure is TCP's own: a
// side that does not take what has come does not read on.
#pragma once

#include "runtime/cluster/bulk_protocol.hpp"

#include <kj/async-io.h>
#include <kj/timer.h>

#include <functional>
#include <memory>
#include <optional>

namespace troupe::cluster {

/// Runs a closure on a file thread. Dropping the promise lets it run to its end unheard.
template <class T>
kj::Promise<Result<T>> on_file_thread(FileThreads& threads, std::function<Result<T>()> closure) {
  auto paf = kj::newPromiseAndCrossThreadFulfiller<Result<T>>();
  auto slot =
      std::make_shared<kj::Own<kj::CrossThreadPromiseFulfiller<Result<T>>>>(kj::mv(paf.fulfiller));
  bool posted = threads.post([slot, closure = std::move(closure)] { (*slot)->fulfill(closure()); });
  if (!posted)
    return Result<T>{
        Error{Errc::exhausted, "nothing was read", "too much else is being read", "try again"}};
  return kj::mv(paf.promise);
}

class BulkStream {
 public:
  BulkStream(kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer,
             std::shared_ptr<FileThreads> threads)
      : stream_{kj::mv(stream)}, timer_{timer}, threads_{std::move(threads)} {}

  /// Waits for a question; false: the other side hung up, which is no error here.
  kj::Promise<bool> await_request();
  /// Answers the question that came.
  kj::Promise<void> answer(const BulkOpen& open, const std::string& peer);

  /// A rejected promise means that the connection is of no use any more; an Error in the answer
  /// that the other side said no.
  kj::Promise<Result<BulkAnswer>> ask(std::shared_ptr<const BulkQuestion> question);
  /// Whether the other side has begun to answer the newest question.
  bool answer_begun() const { return begun_; }
  /// Whether the newest answer came whole: only then the next question can follow.
  bool answer_ended() const { return ended_; }

 private:
  struct Frame {
    std::optional<BulkFrame> kind;  // none: the end of the stream
    std::string body;
  };
  using SourceRef = std::shared_ptr<BulkSource>;

  kj::Promise<Frame> read_frame();
  kj::Promise<void> write_frame(BulkFrame kind, std::string_view body);
  kj::Promise<Result<std::string>> next_piece(SourceRef source);
  kj::Promise<void> send(SourceRef source, Result<std::string> piece);
  kj::Promise<Result<BulkAnswer>> receive(std::shared_ptr<const BulkQuestion> question,
                                          std::shared_ptr<BulkAnswer> answer);
  kj::Promise<Result<BulkAnswer>> received(std::shared_ptr<const BulkQuestion> question,
                                           std::shared_ptr<BulkAnswer> answer, Frame frame);

  kj::Own<kj::AsyncIoStream> stream_;
  kj::Timer& timer_;
  std::shared_ptr<FileThreads> threads_;
  BulkRequest request_;
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace troupe::cluster
