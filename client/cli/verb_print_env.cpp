// run --print-env: what each process would find in its environment.
#include "client/cli/commands.hpp"
#include "client/cli/project.hpp"

#ifdef TROUPE_HAS_UP
#include "actors/foreseen.hpp"
#endif

#include <fmt/format.h>

#include <algorithm>

namespace troupe::cli {

#ifdef TROUPE_HAS_UP

namespace {

using actors::ForeseenRank;

/// What all have alike is said once.
bool is_common(const std::vector<ForeseenRank>& ranks, const std::string& name,
               const std::string& value) {
  return std::all_of(ranks.begin(), ranks.end(), [&](const ForeseenRank& rank) {
    auto found = rank.env.find(name);
    return found != rank.env.end() && found->second == value;
  });
}

void print_lines(Output& out, const std::vector<ForeseenRank>& ranks, const ForeseenRank& rank,
                 bool common) {
  for (const auto& [name, value] : rank.env)
    if (is_common(ranks, name, value) == common)
      out.line(safe_text(fmt::format("{}={}", name, value)));
}

}  // namespace

int print_env(Session& session, const ExperimentSpec& spec) {
  auto ranks = actors::foreseen_ranks(spec);
  if (!ranks) return session.fail(ranks.error());
  auto& out = session.out();
  if (out.wants_json()) {
    ValueList list;
    for (const auto& rank : *ranks) {
      ValueMap one{{"rank", int64_t{rank.rank}},
                   {"job", rank.job},
                   {"node", rank.node},
                   {"env", ValueMap(rank.env.begin(), rank.env.end())}};
      if (!rank.argument.empty()) one.emplace("argument", rank.argument);
      list.push_back(std::move(one));
    }
    out.json(ValueMap{{"ranks", std::move(list)}});
    return 0;
  }
  out.talk("nothing is run; nodes, addresses, ports and folders are examples");
  if (ranks->size() > 1) {
    out.line(fmt::format("# all {} ranks", ranks->size()));
    print_lines(out, *ranks, ranks->front(), true);
  }
  for (const auto& rank : *ranks) {
    out.line(fmt::format("{}# rank {}: {} on {}", ranks->size() > 1 ? "\n" : "", rank.rank,
                         rank.job, rank.node));
    if (!rank.argument.empty()) out.line("# argument: " + rank.argument);
    print_lines(out, *ranks, rank, ranks->size() == 1);
  }
  return 0;
}

#else

int print_env(Session& session, const ExperimentSpec&) {
  return session.fail({Errc::refused, "this troupe knows no environment of jobs",
                       "it was built as a client alone", "ask a troupe that runs nodes"});
}

#endif

}  // namespace troupe::cli
