// Collective calls among ranks that have links to each other: a pipelined ring for much data,
// recursive doubling for little. What the calls mean is said in communicator.hpp. Belongs to the
// thread that makes the communicator's calls.
//
// In the ring, each of n ranks sends to the next alone. The vector has n chunks; in step t a rank
// sends the chunk that it has completed in step t-1 and receives another, to add it or, in the
// second round, to keep it. Steps overlap: as much as has come in of one may be sent in the next.
#pragma once

#include "gpu/comm/link.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

namespace troupe::comm {

/// Waits for links: looks for a while, then sleeps until one of them can go on.
class LinkWaiter {
 public:
  LinkWaiter(Segment* segment, Controls* controls, const Patience& patience)
      : segment_{segment},
        controls_{controls},
        patience_{patience},
        budget_{patience.spins / looks_a_spin} {}
  struct Interest {
    const Link* link;
    bool send;
    bool receive;
  };
  /// Before the first try, and after each that moved something.
  void moved();
  /// After one that moved nothing.
  Result<void> nothing_moved(std::span<const Interest> interests);
  /// One that has links of this group over the network.
  void add(uint32_t rank) { ranks_.push_back(rank); }
  /// So far: what went beyond the first looks.
  std::chrono::nanoseconds waited() const { return waited_; }

 private:
  Result<void> look_around(std::span<const Interest> interests);
  /// At the deadline; nothing as long as others may still say that they wait, too.
  std::optional<Error> late(uint32_t waited_for);

  // Each look is a system call or two, not a load: a tenth of them takes as long.
  static constexpr uint32_t looks_a_spin = 10;

  Segment* segment_;
  Controls* controls_;
  Patience patience_;
  SpinBudget budget_;
  uint32_t idle_ = 0;
  std::chrono::nanoseconds waited_{0};
  std::chrono::steady_clock::time_point since_;
  std::chrono::steady_clock::time_point asked_;  // who else waits
  std::vector<uint32_t> ranks_;
};

class WireGroup {
 public:
  /// `links[i]` leads to the i-th rank of the group; nothing at `me`.
  WireGroup(std::vector<Link*> links, uint32_t me, LinkWaiter waiter)
      : links_{std::move(links)}, me_{me}, waiter_{waiter} {
    for (const auto* link : links_)
      if (link != nullptr && link->fd() >= 0) waiter_.add(link->rank());
  }

  uint32_t size() const { return static_cast<uint32_t>(links_.size()); }
  /// In all calls so far.
  std::chrono::nanoseconds waited() const { return waiter_.waited(); }

  Result<void> barrier(const Signature& call);
  /// In place. `divisor` for avg; 1 leaves the sum.
  Result<void> all_reduce(const Signature& call, void* data, size_t count, uint64_t divisor);
  Result<void> broadcast(const Signature& call, void* data, size_t count, uint32_t root);
  Result<void> reduce_scatter(const Signature& call, const void* in, void* out, size_t count,
                              uint64_t divisor);
  Result<void> all_gather(const Signature& call, const void* in, void* out, size_t count);
  Result<void> all_to_all(const Signature& call, const void* in, void* out, size_t count);
  Result<void> send(const Signature& call, const void* data, size_t count, uint32_t to);
  Result<void> receive(const Signature& call, void* data, size_t count, uint32_t from);

 private:
  /// Goes before the data of a call on each link that it uses.
  struct Head {
    uint64_t magic = 0;
    uint64_t number = 0;
    Signature call;
  };
  struct Transfer {
    Link* link;
    bool sends;
    std::byte* data;
    size_t bytes;
    size_t done = 0;
    size_t enough = SIZE_MAX;  // so many bytes will do for now
    bool is_done() const { return done >= std::min(bytes, enough); }
  };
  /// One step of a ring: [send_at, + send_bytes) goes out, what comes is for receive_at.
  struct Step {
    size_t send_at, send_bytes;
    size_t receive_at, receive_bytes;
    bool adds;
    uint64_t divisor;
  };
  class Ring;

  Head head(const Signature& call) const;
  Result<void> compare(const Head& came, const Signature& call, uint32_t from) const;
  /// All of them at the same time, until all are done.
  Result<void> run(std::span<Transfer> transfers);
  Result<void> swap_heads(const Signature& call, uint32_t to, uint32_t from);
  Result<void> doubling(const Signature& call, void* data, size_t count, uint64_t divisor);
  Result<void> ring(const Signature& call, std::byte* data, const std::vector<Step>& steps);
  /// Where chunk `index` (of any number: it goes round) of `count` elements begins and ends.
  std::pair<size_t, size_t> chunk(size_t count, int64_t index) const;
  void add_reduce_steps(std::vector<Step>& steps, const Signature& call, size_t count,
                        int64_t first, uint64_t divisor) const;
  void add_gather_steps(std::vector<Step>& steps, const Signature& call, size_t count,
                        int64_t first) const;

  std::vector<Link*> links_;
  uint32_t me_;
  LinkWaiter waiter_;
  uint64_t call_ = 0;
  std::vector<std::byte> scratch_;
};

}  // namespace troupe::comm
