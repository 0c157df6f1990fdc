// Asking the ledger actor to make changes durable. The answer is waited for as long as it takes, as
// on a disk that hangs: so it is the truth, and nobody has to guess what became of a question.
#pragma once

#include "actors/messages.hpp"

namespace troupe::actors {

// What is asked of actors that wait for a commit themselves. A commit is one sync: far beyond that
// the disk hangs.
inline constexpr auto commit_timeout = std::chrono::seconds{60};
/// Until what could not be made durable is tried again.
inline constexpr auto save_again_after = std::chrono::seconds{1};

inline MutationsRef mutations_ref(std::vector<storage::Mutation> list) {
  return share(Mutations{std::move(list)});
}

/// `atom` is commit_atom or later_atom. `done(uint64_t newest_event)` or `failed(caf::error&)` is
/// called once, unless the asking actor ends first.
template <class Self, class Atom, class Done, class Failed>
void request_commit(const Self& self, const ledger_actor& ledger, Atom atom,
                    const MutationsRef& mutations, Done done, Failed failed) {
  // tidy: allow infinite: the ledger answers or ends, and its end is an answer, too
  self->request(ledger, caf::infinite, atom, mutations).then(std::move(done), std::move(failed));
}

}  // namespace troupe::actors
