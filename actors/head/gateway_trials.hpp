// What people ask and tell of sets that they run themselves goes to the director in batches, as
// submissions do (gateway_gather.hpp): of one set what arrives in one turn of the loop. Lives on
// the KJ thread.
#pragma once

#include "actors/messages.hpp"
#include "runtime/core/result.hpp"

#include <kj/async.h>

#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace troupe::actors {

// KJ's interfaces have no virtual destructor; nobody disposes of this one through its base.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class TrialGather final : private kj::TaskSet::ErrorHandler {
 public:
  /// Asks the set: an answer for each call, or one error for all.
  using Ask = std::function<kj::Promise<Result<TrialAnswersRef>>(TrialCalls)>;

  static constexpr size_t batch_max = 64;

  explicit TrialGather(Ask ask) : ask_{std::move(ask)}, tasks_{*this} {}
  ~TrialGather() noexcept = default;  // KJ's may throw; what we hold never does

  kj::Promise<Result<api::Asked>> ask(uint64_t top, const std::string& user,
                                      api::AskRequest request);
  kj::Promise<Result<api::Told>> tell(uint64_t top, const std::string& user,
                                      api::TellRequest request);

 private:
  template <class T>
  using Fulfiller = kj::Own<kj::PromiseFulfiller<Result<T>>>;
  using AnyFulfiller = std::variant<Fulfiller<api::Asked>, Fulfiller<api::Told>>;
  struct Batch {
    std::vector<TrialCalls::Call> calls;
    std::vector<AnyFulfiller> waiting;
  };

  template <class T>
  kj::Promise<Result<T>> add(uint64_t top, TrialCalls::Call call);
  kj::Promise<void> send(uint64_t top);
  void taskFailed(kj::Exception&& exception) override;

  Ask ask_;
  std::map<uint64_t, Batch> open_;  // by set
  kj::TaskSet tasks_;
};
#pragma GCC diagnostic pop

}  // namespace troupe::actors
