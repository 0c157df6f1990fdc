// The bridge from the KJ thread to actors: a question is sent to one long-lived actor, which asks
// and fulfills the promise on the KJ thread. (An actor spawned on the KJ thread would leave a
// logger reference there that keeps the actor system from ending.)
#pragma once

#include "actors/messages.hpp"
#include "runtime/core/result.hpp"

#include <kj/async.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace troupe::actors {

using Question = std::function<void(caf::event_based_actor*)>;
using QuestionRef = Shared<Question>;

}  // namespace troupe::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::QuestionRef)

namespace troupe::actors {

/// What a question that changes nothing gets: people wait for the answer.
inline constexpr auto read_timeout = std::chrono::seconds{30};

/// An answer that says nothing but that it is done.
inline Result<void> without_value(Result<bool> answer) {
  if (!answer) return std::move(answer).error();
  return ok();
}

/// Runs questions; end it with exit_reason::user_shutdown.
caf::behavior bridge_behavior(caf::event_based_actor* self);

class Bridge {
 public:
  explicit Bridge(caf::actor actor) : actor_{std::move(actor)} {}

  /// Asks `target`; `what` names the question in errors. Call on the KJ thread; the answer arrives
  /// there. Dropping the promise makes a late answer a no-op.
  template <class T, class Handle, class... Ts>
  kj::Promise<Result<T>> ask(const Handle& target, std::chrono::milliseconds timeout,
                             std::string what, Ts... xs) const {
    auto paf = kj::newPromiseAndCrossThreadFulfiller<Result<T>>();
    auto slot = std::make_shared<kj::Own<kj::CrossThreadPromiseFulfiller<Result<T>>>>(
        kj::mv(paf.fulfiller));
    Question question = [=](caf::event_based_actor* self) {
      self->request(target, timeout, xs...)
          .then([slot](T& answer) { (*slot)->fulfill(Result<T>{std::move(answer)}); },
                [slot, what](caf::error& e) { (*slot)->fulfill(Result<T>{from_caf(e, what)}); });
    };
    caf::anon_send(actor_, ask_atom_v, share(std::move(question)));
    return kj::mv(paf.promise);
  }

 private:
  caf::actor actor_;
};

}  // namespace troupe::actors
