#include "storage/ledger.hpp"

#include "runtime/core/limits.hpp"
#include "storage/ledger_impl.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::storage {

namespace {

constexpr uint32_t ledger_version = 1;
constexpr size_t cached_spec_bytes_max = 4096;  // 64 slots of these, parsed: a few hundred kB

/// Whether the changes let something end or only note what happened: those may use the reserve.
bool is_urgent(std::span<const Mutation> mutations) {
  return std::none_of(mutations.begin(), mutations.end(), [](const Mutation& mutation) {
    if (const auto* put = std::get_if<PutExperiment>(&mutation)) return put->is_new;
    if (const auto* put = std::get_if<PutSet>(&mutation)) return put->is_new;
    return false;
  });
}

}  // namespace

/// Counts this opening and finds where numbering goes on: a few pages, whatever the history.
Result<uint64_t> Ledger::Impl::start() {
  auto txn = WriteTxn::begin(*env);
  if (!txn) return std::move(txn).error();
  auto key = Key{}.byte('g');
  auto k = key.val();
  MDB_val v{};
  uint64_t generation = 0;
  int code = mdb_get(txn->get(), env->table(table_meta), &k, &v);
  if (code == 0)
    generation = read_u64(view_of(v), 0);
  else if (code != MDB_NOTFOUND)
    return env->error(code, "opening");
  auto now = Key{}.u64(++generation);
  v = now.val();
  if ((code = mdb_put(txn->get(), env->table(table_meta), &k, &v, 0)) != 0)
    return env->error(code, "opening");
  {
    Cursor events{txn->get(), env->table(table_events)};
    if (events.last()) last_event = read_u64(events.key(), 0);
    if (events.code() != 0) return env->error(events.code(), "opening");
    Cursor tops{txn->get(), env->table(table_tops)};
    if (tops.last()) next_top = read_u64(tops.key(), 0) + 1;
    if (tops.code() != 0) return env->error(tops.code(), "opening");
  }
  TROUPE_TRY(txn->commit());
  return generation;
}

Result<std::optional<std::string_view>> Ledger::Impl::get(const ReadTxn& txn, LedgerTable table,
                                                          const Key& key) const {
  auto k = key.val();
  MDB_val v{};
  int code = mdb_get(txn.get(), env->table(table), &k, &v);
  if (code == MDB_NOTFOUND) return std::optional<std::string_view>{};
  if (code != 0) return env->error(code, "a read");
  return std::optional{view_of(v)};
}

Result<SpecPair> Ledger::Impl::specs(const ReadTxn& txn, uint64_t top) {
  auto& slot = slots[top % slots.size()];
  {
    std::lock_guard guard{mutex};
    if (slot.top == top && slot.specs.experiment) return slot.specs;
  }
  auto bytes = get(txn, table_specs, Key{}.u64(top));
  if (!bytes) return std::move(bytes).error();
  if (!*bytes)
    return Error{Errc::corrupt, fmt::format("the spec of {} is missing", top), "no such row",
                 "keep a copy of the ledger's folder and restore it from a backup"};
  auto pair = decode_specs(**bytes);
  if (pair && (*bytes)->size() <= cached_spec_bytes_max) {
    std::lock_guard guard{mutex};
    slot = {top, *pair};
  }
  return pair;
}

void Ledger::Impl::forget(const std::vector<uint64_t>& tops) {
  std::lock_guard guard{mutex};
  for (auto top : tops) {
    auto& slot = slots[top % slots.size()];
    if (slot.top == top) slot = {};
  }
}

Result<std::optional<ExperimentRecord>> Ledger::Impl::experiment(const ReadTxn& txn,
                                                                 ExperimentId id) {
  auto bytes = get(txn, table_experiments, experiment_key(id));
  if (!bytes) return std::move(bytes).error();
  if (!*bytes) return std::optional<ExperimentRecord>{};
  auto record = decode_experiment(**bytes, id);
  if (!record) return std::move(record).error();
  auto pair = specs(txn, id.top);
  if (!pair) return std::move(pair).error();
  record->spec = std::move(pair->experiment);
  return std::optional{std::move(*record)};
}

