#include "storage/ledger_writer.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::storage {

namespace {

bool same_place(const RowHead& a, const RowHead& b) {
  return a.state == b.state && a.user == b.user && a.project == b.project;
}

uint8_t number(State state) {
  return static_cast<uint8_t>(state);
}

}  // namespace

Key experiment_key(ExperimentId id) {
  return Key{}.u64(id.top).u32(id.member);
}

Key version_key(std::string_view name, uint32_t version) {
  return Key{}.byte('v').word(name).u32(version);
}

Key tag_key(std::string_view name, std::string_view tag) {
  return Key{}.byte('t').word(name).word(tag);
}

Key highest_key(std::string_view name) {
  return Key{}.byte('h').word(name);
}

Key top_index(const std::optional<std::string>& project, std::optional<State> state, bool live) {
  if (project && state) return Key{}.byte('Q').name(*project).byte(number(*state));
  if (state) return Key{}.byte('S').byte(number(*state));
  if (project) return Key{}.byte(live ? 'M' : 'P').name(*project);
  return Key{}.byte('L');
}

Result<void> LedgerWriter::apply(const Mutation& mutation) {
  return std::visit([this](const auto& item) { return one(item); }, mutation);
}

Result<void> LedgerWriter::put(LedgerTable table, const Key& key, std::string_view bytes,
                               unsigned flags) {
  auto k = key.val();
  auto v = val_of(bytes);
  if (int code = mdb_put(txn_, env_.table(table), &k, &v, flags))
    return env_.error(code, "a change");
  return ok();
}

Result<void> LedgerWriter::put(LedgerTable table, const Key& key, RowBuilder& row, unsigned flags) {
  auto k = key.val();
  MDB_val v{row.bytes(), nullptr};
  if (int code = mdb_put(txn_, env_.table(table), &k, &v, flags | MDB_RESERVE))
    return env_.error(code, "a change");
  row.write(v.mv_data, v.mv_size);
  return ok();
}

Result<void> LedgerWriter::drop(LedgerTable table, const Key& key) {
  auto k = key.val();
  int code = mdb_del(txn_, env_.table(table), &k, nullptr);
  if (code != 0 && code != MDB_NOTFOUND) return env_.error(code, "a change");
  return ok();
}

Result<std::optional<std::string_view>> LedgerWriter::get(LedgerTable table, const Key& key) const {
  auto k = key.val();
  MDB_val v{};
  int code = mdb_get(txn_, env_.table(table), &k, &v);
  if (code == MDB_NOTFOUND) return std::optional<std::string_view>{};
  if (code != 0) return env_.error(code, "a change");
  return std::optional{view_of(v)};
}

Result<void> LedgerWriter::index(const Key& key, bool add) {
  return add ? put(table_index, key, std::string_view{}) : drop(table_index, key);
}

Result<void> LedgerWriter::reindex(ExperimentId id, const std::optional<RowHead>& before,
                                   const RowHead& now) {
  if (before && same_place(*before, now)) return ok();
  auto entries = [&](const RowHead& head, bool add) -> Result<void> {
    bool live = !is_terminal(head.state);
    if (live) TROUPE_TRY(index(Key{}.byte('V').u64(id.top).u32(id.member), add));
    if (id.is_member())
      return index(Key{}.byte('T').u64(id.top).byte(number(head.state)).u32(id.member), add);
    auto at_top = [&](std::optional<std::string> project, std::optional<State> state, bool only) {
      return index(top_index(project, state, only).u64(id.top), add);
    };
    TROUPE_TRY(at_top(std::nullopt, head.state, false));
    TROUPE_TRY(at_top(head.project, head.state, false));
    if (live) TROUPE_TRY(at_top(std::nullopt, std::nullopt, true));
    if (live) TROUPE_TRY(at_top(head.project, std::nullopt, true));
    if (before && before->project == now.project && before->user == now.user) return ok();
    TROUPE_TRY(at_top(head.project, std::nullopt, false));
    return index(Key{}.byte('U').name(head.user).name(head.project).u64(id.top), add);
  };
  if (before) TROUPE_TRY(entries(*before, false));
  return entries(now, true);
}

Result<void> LedgerWriter::put_specs(uint64_t top, const ExperimentSpec& spec,
                                     const SweepSpec* sweep) {
  auto experiment = json_text(to_value(spec));
  RowBuilder builder;
  auto row = builder.init<rows::Specs>();
  row.setExperiment(experiment);
  if (sweep) row.setSweep(json_text(to_value(*sweep)));
  respecified_.push_back(top);
  return put(table_specs, Key{}.u64(top), builder);
}

Result<void> LedgerWriter::one(const PutExperiment& put_experiment) {
  const auto& record = *put_experiment.record;
  auto key = experiment_key(record.id);
  auto old = get(table_experiments, key);
  if (!old) return std::move(old).error();
  std::optional<RowHead> before;
  if (*old) {
    auto head = experiment_head(**old);
    if (!head) return std::move(head).error();
    before = std::move(*head);
  } else if (!record.spec) {
    return Error{Errc::bug, fmt::format("experiment {} could not be stored", to_string(record.id)),
                 "it is new and has no spec", "please report this"};
  }
  RowHead now{record.state, record.user, record.spec ? record.spec->project : before->project};
  RowBuilder builder;
  fill(builder.init<rows::Experiment>(), record, now.project);
  TROUPE_TRY(put(table_experiments, key, builder));
  TROUPE_TRY(reindex(record.id, before, now));
  if (record.id.is_member() || (before && !put_experiment.is_new)) return ok();
  if (record.spec) TROUPE_TRY(put_specs(record.id.top, *record.spec, nullptr));
  highest_top_ = std::max(highest_top_, record.id.top);
  return put(table_tops, Key{}.u64(record.id.top), "e");
}

