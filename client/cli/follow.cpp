#include "client/cli/follow.hpp"

#include "client/cli/set_members.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fcntl.h>
#include <list>
#include <set>
#include <unistd.h>

namespace troupe::cli {

namespace {

int interrupt_fd = -1;  // written by the signal handler alone; a handler can reach nothing else

extern "C" void on_interrupt(int) {
  char byte = 1;
  (void)!write(interrupt_fd, &byte, 1);
  std::signal(SIGINT, SIG_DFL);  // a second Ctrl-C ends even a program that hangs
}

/// While it lives, Ctrl-C writes to a pipe instead of ending the program.
class InterruptPipe {
 public:
  InterruptPipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return;
    read_.reset(ends[0]);
    write_.reset(ends[1]);
    interrupt_fd = write_.get();
    std::signal(SIGINT, on_interrupt);
    std::signal(SIGTERM, on_interrupt);
  }
  ~InterruptPipe() {
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
  }
  int fd() const { return read_.get(); }

 private:
  UniqueFd read_, write_;
};

constexpr size_t streams_max = 64;           // log streams at a time: each is a connection
constexpr auto ask_again = Duration{2'000};  // events tell; asking is for what they could miss

bool terminal_state(std::string_view text) {
  auto state = state_from_string(text);
  return state && is_terminal(*state);
}

/// Everything one call of follow() knows.
class Follower {
 public:
  Follower(Session& session, client::Client& head, const std::vector<ExperimentId>& ids,
           const FollowOptions& options)
      : session_{session}, head_{head}, options_{options} {
    for (auto id : ids) watched_[id] = Value{};
  }

  int run() {
    static InterruptPipe interrupt;  // KJ looks at its descriptor until the program ends
    head_.http().interrupt_on(interrupt.fd());
    auto start = session_.clock().monotonic();
    open_events();
    for (;;) {
      if (auto looked = look(); !looked) {
        if (head_.http().interrupted()) return detached();
        return session_.fail(looked.error());
      }
      if (done()) break;
      head_.http().pump(ask_again);
      if (head_.http().interrupted()) return detached();
      if (session_.out().closed()) return 0;
      if (events_failed_) return session_.fail(*events_failed_);
      if (options_.timeout && session_.clock().monotonic() - start > *options_.timeout)
        return session_.fail({Errc::timed_out, "not ended in the time given", waiting_text(),
                              "it goes on; wait again, or end it with `troupe kill`"});
    }
    return result();
  }

 private:
  void open_events() {
    auto seen = [this](const Value& event) {
      last_event_ = std::max(last_event_, static_cast<uint64_t>(int_of(event, "number")));
      on_event(event);
    };
    auto ended = [this](Result<void> end) {
      if (!end) events_failed_ = end.error();
      events_ended_ = true;
    };
    events_ended_ = false;
    events_ = head_.follow_events(std::max(last_event_, options_.after_event), seen, ended);
  }

  void on_event(const Value& event) {
    auto subject = text_of(event, "subject");
    auto id = parse_experiment_id(subject);
    if (!id) return;  // of a job or a node
    auto top = watched_.find(id->parent());
    auto self = watched_.find(*id);
    if (top == watched_.end() && self == watched_.end()) return;
    changed_ = true;
    if (!options_.states) return;
    if (session_.out().wants_json()) {
      session_.out().json(event);
      return;
    }
    if (session_.out().quiet()) return;
    auto state = text_of(event, "to");
    auto cause = text_of(event, "cause");
    // The steps between are of interest for a single experiment only.
    bool quiet_step =
        id->is_member() && (state == "QUEUED" || state == "PREPARING" || state == "STARTING");
    if (state.empty() || quiet_step) return;
    session_.out().talk(fmt::format("{} {} {}{}{}", session_.out().paint_talk(Colour::grey, "-->"),
                                    subject, session_.out().paint_talk(state_colour(state), state),
                                    cause.empty() ? "" : ": ", safe_text(cause)));
  }

  /// Asks the head how everything watched stands, opens logs that are there to read.
  Result<void> look() {
    if (!changed_ && session_.clock().monotonic() - looked_ < ask_again) {
      open_logs();
      return ok();
    }
    changed_ = false;
    looked_ = session_.clock().monotonic();
    if (events_ended_) open_events();
    for (auto& [id, entry] : watched_) {
      if (terminal_state(text_of(entry, "state"))) continue;
      auto shown = head_.show(id);
      if (!shown) return std::move(shown).error();
      entry = std::move(*shown);
      TROUPE_TRY(note_jobs(entry));
    }
    open_logs();
    return ok();
  }

  Result<void> note_jobs(const Value& entry) {
    if (!options_.logs) return ok();
    if (text_of(entry, "kind") == "set")
      return members_[text_of(entry, "id")].visit(
          head_, entry, [&](const Value& member) { return note_member(entry, member); });
    for (const auto& job : list_of(entry, "jobs"))
      if (auto id = parse_job_id(text_of(job, "id"))) note_job(*id);
    return ok();
  }

  /// Its jobs do not change any more once it has been placed: whether it has.
  Result<bool> note_member(const Value& set, const Value& member) {
    auto id = text_of(member, "id");
    if (known_members_.count(id) != 0) return true;
    auto jobs = jobs_of_member(head_, set, member);
    if (!jobs) return std::move(jobs).error();
    if (!jobs->empty()) known_members_.insert(id);
    for (const auto& job : *jobs) note_job(job);
    return !jobs->empty();
  }

  void note_job(const JobId& job) {
    if (!options_.role.empty() && job.role != options_.role) return;
    if (options_.job_index >= 0 && job.index != options_.job_index) return;
    if (known_jobs_.insert(to_string(job)).second) waiting_jobs_.push_back(job);
  }

  void open_logs() {
    streams_.remove_if([](const LogStream& stream) { return stream.ended; });
    while (!waiting_jobs_.empty() && streams_.size() < streams_max) {
      auto job = waiting_jobs_.front();
      waiting_jobs_.erase(waiting_jobs_.begin());
      auto& stream = streams_.emplace_back();
      auto* state = &stream;
      auto line = [this](const Value& value) { print_log_line(session_, value, prefixed()); };
      auto ended = [this, state](Result<void> end) {
        state->ended = true;
        if (!end && end.error().code != Errc::not_found)
          session_.out().talk(fmt::format("the log ended early: {}", to_string(end.error())));
      };
      stream.stream = head_.follow_logs(job.experiment, fmt::format("{}.{}", job.role, job.index),
                                        0, options_.tail, line, ended);
    }
  }

  bool prefixed() const {
    if (watched_.size() > 1 || known_jobs_.size() > 1) return true;
    const auto& entry = watched_.begin()->second;
    return text_of(entry, "kind") == "set";
  }

  bool done() {
    for (const auto& [id, entry] : watched_)
      if (!terminal_state(text_of(entry, "state"))) return false;
    streams_.remove_if([](const LogStream& stream) { return stream.ended; });
    return streams_.empty() && waiting_jobs_.empty();
  }

  std::string waiting_text() const {
    std::string text;
    for (const auto& [id, entry] : watched_)
      if (auto state = text_of(entry, "state"); !terminal_state(state))
        text += fmt::format("{}{} is {}", text.empty() ? "" : ", ", to_string(id), state);
    return text;
  }

  int detached() {
    auto& out = session_.out();
    if (!out.wants_json())
      out.talk(fmt::format("\ndetached; it goes on. Back to it: {}",
                           out.paint_talk(Colour::bold, options_.way_back)));
    return 130;
  }

  int result() {
    if (options_.print_result) print_result();
    int code = 0;
    for (const auto& [id, entry] : watched_) {
      auto one = exit_code_of_entry(entry);
      if (watched_.size() == 1) return one;
      if (one != 0) code = 1;
    }
    return code;
  }

  void print_result() {
    auto& out = session_.out();
    ValueList all;
    for (const auto& [id, entry] : watched_) {
      auto state = text_of(entry, "state");
      if (out.quiet())
        out.line(to_string(id));
      else if (!out.wants_json())
        out.line(fmt::format("{}\t{}", to_string(id), out.paint(state_colour(state), state)));
      all.push_back(entry);
    }
    if (out.wants_json()) out.json(all.size() == 1 ? all.front() : Value{all});
  }

  struct LogStream {
    std::unique_ptr<client::Stream> stream;
    bool ended = false;
  };

  Session& session_;
  client::Client& head_;
  const FollowOptions& options_;
  std::map<ExperimentId, Value> watched_;
  std::set<std::string> known_jobs_;
  std::set<std::string> known_members_;        // whose jobs are all known
  std::map<std::string, SetMembers> members_;  // by set
  std::vector<JobId> waiting_jobs_;
  std::list<LogStream> streams_;
  std::unique_ptr<client::Stream> events_;
  std::optional<Error> events_failed_;
  uint64_t last_event_ = 0;
  bool events_ended_ = false;
  bool changed_ = true;
  std::chrono::nanoseconds looked_{0};
};

Colour job_colour(std::string_view job) {
  constexpr std::array colours{Colour::cyan,    Colour::green, Colour::yellow,
                               Colour::magenta, Colour::blue,  Colour::red};
  return colours[std::hash<std::string_view>{}(job) % colours.size()];
}

}  // namespace

int follow(Session& session, const std::vector<ExperimentId>& ids, const FollowOptions& options) {
  auto head = session.head();
  if (!head) return session.fail(head.error());
  return Follower{session, **head, ids, options}.run();
}

int exit_code_of_entry(const Value& entry) {
  auto state = text_of(entry, "state");
  if (text_of(entry, "kind") == "set") {
    const Value counts = map_of(entry, "counts");
    return state == "FINISHED" && int_of(counts, "failed") == 0 ? 0 : 1;
  }
  if (state == "FINISHED") return 0;
  if (const auto* code = entry.find("exit_code"); code != nullptr && code->is_int())
    if (code->as_int() != 0) return static_cast<int>(code->as_int() & 0xff);
  for (const auto& job : list_of(entry, "jobs"))
    if (auto signal = int_of(job, "signal"); signal != 0) return static_cast<int>(128 + signal);
  return 1;
}

void print_log_line(Session& session, const Value& line, bool prefix) {
  auto& out = session.out();
  if (out.wants_json()) {
    out.json(line);
    return;
  }
  auto text = text_of(line, "text");
  if (out.out().terminal) text = safe_text(text, true);
  if (prefix) {
    auto job = text_of(line, "job");
    text = fmt::format("{} {}", out.paint(job_colour(job), job), text);
  }
  out.line(text);
}

}  // namespace troupe::cli
