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
    caf::typed_response_promise<uint64_t> promise;
  };

  void flush();
  Result<uint64_t> commit(const std::vector<Waiting*>& group);

  ledger_actor::pointer self_;
  HeadContextRef context_;
  std::vector<Waiting> waiting_;
  Counter* commits_ = nullptr;
  Counter* mutations_ = nullptr;
};

ledger_actor::behavior_type ledger_behavior(ledger_actor::stateful_pointer<LedgerState> self,
                                            HeadContextRef context);

}  // namespace troupe::actors