Result<std::optional<SetRecord>> Ledger::Impl::set(const ReadTxn& txn, uint64_t top) {
  auto bytes = get(txn, table_sets, Key{}.u64(top));
  if (!bytes) return std::move(bytes).error();
  if (!*bytes) return std::optional<SetRecord>{};
  auto record = decode_set(**bytes, {top, 0});
  if (!record) return std::move(record).error();
  auto pair = specs(txn, top);
  if (!pair) return std::move(pair).error();
  record->spec = std::move(pair->experiment);
  if (record->submitted)
    record->submitted = std::make_shared<const SweepSpec>(std::move(pair->sweep));
  else
    record->sweep = std::move(pair->sweep);
  return std::optional{std::move(*record)};
}

Result<std::optional<ListEntry>> Ledger::Impl::find(const ReadTxn& txn, ExperimentId id) {
  auto one = experiment(txn, id);
  if (!one) return std::move(one).error();
  if (*one) return std::optional<ListEntry>{std::move(**one)};
  if (id.is_member()) return std::optional<ListEntry>{};
  auto all = set(txn, id.top);
  if (!all) return std::move(all).error();
  if (*all) return std::optional<ListEntry>{std::move(**all)};
  return std::optional<ListEntry>{};
}

Ledger::Ledger(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
Ledger::~Ledger() = default;

Result<std::unique_ptr<Ledger>> Ledger::open(LedgerOptions options) {
  EnvOptions wanted;
  wanted.dir = options.dir + "/ledger";
  wanted.title = "the ledger";
  wanted.map_bytes = options.map_bytes;
  wanted.reserve_bytes = options.reserve_bytes;
  wanted.version = ledger_version;
  wanted.tables = {"meta", "experiments", "sets",  "specs",    "tops",  "index", "events",
                   "keys", "tokens",      "users", "datasets", "search"};  // as LedgerTable
  auto env = Env::open(std::move(wanted));
  if (!env) return std::move(env).error();
  auto impl = std::make_unique<Impl>();
  impl->env = std::move(*env);
  auto generation = impl->start();
  if (!generation) return std::move(generation).error();
  std::unique_ptr<Ledger> ledger{new Ledger{std::move(impl)}};
  ledger->generation_ = *generation;
  return ledger;
}

uint64_t Ledger::next_top() const {
  return impl_->next_top;
}

uint64_t Ledger::last_event() const {
  return impl_->last_event;
}

Result<Committed> Ledger::commit(std::span<const Mutation> mutations) {
  if (mutations.empty()) return Committed{};
  TROUPE_TRY(impl_->env->make_room(is_urgent(mutations)));
  auto txn = WriteTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  auto before = impl_->last_event.load();
  LedgerWriter writer{*impl_->env, txn->get(), before};
  for (const auto& mutation : mutations) TROUPE_TRY(writer.apply(mutation));
  TROUPE_TRY(txn->commit());
  impl_->forget(writer.respecified());
  if (writer.highest_top() >= impl_->next_top) impl_->next_top = writer.highest_top() + 1;
  impl_->last_event = writer.last_event();
  if (writer.last_event() == before) return Committed{};
  return Committed{before + 1, writer.last_event()};
}

Result<std::optional<ExperimentRecord>> Ledger::experiment(ExperimentId id) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  return impl_->experiment(*txn, id);
}

Result<std::optional<SetRecord>> Ledger::set(uint64_t top) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  return impl_->set(*txn, top);
}

Result<std::optional<ListEntry>> Ledger::find(ExperimentId id) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  return impl_->find(*txn, id);
}

