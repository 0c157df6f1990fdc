// Single submissions that become batches: who goes with whom, and whose answer is whose.
#include "actors/head/gateway_gather.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <kj/async-io.h>

namespace troupe::actors {
namespace {

using testing::ElementsAre;

Submission named(const std::string& name) {
  Submission submission;
  submission.experiment.name = name;
  return submission;
}

struct Fixture {
  kj::AsyncIoContext io = kj::setupAsyncIo();
  std::vector<size_t> sizes;
  std::vector<std::string> users;
  bool broken = false;
  SubmitGather gather{[this](SubmitBatch batch) -> kj::Promise<SubmitGather::Answer> {
    sizes.push_back(batch.submissions.size());
    users.push_back(batch.user);
    if (broken) return SubmitGather::Answer{Error{Errc::exhausted, "no room", "", ""}};
    std::vector<Result<api::Submitted>> answers;
    for (auto& submission : batch.submissions) {
      auto number = std::stoull(submission.experiment.name);
      if (number % 10 == 7)
        answers.emplace_back(Error{Errc::invalid, submission.experiment.name, "", ""});
      else
        answers.emplace_back(api::Submitted{{number, 0}, false, 1, false});
    }
    return SubmitGather::Answer{std::move(answers)};
  }};
};

TEST(SubmitGather, GivesEachItsOwnAnswer) {
  Fixture f;
  std::vector<kj::Promise<Result<api::Submitted>>> answers;
  for (size_t i = 1; i <= 20; ++i)
    answers.push_back(f.gather.submit("ann", named(fmt::to_string(i))));
  EXPECT_THAT(f.sizes, ElementsAre());
  for (size_t i = 1; i <= 20; ++i) {
    auto answer = answers[i - 1].wait(f.io.waitScope);
    ASSERT_EQ(static_cast<bool>(answer), i % 10 != 7);
    if (answer)
      EXPECT_EQ(answer->id.top, i);
    else
      EXPECT_EQ(answer.error().what, fmt::to_string(i));
  }
  EXPECT_THAT(f.sizes, ElementsAre(20u));
  EXPECT_TRUE(f.gather.submit("ann", named("21")).wait(f.io.waitScope));
  EXPECT_THAT(f.sizes, ElementsAre(20u, 1u));
}

TEST(SubmitGather, NeverMixesUsersNorGrowsOverItsLimit) {
  Fixture f;
  std::vector<kj::Promise<Result<api::Submitted>>> answers;
  for (size_t i = 0; i < SubmitGather::batch_max + 3; ++i)
    answers.push_back(f.gather.submit("ann", named("1")));
  answers.push_back(f.gather.submit("bob", named("2")));
  for (auto& answer : answers) EXPECT_TRUE(answer.wait(f.io.waitScope));
  std::map<std::string, std::vector<size_t>> by_user;
  for (size_t i = 0; i < f.sizes.size(); ++i) by_user[f.users[i]].push_back(f.sizes[i]);
  EXPECT_THAT(by_user["ann"], ElementsAre(SubmitGather::batch_max, 3u));
  EXPECT_THAT(by_user["bob"], ElementsAre(1u));
}

TEST(SubmitGather, OneWhoLeftDisturbsNobody) {
  Fixture f;
  auto stays = f.gather.submit("ann", named("1"));
  { auto leaves = f.gather.submit("ann", named("2")); }
  EXPECT_EQ(stays.wait(f.io.waitScope)->id.top, 1u);
  EXPECT_THAT(f.sizes, ElementsAre(2u));
}

TEST(SubmitGather, AnErrorOfTheBatchIsEverybodys) {
  Fixture f;
  f.broken = true;
  auto first = f.gather.submit("ann", named("1"));
  auto second = f.gather.submit("ann", named("2"));
  EXPECT_EQ(first.wait(f.io.waitScope).error().what, "no room");
  EXPECT_EQ(second.wait(f.io.waitScope).error().what, "no room");
}

}  // namespace
}  // namespace troupe::actors
