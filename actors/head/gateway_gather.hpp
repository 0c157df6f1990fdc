// Single submissions that arrive together go to the director as one batch: under load most of what
// one costs is waking the threads and actors on its way, not the work they do. Each still gets an
// answer of its own, and what one alone waits for is the rest of the loop's turn. Lives on the KJ
// thread.
#pragma once

#include "actors/messages.hpp"
#include "runtime/core/result.hpp"

#include <kj/async.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace troupe::actors {

// KJ's interfaces have no virtual destructor; nobody disposes of this one through its base.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class SubmitGather final : private kj::TaskSet::ErrorHandler {
 public:
  using Answer = Result<std::vector<Result<api::Submitted>>>;
  /// Admits a batch: an answer for each, or one error for all.
  using Admit = std::function<kj::Promise<Answer>(SubmitBatch)>;

  /// A batch is one durable step, and this bounds how many a failing disk refuses together.
  static constexpr size_t batch_max = 64;

  explicit SubmitGather(Admit admit) : admit_{std::move(admit)}, tasks_{*this} {}
  ~SubmitGather() noexcept = default;  // KJ's may throw; what we hold never does

  kj::Promise<Result<api::Submitted>> submit(const std::string& user, Submission submission);

 private:
  struct Batch {
    std::vector<Submission> submissions;
    std::vector<kj::Own<kj::PromiseFulfiller<Result<api::Submitted>>>> waiting;
  };

  kj::Promise<void> send(const std::string& user);
  void taskFailed(kj::Exception&& exception) override;

  Admit admit_;
  std::map<std::string, Batch> open_;  // by user
  kj::TaskSet tasks_;
};
#pragma GCC diagnostic pop

}  // namespace troupe::actors
