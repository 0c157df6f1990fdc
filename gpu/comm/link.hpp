// Bytes between two ranks, in order, without ever waiting: through shared memory or TCP. Belongs to
// the thread that makes the communicator's calls.
#pragma once

#include "gpu/comm/segment.hpp"

namespace troupe::comm {

class Link {
 public:
  explicit Link(uint32_t rank) : rank_{rank} {}
  virtual ~Link() = default;
  /// How many bytes were taken; 0 where there is no room now.
  virtual Result<size_t> send_some(const std::byte* data, size_t bytes) = 0;
  /// How many bytes came; 0 where there are none now.
  virtual Result<size_t> receive_some(std::byte* data, size_t bytes) = 0;
  /// To poll; -1 where the other side wakes this one by itself.
  virtual int fd() const { return -1; }
  /// The rank at the other end.
  uint32_t rank() const { return rank_; }

 private:
  uint32_t rank_;
};

class MemoryLink final : public Link {
 public:
  MemoryLink(Segment& segment, uint32_t local);
  Result<size_t> send_some(const std::byte* data, size_t bytes) override;
  Result<size_t> receive_some(std::byte* data, size_t bytes) override;

 private:
  Segment& segment_;
  uint32_t local_;
  uint64_t sent_, received_;
};

class TcpLink final : public Link {
 public:
  TcpLink(UniqueFd fd, uint32_t rank) : Link{rank}, fd_{std::move(fd)} {}
  Result<size_t> send_some(const std::byte* data, size_t bytes) override;
  Result<size_t> receive_some(std::byte* data, size_t bytes) override;
  int fd() const override { return fd_.get(); }

 private:
  Error broken(int number) const;

  UniqueFd fd_;
};

/// One more connection to each rank of other hosts, on which nothing is said but why one has
/// failed, that it is done, or, where somebody asks, that it waits too. So a loss is seen at once,
/// whatever a rank waits for, and who waits is not taken for the one that is waited for.
class Controls {
 public:
  Controls();
  Result<void> add(UniqueFd fd, uint32_t rank);
  bool empty() const { return peers_.empty(); }
  /// Readable when a rank has said something or is gone.
  int fd() const { return epoll_.get(); }
  /// The first cause that any rank has told, or its loss. A rank that is done is remembered.
  std::optional<Error> check();
  /// Why that rank will send nothing more; nothing while it may.
  std::optional<Error> loss_of(uint32_t rank) const;
  void tell_failure(const Error& cause);
  void tell_done();
  /// Asks all who else waits; they answer when they look here, which a stopped rank does not.
  void ask_who_waits();
  /// Whether that rank has not answered yet.
  bool is_silent(uint32_t rank) const;

 private:
  struct Peer {
    UniqueFd fd;
    uint32_t rank;
    std::string came;
    bool done = false;
    uint64_t answered = 0;  // which of the questions
  };
  void answer(const Peer& peer, uint64_t question) const;
  void tell(const std::string& frame);
  std::optional<Error> read(Peer& peer);

  UniqueFd epoll_;
  std::vector<Peer> peers_;
  std::optional<Error> failure_;
  uint64_t asked_ = 0;
};

}  // namespace troupe::comm
