// A bulk connection that blocks the thread that uses it: the same bytes as BulkStream says, without
// a loop between the socket and the place where they go. Either side of it may be the other kind.
// One thread at a time, but for hang_up().
#pragma once

#include "runtime/cluster/bulk_protocol.hpp"
#include "runtime/cluster/link_client.hpp"
#include "runtime/cluster/tls_socket.hpp"

#include <memory>
#include <string>

namespace troupe::cluster {

class BulkLane {
 public:
  /// Dials, proves both sides and greets. Blocks for some seconds at most.
  static Result<std::unique_ptr<BulkLane>> dial(const TlsSettings& settings, const Address& address,
                                                const std::string& peer, LinkHello hello,
                                                Clock& clock);
  explicit BulkLane(std::unique_ptr<TlsSocket> socket) : socket_{std::move(socket)} {}

  /// Asks and takes the answer, with question.take on this thread; `done` is not called.
  Result<BulkAnswer> ask(const BulkQuestion& question);
  /// Whether the other side has begun to answer the newest question.
  bool answer_begun() const { return begun_; }
  /// Whether the newest answer came whole: only then the next question can follow.
  bool answer_ended() const { return ended_; }

  /// Answers questions until the other side hangs up, or hang_up().
  void serve(const BulkOpen& open, const std::string& peer);
  /// Any thread.
  void hang_up() { socket_->hang_up(); }

 private:
  Result<BulkAnswer> receive(const BulkQuestion& question);
  Result<BulkFrameHeader> read_header();
  Result<void> write_frame(BulkFrame kind, std::string_view body);
  Result<void> answer(const BulkOpen& open, const std::string& peer, const BulkRequest& request);

  std::unique_ptr<TlsSocket> socket_;
  std::string body_;
  bool begun_ = false;
  bool ended_ = false;
};

/// Short texts with their length before them: the greetings of nodes.
Result<void> write_text(TlsSocket& socket, std::string_view text);
Result<std::string> read_text(TlsSocket& socket, size_t bytes_max);
/// As of a stream of KJ: a peer that is gone without a word is noticed in seconds.
void keep_alive(int fd);

}  // namespace troupe::cluster
