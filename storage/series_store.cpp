#include "storage/series_store.hpp"

#include "runtime/core/limits.hpp"
#include "storage/lmdb_env.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>

namespace troupe::storage {

namespace {

enum SeriesTable : size_t {
  table_experiments,  // id                 -> names, points without a name
  table_series,       // id name            -> Head
  table_points,       // id number block    -> points
  table_consumed,     // id attempt source  -> offset
};

constexpr size_t point_bytes = 24;
constexpr uint64_t block_points = 170;  // with LMDB's header of 16 bytes exactly one page of 4,096

/// What is known of one series without reading its points.
struct Head {
  uint32_t number = 0;
  uint64_t points = 0;
  uint64_t dropped = 0;
  SeriesPoint last;
  std::string name;
};

void add_point(Key& to, const SeriesPoint& point) {
  to.u64(std::bit_cast<uint64_t>(point.step)).u64(std::bit_cast<uint64_t>(point.value));
  to.u64(static_cast<uint64_t>(point.time.us));
}

SeriesPoint point_at(std::string_view bytes, size_t at) {
  return {std::bit_cast<double>(read_u64(bytes, at)),
          std::bit_cast<double>(read_u64(bytes, at + 8)),
          {static_cast<int64_t>(read_u64(bytes, at + 16))}};
}

constexpr size_t head_bytes = 4 + 8 + 8 + point_bytes;  // the name follows

std::string encode(const Head& head) {
  Key bytes;
  bytes.u32(head.number).u64(head.points).u64(head.dropped);
  add_point(bytes, head.last);
  return std::string{bytes.view()} + head.name;
}

Result<Head> decode_head(std::string_view bytes) {
  if (bytes.size() < head_bytes)
    return Error{Errc::corrupt, "a metric series cannot be read",
                 fmt::format("its head has {} bytes", bytes.size()),
                 "restore the series folder from a backup"};
  return Head{read_u32(bytes, 0), read_u64(bytes, 4), read_u64(bytes, 12), point_at(bytes, 20),
              std::string{bytes.substr(head_bytes)}};
}

Key id_key(ExperimentId id) {
  return Key{}.u64(id.top).u32(id.member);
}

Key block_key(ExperimentId id, uint32_t number, uint64_t block) {
  return id_key(id).u32(number).u32(static_cast<uint32_t>(block));
}

Key source_key(ExperimentId id, uint32_t attempt, const std::string& source) {
  return id_key(id).u32(attempt).name(source);
}

Result<std::optional<std::string_view>> get(const Env& env, MDB_txn* txn, SeriesTable table,
                                            const Key& key) {
  auto k = key.val();
  MDB_val v{};
  int code = mdb_get(txn, env.table(table), &k, &v);
  if (code == MDB_NOTFOUND) return std::optional<std::string_view>{};
  if (code != 0) return env.error(code, "a read");
  return std::optional{view_of(v)};
}

/// One append: gathers what is new by series, then writes each series once.
class Appender {
 public:
  Appender(Env& env, MDB_txn* txn) : env_{env}, txn_{txn} {}

  Result<void> take(const SeriesChunk& chunk);
  Result<void> write();
  const SeriesAppended& result() const { return result_; }

 private:
  struct Experiment {
    uint32_t names = 0;
    uint64_t dropped = 0;
    bool changed = false;
  };
  struct Series {
    Head head;
    bool known = false;  // false: there is no room for another name
    bool changed = false;
    std::vector<SeriesPoint> fresh;
  };
  Result<void> put(SeriesTable table, const Key& key, std::string_view bytes);
  Result<Experiment*> experiment(ExperimentId id);
  Result<Series*> series(ExperimentId id, const std::string& name);
  Result<void> write_points(ExperimentId id, Series& series);

