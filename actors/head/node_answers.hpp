// Questions to nodes by bulk whose answers come on some other thread: they wait here until the
// actor that asked takes them, on its own.
#pragma once

#include "actors/head/head_context.hpp"
#include "runtime/cluster/bulk.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace troupe::actors {

class NodeAnswers {
 public:
  using Take = std::function<void(Result<cluster::BulkAnswer>)>;

  /// `take` is called by arrived(), which somebody calls after `wake`. A context without a way to
  /// nodes answers unavailable, with `what` as what failed.
  void ask(const HeadContext& context, const std::string& node, cluster::BulkQuestion question,
           std::function<void()> wake, Take take, const char* what) {
    question.done = [inbox = inbox_, wake = std::move(wake),
                     take = std::move(take)](Result<cluster::BulkAnswer> answer) {
      auto held = std::make_shared<Result<cluster::BulkAnswer>>(std::move(answer));
      {
        std::lock_guard guard{inbox->mutex};
        inbox->answers.emplace_back([take, held] { take(std::move(*held)); });
      }
      wake();
    };
    if (!context.ask_node)
      return question.done(Error{Errc::unavailable, what, "there is no way to the nodes", ""});
    context.ask_node(node, std::move(question));
  }

  void arrived() {
    std::vector<std::function<void()>> answers;
    {
      std::lock_guard guard{inbox_->mutex};
      answers.swap(inbox_->answers);
    }
    for (const auto& answer : answers) answer();
  }

 private:
  struct Inbox {
    std::mutex mutex;
    std::vector<std::function<void()>> answers;
  };
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
};

}  // namespace troupe::actors
