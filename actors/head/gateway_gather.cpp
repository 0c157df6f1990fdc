#include "actors/head/gateway_gather.hpp"

#include "runtime/core/log.hpp"

namespace troupe::actors {

kj::Promise<Result<api::Submitted>> SubmitGather::submit(const std::string& user,
                                                         Submission submission) {
  auto paf = kj::newPromiseAndFulfiller<Result<api::Submitted>>();
  auto& batch = open_[user];
  batch.submissions.push_back(std::move(submission));
  batch.waiting.push_back(kj::mv(paf.fulfiller));
  if (batch.waiting.size() == batch_max)
    tasks_.add(send(user));
  else if (batch.waiting.size() == 1)
    tasks_.add(kj::evalLast([this, user] { return send(user); }));
  return kj::mv(paf.promise);
}

kj::Promise<void> SubmitGather::send(const std::string& user) {
  auto node = open_.extract(user);
  if (!node) return kj::READY_NOW;  // it was full before the turn's end
  SubmitBatch batch;
  batch.user = user;
  batch.submissions = std::move(node.mapped().submissions);
  return admit_(std::move(batch))
      .then([waiting = std::move(node.mapped().waiting)](Answer answer) mutable {
        for (size_t i = 0; i < waiting.size(); ++i)
          waiting[i]->fulfill(answer ? std::move((*answer)[i])
                                     : Result<api::Submitted>{answer.error()});
      });
}

/// Who waited for it is told by the fulfillers that went with it.
void SubmitGather::taskFailed(kj::Exception&& exception) {
  log::error("gateway", "a batch of submissions failed: {}", exception.getDescription().cStr());
}

}  // namespace troupe::actors