  Env& env_;
  MDB_txn* txn_;
  std::map<ExperimentId, Experiment> experiments_;
  std::map<std::pair<ExperimentId, std::string>, Series> series_;
  SeriesAppended result_;
};

Result<void> Appender::put(SeriesTable table, const Key& key, std::string_view bytes) {
  auto k = key.val();
  auto v = val_of(bytes);
  if (int code = mdb_put(txn_, env_.table(table), &k, &v, 0)) return env_.error(code, "a change");
  return ok();
}

Result<Appender::Experiment*> Appender::experiment(ExperimentId id) {
  auto [it, is_new] = experiments_.try_emplace(id);
  if (is_new) {
    auto bytes = get(env_, txn_, table_experiments, id_key(id));
    if (!bytes) return std::move(bytes).error();
    if (*bytes) it->second = {read_u32(**bytes, 0), read_u64(**bytes, 4), false};
  }
  return &it->second;
}

Result<Appender::Series*> Appender::series(ExperimentId id, const std::string& name) {
  auto [it, is_new] = series_.try_emplace({id, name});
  auto& series = it->second;
  if (!is_new) return &series;
  auto bytes = get(env_, txn_, table_series, id_key(id).name(name));
  if (!bytes) return std::move(bytes).error();
  if (*bytes) {
    auto head = decode_head(**bytes);
    if (!head) return std::move(head).error();
    series.head = std::move(*head);
    series.known = true;
    return &series;
  }
  auto owner = experiment(id);
  if (!owner) return std::move(owner).error();
  if ((*owner)->names >= limits::metric_names_max) return &series;
  series.head.number = (*owner)->names++;
  series.head.name = name;
  series.known = series.changed = (*owner)->changed = true;
  return &series;
}

Result<void> Appender::take(const SeriesChunk& chunk) {
  auto key = source_key(chunk.id, chunk.attempt, chunk.source);
  auto bytes = get(env_, txn_, table_consumed, key);
  if (!bytes) return std::move(bytes).error();
  uint64_t known = *bytes ? read_u64(**bytes, 0) : 0;
  bool overlaps = chunk.from < known;
  bool unclear = overlaps && std::any_of(chunk.points.begin(), chunk.points.end(),
                                         [](const auto& point) { return point.end == 0; });
  if (chunk.to <= known || unclear) {
    ++result_.repeated_chunks;
    return ok();
  }
  for (const auto& point : chunk.points) {
    if (overlaps && point.end <= known) continue;
    auto found = series(chunk.id, point.name);
    if (!found) return std::move(found).error();
    auto& series = **found;
    if (!series.known) {
      auto owner = experiment(chunk.id);
      if (!owner) return std::move(owner).error();
      ++(*owner)->dropped;
      (*owner)->changed = true;
      ++result_.dropped;
      continue;
    }
    series.changed = true;
    series.head.last = {point.step, point.value, point.time};
    if (series.head.points + series.fresh.size() >= limits::metric_points_max) {
      ++series.head.dropped;
      ++result_.dropped;
      continue;
    }
    series.fresh.push_back(series.head.last);
    ++result_.points;
  }
  return put(table_consumed, key, Key{}.u64(chunk.to).view());
}

Result<void> Appender::write_points(ExperimentId id, Series& series) {
  auto& head = series.head;
  size_t next = 0;
  while (next < series.fresh.size()) {
    auto key = block_key(id, head.number, head.points / block_points);
    Key block;
    std::string begun;
    auto filled = head.points % block_points;
    if (filled != 0) {
      auto bytes = get(env_, txn_, table_points, key);
      if (!bytes) return std::move(bytes).error();
      if (!*bytes || (*bytes)->size() != filled * point_bytes)
        return Error{Errc::corrupt,
                     fmt::format("metric {} of {} cannot be continued", head.name, to_string(id)),
                     "its last block is missing", "restore the series folder from a backup"};
      begun = **bytes;
    }
    auto count = std::min<size_t>(block_points - filled, series.fresh.size() - next);
    for (size_t i = 0; i < count; ++i) add_point(block, series.fresh[next + i]);
    begun += block.view();
    TROUPE_TRY(put(table_points, key, begun));
    next += count;
    head.points += count;
  }
  return ok();
}

Result<void> Appender::write() {
  for (auto& [key, series] : series_) {
    if (!series.changed) continue;
    TROUPE_TRY(write_points(key.first, series));
    TROUPE_TRY(put(table_series, id_key(key.first).name(key.second), encode(series.head)));
  }
  for (auto& [id, experiment] : experiments_)
    if (experiment.changed)
      TROUPE_TRY(put(table_experiments, id_key(id),
                     Key{}.u32(experiment.names).u64(experiment.dropped).view()));
  return ok();
}

}  // namespace

struct SeriesStore::Impl {
  std::unique_ptr<Env> env;

  Result<std::optional<Head>> head(const ReadTxn& txn, ExperimentId id,
                                   const std::string& name) const {
    auto bytes = get(*env, txn.get(), table_series, id_key(id).name(name));
    if (!bytes) return std::move(bytes).error();
    if (!*bytes) return std::optional<Head>{};
    auto head = decode_head(**bytes);
    if (!head) return std::move(head).error();
    return std::optional{std::move(*head)};
  }

