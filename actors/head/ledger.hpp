// The ledger actor: the only writer of the head's truth.
#pragma once

#include "actors/head/head_context.hpp"

namespace troupe::actors {

class LedgerState {
 public:
  static inline const char* name = "troupe.ledger";
  explicit LedgerState(ledger_actor::pointer self) : self_{self} {}
  ledger_actor::behavior_type make_behavior(HeadContextRef context);

 private:
  struct Waiting {
    MutationsRef mutations;
    bool note = false;  // nobody waits for it
    caf::typed_response_promise<uint64_t> promise;
  };

  std::vector<Waiting> gather();
  static std::vector<storage::Mutation> changes_of(const std::vector<Waiting*>& group);
  void flush();
  void end_if_unusable() const;
  void flush_soon();
  void settle_apart(std::vector<Waiting>& group);
  void answer(Waiting& waiting, const Result<uint64_t>& committed);
  Result<uint64_t> commit(const std::vector<Waiting*>& group);
  void leave(const caf::error& reason);

  ledger_actor::pointer self_;
  HeadContextRef context_;
  std::vector<Waiting> waiting_;
  bool flush_sent_ = false;  // a flush is behind all that waits, in our own mailbox
  bool flush_timed_ = false;
  std::chrono::nanoseconds last_flush_{0};
  Counter* commits_ = nullptr;
  Counter* mutations_ = nullptr;
};

ledger_actor::behavior_type ledger_behavior(ledger_actor::stateful_pointer<LedgerState> self,
                                            HeadContextRef context);

}  // namespace troupe::actors
