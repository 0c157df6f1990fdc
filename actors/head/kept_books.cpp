#include "actors/head/kept_books.hpp"

#include "runtime/core/limits.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

// A label of this name keeps what an experiment wrote, unless it says no.
constexpr char keep_label[] = "keep";

bool is_pinned(const ExperimentSpec& spec) {
  auto at = spec.labels.find(keep_label);
  return at != spec.labels.end() && at->second != "no" && at->second != "false";
}

/// The larger the better, as the set compares.
std::optional<double> score_of(const ExperimentRecord& record, const SetRecord& set) {
  if (!set.sweep.metric) return {};
  auto at = record.extremes.find(set.sweep.metric->name);
  if (at == record.extremes.end()) return {};
  return set.sweep.metric->maximize ? at->second.max : -at->second.min;
}

class BookKeeper {
 public:
  explicit BookKeeper(ExperimentBooks& books) : books_{books} {}

  void add(const ExperimentRecord& record, const SetRecord* set) {
    OutputFacts facts;
    facts.id = record.id;
    facts.project = record.spec->project;
    facts.ended = is_terminal(record.state) && (set == nullptr || is_terminal(set->state));
    facts.end = record.ended;
    if (set != nullptr) facts.ranked = set->sweep.metric.has_value();
    if (set != nullptr) facts.score = score_of(record, *set);
    if (is_pinned(*record.spec)) facts.held = "its label `keep` says so";
    books_.experiments[record.id] = std::move(facts);
    add_spec(record.id, *record.spec, is_terminal(record.state), record.ended);
  }
  /// Of a set before its members: those that have no record yet read the same.
  void add(const SetRecord& set) { add_spec(set.id, *set.spec, is_terminal(set.state), set.ended); }
  void settle(const std::vector<DatasetVersion>& versions) {
    for (const auto& [id, reader] : books_.readers)
      hold(id, fmt::format("{} reads them and has not ended", reader));
    for (const auto& version : versions)
      if (auto id = parse_experiment_id(version.from);
          id && !outputs_of(version) && !version.checkpoint)
        hold(*id, fmt::format("dataset {} was made of them", version_title(version)));
  }

 private:
  void add_spec(ExperimentId id, const ExperimentSpec& spec, bool over, Timestamp ended) {
    if (!spec.code_digest.empty()) books_.code.insert(spec.code_digest);
    for (const auto& mount : spec.data) {
      auto ref = parse_dataset_ref(mount.source);
      if (!ref || !ref->output) continue;
      auto& last = books_.read[*ref->output];
      last = std::max(last, ended);
      if (!over) books_.readers[*ref->output] = to_string(id);
    }
  }
  void hold(ExperimentId id, std::string why) {
    auto at = books_.experiments.find(id);
    if (at != books_.experiments.end() && at->second.held.empty()) at->second.held = std::move(why);
  }

  ExperimentBooks& books_;
};

}  // namespace

std::string version_title(const DatasetVersion& version) {
  return outputs_of(version) ? version.name : fmt::format("{}:{}", version.name, version.version);
}

std::optional<ExperimentId> outputs_of(const DatasetVersion& version) {
  auto ref = parse_dataset_ref(version.name);
  return ref && ref->output && outputs_name(*ref->output) == version.name ? ref->output
                                                                          : std::nullopt;
}

Result<std::vector<DatasetVersion>> named_versions(const storage::Ledger& ledger) {
  std::vector<DatasetVersion> all;
  std::string token;
  do {
    auto page = ledger.datasets(limits::page_max, token, true);
    if (!page) return std::move(page).error();
    for (const auto& newest : page->versions) {
      auto versions = ledger.dataset_versions(newest.name);
      if (!versions) return std::move(versions).error();
      all.insert(all.end(), versions->begin(), versions->end());
    }
    token = page->next_page_token;
  } while (!token.empty());
  return all;
}

Result<dataset::DatasetStore::Named> named_contents(const storage::Ledger& ledger) {
  auto versions = named_versions(ledger);
  if (!versions) return std::move(versions).error();
  dataset::DatasetStore::Named named;
  for (const auto& version : *versions)
    if (auto id = dataset::content_id_from(version.digest)) named.insert(*id);
  return named;
}

Result<ExperimentBooks> experiment_books(const storage::Ledger& ledger) {
  ExperimentBooks books;
  BookKeeper keeper{books};
  storage::ListQuery query;
  query.limit = limits::page_max;
  do {
    auto page = ledger.list(query);
    if (!page) return std::move(page).error();
    for (const auto& entry : page->entries) {
      if (const auto* record = std::get_if<ExperimentRecord>(&entry)) {
        keeper.add(*record, nullptr);
        continue;
      }
      const auto& set = std::get<SetRecord>(entry);
      keeper.add(set);
      for (uint64_t from = 1; from < set.next;) {
        auto members = ledger.members(set.id.top, static_cast<uint32_t>(from), limits::page_max);
        if (!members) return std::move(members).error();
        if (members->empty()) break;
        for (const auto& member : *members) keeper.add(member, &set);
        from = uint64_t{members->back().id.member} + 1;
      }
    }
    query.page_token = page->next_page_token;
  } while (!query.page_token.empty());
  auto versions = named_versions(ledger);
  if (!versions) return std::move(versions).error();
  keeper.settle(*versions);
  return books;
}

namespace {

std::string removed_name(ExperimentId id) {
  return "outputs-removed " + to_string(id);
}

}  // namespace

storage::PutMeta outputs_removed(ExperimentId id, Timestamp now, const std::string& why) {
  return {removed_name(id), fmt::format("{}: {}", rfc3339(now), why)};
}

Result<void> check_outputs_kept(const storage::Ledger& ledger, ExperimentId id) {
  auto note = ledger.meta(removed_name(id));
  if (!note) return std::move(note).error();
  if (!*note) return ok();
  return Error{Errc::not_found, fmt::format("the outputs of {} were removed", to_string(id)),
               **note, "`retention` in head.yaml says what stays; a label `keep` pins outputs"};
}

}  // namespace troupe::actors
