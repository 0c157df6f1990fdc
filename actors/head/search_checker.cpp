#include "actors/head/search_checker.hpp"

#include "hpo/replay.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

constexpr uint32_t members_a_page = 1000;

Result<std::vector<hpo::Point>> points_of(const storage::Ledger& ledger, uint64_t top) {
  std::vector<hpo::Point> points;
  while (true) {
    auto from = static_cast<uint32_t>(points.size() + 1);
    auto members = ledger.members(top, from, members_a_page);
    if (!members) return std::move(members).error();
    if (members->empty()) return points;
    for (auto& member : *members) {
      points.resize(member.id.member);
      points.back() = std::move(member.params);
    }
  }
}

}  // namespace

Result<api::SearchReplay> replay_search(const storage::Ledger& ledger, uint64_t top) {
  auto set = ledger.set(top);
  if (!set) return std::move(set).error();
  if (!*set)
    return Error{Errc::not_found, fmt::format("set {} not found", top),
                 "there is none with this id", "troupe ls -a"};
  auto searcher =
      hpo::Searcher::make((**set).spec->parameters, (**set).as_submitted(), (**set).picked);
  if (!searcher) return std::move(searcher).error();
  auto points = points_of(ledger, top);
  if (!points) return std::move(points).error();
  hpo::Replay replay{std::move(*searcher)};
  for (uint64_t page = 0;;) {
    auto pages = ledger.search(top, page);
    if (!pages) return std::move(pages).error();
    if (pages->entries.empty()) break;
    page = pages->next;
    for (const auto& entry : pages->entries)
      replay.take(entry,
                  entry.trial - 1 < points->size() ? (*points)[entry.trial - 1] : hpo::Point{});
  }
  replay.finish();
  replay.check_drawn(*points);
  const auto& account = replay.account();
  return api::SearchReplay{
      (**set).id,          (**set).picked.empty() ? (**set).sweep.strategy : (**set).picked,
      account.suggestions, account.reports,
      account.differences, account.first};
}

search_checker_actor::behavior_type search_checker_behavior(search_checker_actor::pointer,
                                                            HeadContextRef context) {
  return {[context](check_atom, uint64_t top) -> caf::result<SearchReplayRef> {
    auto replayed = replay_search(*context->ledger, top);
    if (!replayed) return to_caf(replayed.error());
    return share(std::move(*replayed));
  }};
}

}  // namespace troupe::actors
