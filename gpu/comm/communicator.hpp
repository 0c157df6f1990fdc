// Communicators: collective calls and messages among the processes of one job. Ranks of one host
// share memory, ranks of different hosts talk by TCP; with several ranks on several hosts,
// all_reduce does both, each rank of a host carrying its share over the network.
//
// All ranks make the same collective calls in the same order, with the same types and sizes; a call
// that differs is an error on every rank. A call that fails ends the communicator: the other ranks'
// calls end too, with the same cause, and every later call gives it again. A rank whose process
// ends is noticed at once, one that stays away within the deadline. Data may lie anywhere, aligned
// or not; where it says so, input and output may be the same array, and never overlap otherwise.
//
// `count` is in elements of the type, all of a call's blocks at most 2^46 bytes; ranks count from
// 0. Codes of errors: `invalid` where the ranks' calls differ or no call can have such arguments,
// `timed_out` where a rank did not come within the deadline, `unavailable` where one is gone.
//
// A communicator belongs to one thread at a time; different ones to any threads. After fork() the
// child must not use it.
#pragma once

#include "gpu/comm/segment.hpp"
#include "gpu/comm/store.hpp"

#include <memory>
#include <span>

namespace troupe::comm {

struct Options {
  uint32_t rank = 0;  // this one, below `size`
  uint32_t size = 1;  // all of them
  /// Where the ranks find each other; not used any more once open() is through.
  std::shared_ptr<Store> store;
  /// What all ranks of the job know and nobody else.
  std::string secret;
  /// Communicators over one store have different names.
  std::string name = "world";
  /// Ranks that say the same here share memory. Empty: those of one machine and network namespace.
  std::string host;
  /// By which other ranks reach this one. Empty: what the store has seen.
  std::string address;
  /// False: TCP, also between ranks of one host.
  bool shared_memory = true;
  /// Until all ranks must have come.
  std::chrono::milliseconds join_deadline{std::chrono::minutes{1}};
  Patience patience;
};

/// What a job's environment says: RANK, WORLD_SIZE, the store that Troupe serves, or MASTER_ADDR
/// and MASTER_PORT, where rank 0 serves it; and the job's token (docs/reference/environment.md).
/// Waits for the store. `name` tells communicators that are open beside each other apart; the same
/// one can be opened again and again.
Result<Options> options_from_environment(const std::string& name = {});

class Communicator {
 public:
  /// Waits for all ranks; they must be told the same size.
  static Result<std::unique_ptr<Communicator>> open(const Options& options);
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  uint32_t rank() const;
  uint32_t size() const;
  /// How many hosts the ranks are on.
  uint32_t hosts() const;
  /// On which of them a rank is; they count from 0, in the order of their first ranks.
  uint32_t host_of(uint32_t rank) const;

  /// Returns when all ranks have come.
  Result<void> barrier();
  /// Every rank gets op over all ranks' `in`, in the same bits. In place where in == out.
  Result<void> all_reduce(const void* in, void* out, size_t count, DataType type, ReduceOp op);
  /// Every rank gets what `root` has.
  Result<void> broadcast(void* data, size_t count, DataType type, uint32_t root);
  /// `in` has size() blocks of `count`; rank r gets op over all ranks' block r.
  Result<void> reduce_scatter(const void* in, void* out, size_t count, DataType type, ReduceOp op);
  /// `out` has size() blocks of `count`: block r is what rank r has. `in` may be this rank's block.
  Result<void> all_gather(const void* in, void* out, size_t count, DataType type);
  /// `in` and `out` have size() blocks of `count`: block s of `in` becomes block rank() of rank s's
  /// `out`. In place where in == out.
  Result<void> all_to_all(const void* in, void* out, size_t count, DataType type);
  /// A message, taken by the other's receive() with the same count and type, in order. May wait
  /// until it is taken; ranks that send to each other should not both send first.
  Result<void> send(const void* data, size_t count, DataType type, uint32_t to);
  Result<void> receive(void* data, size_t count, DataType type, uint32_t from);
  /// Reduces arrays rather than ranks: each rank has some, all in all `parts_in_all` of them, the
  /// first of rank 0 first. The result depends on them alone, in every bit, and not on how many
  /// ranks have them. They are combined as a binary tree over their numbers.
  Result<void> all_reduce_parts(std::span<const void* const> parts, uint64_t first_part,
                                uint64_t parts_in_all, void* out, size_t count, DataType type,
                                ReduceOp op);

  /// Ends it for all ranks: their calls give this cause. For a rank that gives up.
  void abort(const Error& cause);
  /// Without waiting: what has ended it, also the death of another rank's process.
  Result<void> check();

 private:
  struct State;
  explicit Communicator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace troupe::comm
