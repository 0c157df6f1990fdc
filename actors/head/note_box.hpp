// Where state changes that nobody waits for lie until the ledger's next commit. A box and not a
// message each: the ledger's thread would be woken for every step of every short job.
#pragma once

#include "actors/messages.hpp"

#include <mutex>
#include <utility>
#include <vector>

namespace troupe::actors {

/// For any thread.
class NoteBox {
 public:
  /// True: it is the first since the last take(), and the ledger has to be told.
  bool add(MutationsRef note) {
    std::lock_guard lock{mutex_};
    notes_.push_back(std::move(note));
    return notes_.size() == 1;
  }
  /// What came since, in its order.
  std::vector<MutationsRef> take() {
    std::lock_guard lock{mutex_};
    return std::exchange(notes_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<MutationsRef> notes_;
};

}  // namespace troupe::actors