  Result<std::vector<Head>> heads(ExperimentId id) const {
    auto txn = ReadTxn::begin(*env);
    if (!txn) return std::move(txn).error();
    std::vector<Head> heads;
    auto prefix = id_key(id);
    Cursor cursor{txn->get(), env->table(table_series)};
    for (bool on = cursor.at_least(prefix.view()); on && cursor.key().starts_with(prefix.view());
         on = cursor.next()) {
      auto head = decode_head(cursor.data());
      if (!head) return std::move(head).error();
      heads.push_back(std::move(*head));
    }
    if (cursor.code() != 0) return env->error(cursor.code(), "a read");
    std::sort(heads.begin(), heads.end(),
              [](const Head& a, const Head& b) { return a.name < b.name; });
    return heads;
  }
};

SeriesStore::SeriesStore(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
SeriesStore::~SeriesStore() = default;

Result<std::unique_ptr<SeriesStore>> SeriesStore::open(SeriesOptions options) {
  EnvOptions wanted;
  wanted.dir = options.dir + "/series";
  wanted.title = "the metric store";
  wanted.map_bytes = options.map_bytes;
  wanted.sync_each = false;
  wanted.tables = {"experiments", "series", "points", "consumed"};
  auto env = Env::open(std::move(wanted));
  if (!env) return std::move(env).error();
  auto impl = std::make_unique<Impl>();
  impl->env = std::move(*env);
  return std::unique_ptr<SeriesStore>{new SeriesStore{std::move(impl)}};
}

Result<SeriesAppended> SeriesStore::append(std::span<const SeriesChunk> chunks, bool durable) {
  TROUPE_TRY(impl_->env->make_room(false));
  auto txn = WriteTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  Appender appender{*impl_->env, txn->get()};
  for (const auto& chunk : chunks) TROUPE_TRY(appender.take(chunk));
  TROUPE_TRY(appender.write());
  TROUPE_TRY(txn->commit());
  if (durable) TROUPE_TRY(impl_->env->sync());
  return appender.result();
}

Result<uint64_t> SeriesStore::consumed(ExperimentId id, uint32_t attempt,
                                       const std::string& source) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  auto bytes = get(*impl_->env, txn->get(), table_consumed, source_key(id, attempt, source));
  if (!bytes) return std::move(bytes).error();
  return *bytes ? read_u64(**bytes, 0) : 0;
}

Result<std::vector<std::string>> SeriesStore::names(ExperimentId id) const {
  auto heads = impl_->heads(id);
  if (!heads) return std::move(heads).error();
  std::vector<std::string> names;
  for (auto& head : *heads) names.push_back(std::move(head.name));
  return names;
}

Result<std::vector<SeriesPoint>> SeriesStore::read(ExperimentId id, const std::string& name,
                                                   uint32_t limit) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  auto head = impl_->head(*txn, id, name);
  if (!head) return std::move(head).error();
  std::vector<SeriesPoint> points;
  if (!*head || limit == 0) return points;
  auto total = (*head)->points;
  auto count = std::min<uint64_t>(total, limit);
  points.reserve(count);
  uint64_t held = UINT64_MAX;
  std::string_view block;
  for (uint64_t i = 0; i < count; ++i) {
    auto at = count == 1 ? total - 1 : i * (total - 1) / (count - 1);
    if (at / block_points != held) {
      held = at / block_points;
      auto bytes = get(*impl_->env, txn->get(), table_points, block_key(id, (*head)->number, held));
      if (!bytes) return std::move(bytes).error();
      block = bytes->value_or(std::string_view{});
    }
    auto offset = at % block_points * point_bytes;
    if (offset + point_bytes > block.size())
      return Error{
          Errc::corrupt, fmt::format("metric {} of {} cannot be read", name, to_string(id)),
          fmt::format("point {} is missing", at), "restore the series folder from a backup"};
    points.push_back(point_at(block, offset));
  }
  return points;
}

Result<std::vector<std::pair<std::string, SeriesPoint>>> SeriesStore::last(ExperimentId id) const {
  auto heads = impl_->heads(id);
  if (!heads) return std::move(heads).error();
  std::vector<std::pair<std::string, SeriesPoint>> values;
  for (auto& head : *heads) values.emplace_back(std::move(head.name), head.last);
  return values;
}

Result<SeriesStats> SeriesStore::stats(ExperimentId id, const std::string& name) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  auto head = impl_->head(*txn, id, name);
  if (!head) return std::move(head).error();
  return *head ? SeriesStats{(*head)->points, (*head)->dropped} : SeriesStats{};
}

Result<uint64_t> SeriesStore::dropped_names(ExperimentId id) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  auto bytes = get(*impl_->env, txn->get(), table_experiments, id_key(id));
  if (!bytes) return std::move(bytes).error();
  return *bytes ? read_u64(**bytes, 4) : 0;
}

}  // namespace troupe::storage
