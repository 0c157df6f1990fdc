#include "runtime/core/state.hpp"

#include <array>
#include <cctype>
#include <utility>

namespace troupe {

namespace {

constexpr std::array<std::pair<State, std::string_view>, 11> names{{
    {State::queued, "QUEUED"},
    {State::preparing, "PREPARING"},
    {State::starting, "STARTING"},
    {State::running, "RUNNING"},
    {State::killing, "KILLING"},
    {State::finished, "FINISHED"},
    {State::failed, "FAILED"},
    {State::killed, "KILLED"},
    {State::skipped, "SKIPPED"},
    {State::preempted, "PREEMPTED"},
    {State::restarting, "RESTARTING"},
}};

bool same_letters(std::string_view a, std::string_view upper) {
  if (a.size() != upper.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (std::toupper(static_cast<unsigned char>(a[i])) != upper[i]) return false;
  return true;
}

}  // namespace

std::string_view to_string(State state) {
  for (const auto& [value, name] : names)
    if (value == state) return name;
  return "?";
}

std::optional<State> state_from_string(std::string_view text) {
  for (const auto& [value, name] : names)
    if (same_letters(text, name)) return value;
  return std::nullopt;
}

bool is_terminal(State state) {
  return state == State::finished || state == State::failed || state == State::killed ||
         state == State::skipped;
}

bool may_become(State from, State to) {
  if (is_terminal(from) || from == to) return false;
  // A kill may overtake an end, never the other way round: what is being killed ends as killed.
  if (from == State::killing) return to == State::killed;
  switch (to) {
    case State::failed:
    case State::killing:
    case State::killed:
      return true;
    case State::skipped:
      return from == State::queued;
    case State::queued:
      return from == State::preempted || from == State::restarting;
    case State::preparing:
      return from == State::queued;
    case State::starting:
      return from == State::preparing;
    case State::running:
      return from == State::starting;
    case State::finished:  // also one that waited for another attempt, and needs none
      return from == State::running || from == State::queued;
    case State::preempted:
    case State::restarting:
      return from == State::preparing || from == State::starting || from == State::running;
  }
  return false;
}

}  // namespace troupe