Result<void> LedgerWriter::one(const PutSet& put_set) {
  const auto& record = *put_set.record;
  auto key = Key{}.u64(record.id.top);
  auto old = get(table_sets, key);
  if (!old) return std::move(old).error();
  std::optional<RowHead> before;
  if (*old) {
    auto head = set_head(**old);
    if (!head) return std::move(head).error();
    before = std::move(*head);
  } else if (!record.spec) {
    return Error{Errc::bug, fmt::format("set {} could not be stored", to_string(record.id)),
                 "it is new and has no spec", "please report this"};
  }
  RowHead now{record.state, record.user, record.spec ? record.spec->project : before->project};
  RowBuilder builder;
  fill(builder.init<rows::Set>(), record, now.project);
  TROUPE_TRY(put(table_sets, key, builder));
  TROUPE_TRY(reindex(record.id, before, now));
  if (before && !put_set.is_new) return ok();
  if (record.spec) TROUPE_TRY(put_specs(record.id.top, *record.spec, &record.sweep));
  highest_top_ = std::max(highest_top_, record.id.top);
  return put(table_tops, key, "s");
}

Result<void> LedgerWriter::one(const AppendEvent& append) {
  RowBuilder builder;
  fill(builder.init<rows::Event>(), append.event);
  TROUPE_TRY(put(table_events, Key{}.u64(last_event_ + 1), builder, MDB_APPEND));
  ++last_event_;
  return ok();
}

Result<void> LedgerWriter::one(const PutKey& put_key) {
  RowBuilder builder;
  auto row = builder.init<rows::Key>();
  row.setTop(put_key.id.top);
  row.setMember(put_key.id.member);
  row.setIsSet(put_key.is_set);
  row.setSize(put_key.size);
  return put(table_keys, Key{}.name(put_key.user).name(put_key.key), builder);
}

Result<void> LedgerWriter::one(const PutDataset& put_dataset) {
  const auto& version = put_dataset.version;
  RowBuilder builder;
  fill(builder.init<rows::Dataset>(), version);
  TROUPE_TRY(put(table_datasets, version_key(version.name, version.version), builder));
  auto highest = Key{}.u32(version.version);
  return put(table_datasets, highest_key(version.name), highest.view());
}

Result<void> LedgerWriter::one(const DropDataset& drop_dataset) {
  const auto& name = drop_dataset.name;
  {
    // Tags of what is gone name nothing.
    auto prefix = Key{}.byte('t').word(name);
    Cursor cursor{txn_, env_.table(table_datasets)};
    std::vector<std::string> tags;
    for (bool on = cursor.at_least(prefix.view()); on && cursor.key().starts_with(prefix.view());
         on = cursor.next())
      if (read_u32(cursor.data(), 0) == drop_dataset.version)
        tags.emplace_back(cursor.key().substr(prefix.view().size()));
    if (cursor.code() != 0) return env_.error(cursor.code(), "a change");
    for (auto& tag : tags) {
      tag.pop_back();  // the zero that ends it
      TROUPE_TRY(drop(table_datasets, tag_key(name, tag)));
    }
  }
  return drop(table_datasets, version_key(name, drop_dataset.version));
}

Result<void> LedgerWriter::one(const PutTag& put_tag) {
  auto key = tag_key(put_tag.name, put_tag.tag);
  if (put_tag.version == 0) return drop(table_datasets, key);
  auto version = Key{}.u32(put_tag.version);
  return put(table_datasets, key, version.view());
}

Result<void> LedgerWriter::one(const PutToken& put_token) {
  RowBuilder builder;
  auto row = builder.init<rows::Token>();
  row.setUser(put_token.user);
  row.setAdmin(put_token.admin);
  row.setLabel(put_token.label);
  row.setExpires(put_token.expires.us);
  return put(table_tokens, Key{}.name(put_token.sha256), builder);
}

Result<void> LedgerWriter::one(const DropToken& drop_token) {
  return drop(table_tokens, Key{}.name(drop_token.sha256));
}

Result<void> LedgerWriter::one(const PutUser& put_user) {
  RowBuilder builder;
  auto row = builder.init<rows::User>();
  row.setAdmin(put_user.admin);
  row.setCreated(put_user.created.us);
  return put(table_users, Key{}.name(put_user.name), builder);
}

Result<void> LedgerWriter::one(const PutSearch& put_search) {
  RowBuilder builder;
  fill(builder.init<rows::SearchPage>(), put_search.entries);
  return put(table_search, Key{}.u64(put_search.top).u64(put_search.page), builder);
}

Result<void> LedgerWriter::one(const PutMeta& put_meta) {
  auto key = Key{}.byte('m').name(put_meta.name);
  if (put_meta.value.empty()) return drop(table_meta, key);
  return put(table_meta, key, put_meta.value);
}

}  // namespace troupe::storage
