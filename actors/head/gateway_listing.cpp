// Lists, and the members of sets that have no record yet: they exist by their number, and what they
// will be follows from the set's seed.
#include "actors/head/gateway_service.hpp"
#include "hpo/searcher.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <charconv>

namespace troupe::actors {

namespace {

ExperimentRecord unborn(const SetRecord& set, uint32_t member, hpo::Sampler& sampler) {
  ExperimentRecord record;
  record.id = {set.id.top, member};
  record.user = set.user;
  record.spec = set.spec;
  record.created = set.created;
  record.state = is_terminal(set.state) ? State::killed : State::queued;
  record.reason =
      is_terminal(set.state) ? "its set ended before it was made" : "waits for a place in its set";
  if (is_terminal(set.state)) record.ended = set.ended;
  if (auto params = sampler.suggest(member)) record.params = std::move(*params);
  return record;
}

}  // namespace

Result<api::Entry> GatewayService::unborn_member(ExperimentId id) {
  Error missing{Errc::not_found, fmt::format("experiment {} not found", to_string(id)), "",
                "troupe ls -a"};
  auto set = context_->ledger->set(id.top);
  if (!set) return std::move(set).error();
  if (!*set) {
    missing.detail = fmt::format("there is no set {}", id.top);
    return missing;
  }
  if (id.member > (**set).size) {
    missing.detail = fmt::format("set {} has {} members", id.top, (**set).size);
    return missing;
  }
  if (hpo::learns((**set).sweep.strategy) || (**set).sweep.ask) {
    missing.detail = is_terminal((**set).state) ? "its set ended before it was made"
                     : (**set).sweep.ask        ? "nobody has asked for it yet"
                                         : "what it tries is chosen when there is a place for it";
    missing.hint = fmt::format("troupe show {}", id.top);
    return missing;
  }
  auto sampler = hpo::make_sampler((**set).spec->parameters, (**set).sweep);
  if (!sampler) return std::move(sampler).error();
  return api::Entry{unborn(**set, id.member, **sampler)};
}

Result<api::Listing> GatewayService::list(const api::Caller& caller, const api::ListQuery& query) {
  if (caller.job && (!query.set || query.set->top != caller.job->top))
    return Error{Errc::refused, "a job's token may not list experiments",
                 "it is good for its own experiment alone", "use your own login"};
  constexpr std::string_view unborn_token = "unborn-";
  api::Listing listing;
  if (!query.page_token.starts_with(unborn_token)) {
    storage::ListQuery stored{query.project, query.state, query.set,
                              query.live,    query.limit, query.page_token};
    auto page = context_->ledger->list(stored);
    if (!page) return std::move(page).error();
    listing.entries = std::move(page->entries);
    // What is kept of them only `show` looks up.
    for (auto& entry : listing.entries)
      if (auto* one = std::get_if<ExperimentRecord>(&entry)) one->checkpoints.clear();
    listing.next_page_token = std::move(page->next_page_token);
    if (!listing.next_page_token.empty()) return listing;
  }
  if (query.set && (!query.state || *query.state == State::queued)) add_unborn(query, listing);
  return listing;
}

void GatewayService::add_unborn(const api::ListQuery& query, api::Listing& listing) {
  auto set = context_->ledger->set(query.set->top);
  if (!set || !*set || is_terminal((**set).state) || (**set).sweep.ask ||
      hpo::learns((**set).sweep.strategy))
    return;
  auto sampler = hpo::make_sampler((**set).spec->parameters, (**set).sweep);
  if (!sampler) return;
  uint64_t next = (**set).next;
  if (auto dash = query.page_token.find('-'); dash != std::string::npos) {
    uint64_t from = 0;
    std::from_chars(query.page_token.data() + dash + 1,
                    query.page_token.data() + query.page_token.size(), from);
    next = std::max(next, from);
  }
  while (next <= (**set).size && listing.entries.size() < query.limit)
    listing.entries.emplace_back(unborn(**set, static_cast<uint32_t>(next++), **sampler));
  if (next <= (**set).size) listing.next_page_token = fmt::format("unborn-{}", next);
}

}  // namespace troupe::actors