Result<ListPage> Ledger::Impl::tops(const ListQuery& query, uint32_t limit) {
  ListPage page;
  auto prefix = top_index(query.project, query.state, query.live);
  bool everything = !query.project && !query.state && !query.live;
  if (everything) prefix = Key{};
  auto from = prefix;
  if (query.page_token.empty()) {
    from.u64(UINT64_MAX);
  } else {
    auto id = parse_experiment_id(query.page_token);
    if (!id) return std::move(id).error();
    from.u64(id->top);
  }
  auto txn = ReadTxn::begin(*env);
  if (!txn) return std::move(txn).error();
  Cursor cursor{txn->get(), env->table(everything ? table_tops : table_index)};
  uint64_t top = 0;
  for (bool on = cursor.below(from.view()); on && cursor.key().starts_with(prefix.view());
       on = cursor.prev()) {
    if (page.entries.size() == limit) {
      page.next_page_token = to_string(ExperimentId{top, 0});
      break;
    }
    top = read_u64(cursor.key(), prefix.view().size());
    auto entry = find(*txn, {top, 0});
    if (!entry) return std::move(entry).error();
    if (*entry) page.entries.push_back(std::move(**entry));
  }
  if (cursor.code() != 0) return env->error(cursor.code(), "a read");
  return page;
}

Result<ListPage> Ledger::Impl::set_members(const ListQuery& query, uint32_t limit) {
  ListPage page;
  auto top = query.set->top;
  uint32_t after = 0;
  if (!query.page_token.empty()) {
    auto id = parse_experiment_id(query.page_token);
    if (!id) return std::move(id).error();
    after = id->member;
  }
  auto table = table_index;
  Key prefix;
  if (query.state) {
    prefix.byte('T').u64(top).byte(static_cast<uint8_t>(*query.state));
  } else if (query.live) {
    prefix.byte('V').u64(top);
  } else {
    prefix.u64(top);
    table = table_experiments;
  }
  auto txn = ReadTxn::begin(*env);
  if (!txn) return std::move(txn).error();
  if (query.project) {
    auto pair = specs(*txn, top);
    if (!pair || pair->experiment->project != *query.project) return page;
  }
  if (after == UINT32_MAX) return page;
  Cursor cursor{txn->get(), env->table(table)};
  auto from = Key{prefix}.u32(after + 1);
  for (bool on = cursor.at_least(from.view()); on && cursor.key().starts_with(prefix.view());
       on = cursor.next()) {
    if (page.entries.size() == limit) {
      page.next_page_token = to_string(ExperimentId{top, after});
      break;
    }
    after = read_u32(cursor.key(), prefix.view().size());
    auto record = experiment(*txn, {top, after});
    if (!record) return std::move(record).error();
    if (*record) page.entries.emplace_back(std::move(**record));
  }
  if (cursor.code() != 0) return env->error(cursor.code(), "a read");
  return page;
}

Result<ListPage> Ledger::list(const ListQuery& query) const {
  auto limit = std::clamp<uint32_t>(query.limit, 1, limits::page_max);
  if (query.live && query.state && is_terminal(*query.state)) return ListPage{};
  return query.set ? impl_->set_members(query, limit) : impl_->tops(query, limit);
}

Result<std::vector<ExperimentId>> Ledger::live() const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  std::vector<ExperimentId> ids;
  Cursor cursor{txn->get(), impl_->env->table(table_index)};
  for (bool on = cursor.at_least("V"); on && cursor.key().starts_with("V"); on = cursor.next())
    ids.push_back({read_u64(cursor.key(), 1), read_u32(cursor.key(), 9)});
  if (cursor.code() != 0) return impl_->env->error(cursor.code(), "a read");
  return ids;
}

Result<std::vector<ExperimentRecord>> Ledger::members(uint64_t top, uint32_t from,
                                                      uint32_t limit) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  std::vector<ExperimentRecord> records;
  Cursor cursor{txn->get(), impl_->env->table(table_experiments)};
  auto prefix = Key{}.u64(top);
  auto first = experiment_key({top, std::max<uint32_t>(from, 1)});
  for (bool on = cursor.at_least(first.view());
       on && records.size() < limit && cursor.key().starts_with(prefix.view());
       on = cursor.next()) {
    auto record = impl_->experiment(*txn, {top, read_u32(cursor.key(), 8)});
    if (!record) return std::move(record).error();
    if (*record) records.push_back(std::move(**record));
  }
  if (cursor.code() != 0) return impl_->env->error(cursor.code(), "a read");
  return records;
}

