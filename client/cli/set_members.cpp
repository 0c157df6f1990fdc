#include "client/cli/set_members.hpp"

#include "client/cli/session.hpp"
#include "runtime/core/limits.hpp"

namespace troupe::cli {

Result<void> SetMembers::visit(client::Client& head, const Value& set, const Each& each) {
  client::ListOptions options;
  options.set = text_of(set, "id");
  options.limit = limits::page_max;
  options.page_token = from_;
  bool settled = true;  // all so far, from `from_` on
  auto visit_page = [&](const ValueList& members) -> Result<void> {
    for (const auto& member : members) {
      auto done = each(member);
      if (!done) return std::move(done).error();
      settled = settled && *done;
    }
    return ok();
  };
  if (from_.empty()) {
    TROUPE_TRY(visit_page(list_of(set, "members")));
    options.page_token = text_of(set, "members_next_page_token");
    if (settled) from_ = options.page_token;
    if (options.page_token.empty()) return ok();
  }
  for (;;) {
    auto page = head.list(options);
    if (!page) return std::move(page).error();
    TROUPE_TRY(visit_page(list_of(*page, "experiments")));
    options.page_token = text_of(*page, "next_page_token");
    if (options.page_token.empty()) return ok();
    if (settled) from_ = options.page_token;
  }
}

Result<std::vector<JobId>> jobs_of_member(client::Client& head, const Value& set,
                                          const Value& member) {
  std::vector<JobId> jobs;
  auto id = parse_experiment_id(text_of(member, "id"));
  if (!id || text_of(member, "state") == "QUEUED") return jobs;
  if (text_of(set, "workers") == "1") {
    jobs.push_back(JobId{*id, "worker", 0});
    return jobs;
  }
  auto shown = head.show(*id);
  if (!shown) return std::move(shown).error();
  for (const auto& job : list_of(*shown, "jobs"))
    if (auto job_id = parse_job_id(text_of(job, "id"))) jobs.push_back(*job_id);
  return jobs;
}

}  // namespace troupe::cli
