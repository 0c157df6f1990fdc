// What a communicator consists of. Its parts belong to the thread that makes its calls.
#pragma once

#include "gpu/comm/communicator.hpp"
#include "gpu/comm/link.hpp"
#include "gpu/comm/local_group.hpp"
#include "gpu/comm/pace.hpp"
#include "gpu/comm/roster.hpp"
#include "gpu/comm/wire_group.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace troupe::comm {

/// What is wrong with a call whatever the others do; `blocks`: of `count` elements each.
std::optional<Error> wrong_arguments(const Signature& call, uint64_t blocks, bool has_data,
                                     uint32_t peer, uint32_t size);

struct Communicator::State {
  Options options;
  std::vector<Member> members;
  std::vector<uint32_t> neighbours;  // the ranks of this host, this one among them
  uint32_t hosts = 1;
  bool alike = true;  // all hosts have as many ranks

  std::optional<Segment> segment;  // where some host has several ranks
  std::optional<LocalGroup> local;
  Controls controls;
  std::vector<std::unique_ptr<Link>> links;  // by rank
  std::optional<WireGroup> world;            // all ranks
  std::optional<WireGroup> across;           // the ranks that have this one's place on their hosts
  std::optional<Error> failure;
  std::unique_ptr<Pace> pace;
  std::chrono::nanoseconds counted{0};  // waited, as the pace says
  std::chrono::nanoseconds apart{0};    // waited in messages: there not all ranks meet
  /// Of all_reduce_parts: what goes out, comes in, this rank's sum, all sums. Kept for the next
  /// call.
  std::array<std::vector<std::byte>, 4> parts_memory;

  /// The steps of open(), in this order.
  Result<void> join(Moment until);
  Result<void> share_memory(UniqueFd doorbell, Moment until);
  Result<void> connect(UniqueFd listener, Moment until);
  void build_groups();

  uint32_t rank() const { return options.rank; }
  uint32_t size() const { return options.size; }
  bool is_one_host() const { return hosts == 1; }
  /// In all calls, so far.
  std::chrono::nanoseconds waited() const;
  /// Before a call: what has failed before.
  std::optional<Error> standing_failure();
  /// Of a call: lets the others know of an error, and says which call it was.
  Result<void> finish(Result<void> result, const Signature& call);
  Error fail(const Error& cause);
  Result<void> all_reduce_over_hosts(const Signature& call, const void* in, void* out, size_t count,
                                     uint64_t divisor);
};

}  // namespace troupe::comm
