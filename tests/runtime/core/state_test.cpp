#include "runtime/core/state.hpp"

#include <gtest/gtest.h>

#include <set>
#include <utility>
#include <vector>

namespace troupe {
namespace {

using enum State;

const std::vector<State> all{queued, preparing, starting, running,   killing,   finished,
                             failed, killed,    skipped,  preempted, restarting};

TEST(State, NumbersAreStable) {
  EXPECT_EQ(static_cast<int>(queued), 1);
  EXPECT_EQ(static_cast<int>(preparing), 2);
  EXPECT_EQ(static_cast<int>(starting), 3);
  EXPECT_EQ(static_cast<int>(running), 4);
  EXPECT_EQ(static_cast<int>(killing), 5);
  EXPECT_EQ(static_cast<int>(finished), 6);
  EXPECT_EQ(static_cast<int>(failed), 7);
  EXPECT_EQ(static_cast<int>(killed), 8);
  EXPECT_EQ(static_cast<int>(skipped), 9);
  EXPECT_EQ(static_cast<int>(preempted), 10);
  EXPECT_EQ(static_cast<int>(restarting), 11);
}

TEST(State, NamesReadBackInAnyCase) {
  for (auto state : all) {
    EXPECT_EQ(state_from_string(to_string(state)), state);
    std::string lower;
    for (char c : to_string(state)) lower += static_cast<char>(std::tolower(c));
    EXPECT_EQ(state_from_string(lower), state);
  }
  EXPECT_FALSE(state_from_string(""));
  EXPECT_FALSE(state_from_string("RUN"));
  EXPECT_FALSE(state_from_string("RUNNINGS"));
  EXPECT_EQ(to_string(static_cast<State>(0)), "?");
}

TEST(State, TheWholeTable) {
  const std::set<std::pair<State, State>> table{
      {queued, preparing},   {queued, killing},      {queued, killed},
      {queued, failed},      {queued, skipped},      {preparing, starting},
      {queued, finished},    {preparing, killing},   {preparing, killed},
      {preparing, failed},   {preparing, preempted}, {preparing, restarting},
      {starting, running},   {starting, killing},    {starting, killed},
      {starting, failed},    {starting, preempted},  {starting, restarting},
      {running, finished},   {running, killing},     {running, killed},
      {running, failed},     {running, preempted},   {running, restarting},
      {killing, killed},     {preempted, queued},    {preempted, killing},
      {preempted, killed},   {preempted, failed},    {restarting, queued},
      {restarting, killing}, {restarting, killed},   {restarting, failed}};
  for (auto from : all)
    for (auto to : all)
      EXPECT_EQ(may_become(from, to), table.contains({from, to}))
          << to_string(from) << " -> " << to_string(to);
}

TEST(State, TerminalStatesNeverChange) {
  std::set<State> terminal;
  for (auto from : all) {
    if (!is_terminal(from)) continue;
    terminal.insert(from);
    for (auto to : all) EXPECT_FALSE(may_become(from, to));
  }
  EXPECT_EQ(terminal, (std::set<State>{finished, failed, killed, skipped}));
}

TEST(State, EveryStateIsReachedAndEveryLiveOneCanEnd) {
  std::set<State> reached{queued};
  for (size_t before = 0; before != reached.size();) {
    before = reached.size();
    for (auto from : all)
      for (auto to : all)
        if (reached.contains(from) && may_become(from, to)) reached.insert(to);
  }
  EXPECT_EQ(reached.size(), all.size());
  for (auto from : all) EXPECT_NE(is_terminal(from), may_become(from, killed));
}

}  // namespace
}  // namespace troupe