Result<std::vector<Event>> Ledger::events(uint64_t after, uint32_t limit) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  std::vector<Event> events;
  if (after == UINT64_MAX) return events;
  Cursor cursor{txn->get(), impl_->env->table(table_events)};
  for (bool on = cursor.at_least(Key{}.u64(after + 1).view()); on && events.size() < limit;
       on = cursor.next()) {
    auto event = decode_event(cursor.data(), read_u64(cursor.key(), 0));
    if (!event) return std::move(event).error();
    events.push_back(std::move(*event));
  }
  if (cursor.code() != 0) return impl_->env->error(cursor.code(), "a read");
  return events;
}

Result<EventsRead> Ledger::read_events(uint64_t after, uint32_t limit) const {
  // Asked for first: an event that comes between is missing below, and must not count as seen.
  auto last = last_event();
  auto found = events(after, limit);
  if (!found) return std::move(found).error();
  if (!found->empty()) last = std::max(last, found->back().number);
  return EventsRead{std::move(*found), last};
}

Result<std::optional<KeyRecord>> Ledger::idempotent(const std::string& user,
                                                    const std::string& key) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  auto bytes = impl_->get(*txn, table_keys, Key{}.name(user).name(key));
  if (!bytes) return std::move(bytes).error();
  if (!*bytes) return std::optional<KeyRecord>{};
  auto record = decode_key(**bytes);
  if (!record) return std::move(record).error();
  return std::optional{*record};
}

Result<std::optional<PutToken>> Ledger::token(const std::string& sha256) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  auto bytes = impl_->get(*txn, table_tokens, Key{}.name(sha256));
  if (!bytes) return std::move(bytes).error();
  if (!*bytes) return std::optional<PutToken>{};
  auto record = decode_token(**bytes, sha256);
  if (!record) return std::move(record).error();
  return std::optional{std::move(*record)};
}

Result<std::vector<PutToken>> Ledger::tokens(uint32_t limit) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  std::vector<PutToken> tokens;
  Cursor cursor{txn->get(), impl_->env->table(table_tokens)};
  for (bool on = cursor.first(); on && tokens.size() < limit; on = cursor.next()) {
    auto token = decode_token(cursor.data(), cursor.key().substr(1));
    if (!token) return std::move(token).error();
    tokens.push_back(std::move(*token));
  }
  if (cursor.code() != 0) return impl_->env->error(cursor.code(), "a read");
  return tokens;
}

Result<std::optional<UserRecord>> Ledger::user(const std::string& name) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  auto bytes = impl_->get(*txn, table_users, Key{}.name(name));
  if (!bytes) return std::move(bytes).error();
  if (!*bytes) return std::optional<UserRecord>{};
  auto record = decode_user(**bytes);
  if (!record) return std::move(record).error();
  return std::optional{*record};
}

Result<std::optional<std::string>> Ledger::meta(const std::string& name) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  auto bytes = impl_->get(*txn, table_meta, Key{}.byte('m').name(name));
  if (!bytes) return std::move(bytes).error();
  if (!*bytes) return std::optional<std::string>{};
  return std::optional{std::string{**bytes}};
}

Result<std::optional<ExperimentId>> Ledger::last(const std::string& user,
                                                 const std::string& project) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  auto prefix = Key{}.byte('U').name(user).name(project);
  Cursor cursor{txn->get(), impl_->env->table(table_index)};
  auto end = Key{prefix}.u64(UINT64_MAX);
  std::optional<ExperimentId> id;
  if (cursor.below(end.view()) && cursor.key().starts_with(prefix.view()))
    id = ExperimentId{read_u64(cursor.key(), prefix.view().size()), 0};
  if (cursor.code() != 0) return impl_->env->error(cursor.code(), "a read");
  return id;
}

}  // namespace troupe::storage
