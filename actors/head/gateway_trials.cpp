#include "actors/head/gateway_trials.hpp"

#include "runtime/core/log.hpp"

namespace troupe::actors {

template <class T>
kj::Promise<Result<T>> TrialGather::add(uint64_t top, TrialCalls::Call call) {
  auto paf = kj::newPromiseAndFulfiller<Result<T>>();
  auto& batch = open_[top];
  batch.calls.push_back(std::move(call));
  batch.waiting.emplace_back(kj::mv(paf.fulfiller));
  if (batch.waiting.size() == batch_max)
    tasks_.add(send(top));
  else if (batch.waiting.size() == 1)
    tasks_.add(kj::evalLast([this, top] { return send(top); }));
  return kj::mv(paf.promise);
}

kj::Promise<Result<api::Asked>> TrialGather::ask(uint64_t top, const std::string& user,
                                                 api::AskRequest request) {
  return add<api::Asked>(top, {user, std::move(request)});
}

kj::Promise<Result<api::Told>> TrialGather::tell(uint64_t top, const std::string& user,
                                                 api::TellRequest request) {
  return add<api::Told>(top, {user, std::move(request)});
}

kj::Promise<void> TrialGather::send(uint64_t top) {
  auto node = open_.extract(top);
  if (!node) return kj::READY_NOW;  // it was full before the turn's end
  return ask_(TrialCalls{top, std::move(node.mapped().calls)})
      .then([waiting = std::move(node.mapped().waiting)](Result<TrialAnswersRef> answer) mutable {
        for (size_t i = 0; i < waiting.size(); ++i)
          std::visit(
              [&]<class T>(kj::Own<kj::PromiseFulfiller<Result<T>>>& one) {
                one->fulfill(answer ? std::move(std::get<Result<T>>((**answer)[i]))
                                    : Result<T>{answer.error()});
              },
              waiting[i]);
      });
}

/// Who waited for it is told by the fulfillers that went with it.
void TrialGather::taskFailed(kj::Exception&& exception) {
  log::error("gateway", "a batch of trials failed: {}", exception.getDescription().cStr());
}

}  // namespace troupe::actors
