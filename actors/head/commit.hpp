// Asking the ledger actor to make changes durable. A ledger that is silent for long, as on a disk
// that hangs, is asked again for the same changes: it writes them once, so the answer that comes in
// the end is the truth, and nobody has to guess what became of a question.
#pragma once

#include "actors/messages.hpp"
#include "runtime/core/log.hpp"

namespace troupe::actors {

// A commit is one sync: far beyond that the disk hangs, which is worth a line in the log.
inline constexpr auto commit_timeout = std::chrono::seconds{60};

inline MutationsRef mutations_ref(std::vector<storage::Mutation> list) {
  return share(Mutations{std::move(list)});
}

template <class Self, class Atom, class Answers>
void ask_to_commit(const Self& self, const ledger_actor& ledger, Atom atom,
                   const MutationsRef& mutations, std::shared_ptr<Answers> answers) {
  self->request(ledger, commit_timeout, atom, mutations)
      .then([answers](uint64_t newest) { answers->first(newest); },
            [self, ledger, atom, mutations, answers](caf::error& e) {
              if (e != caf::sec::request_timeout) return answers->second(e);
              log::error("ledger", "no answer for {} s: asking again", commit_timeout.count());
              ask_to_commit(self, ledger, atom, mutations, answers);
            });
}

/// `atom` is commit_atom or later_atom. `done(uint64_t newest_event)` or `failed(caf::error&)` is
/// called once, unless the asking actor ends first.
template <class Self, class Atom, class Done, class Failed>
void request_commit(const Self& self, const ledger_actor& ledger, Atom atom,
                    const MutationsRef& mutations, Done done, Failed failed) {
  auto answers = std::make_shared<std::pair<Done, Failed>>(std::move(done), std::move(failed));
  ask_to_commit(self, ledger, atom, mutations, std::move(answers));
}

}  // namespace troupe::actors
