#include "actors/head/stores.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <pwd.h>
#include <unistd.h>

namespace troupe::actors {

namespace {

std::string user_name() {
  if (const auto* entry = ::getpwuid(::getuid()); entry != nullptr) return entry->pw_name;
  return fmt::format("uid{}", ::getuid());
}

/// The owner's token lies beside the ledger, readable by the owner alone; the ledger knows its
/// digest.
Result<std::string> owner_token(storage::Ledger& ledger, const std::string& path,
                                const std::string& user, Clock& clock) {
  if (auto token = read_file(path, 4096)) {
    auto known = ledger.token(sha256_hex(*token));
    if (known && *known) return *token;
  }
  auto token = "tu_" + hex(random_bytes(24));
  TROUPE_TRY(replace_file(path, token, 0600));
  std::vector<storage::Mutation> mutations{
      storage::PutToken{sha256_hex(token), user, true, "owner", {}},
      storage::PutUser{user, true, clock.now()}};
  if (auto committed = ledger.commit(mutations); !committed) return committed.error();
  return token;
}

}  // namespace

Result<std::string> kept_secret(storage::Ledger& ledger, const std::string& name) {
  auto kept = ledger.meta(name);
  if (!kept) return std::move(kept).error();
  if (*kept) return **kept;
  auto fresh = hex(random_bytes(32));
  std::vector<storage::Mutation> mutations{storage::PutMeta{name, fresh}};
  if (auto committed = ledger.commit(mutations); !committed) return committed.error();
  return fresh;
}

Result<Stores> open_stores(const std::string& dir, Clock& clock) {
  Stores stores;
  storage::LedgerOptions ledger_options;
  ledger_options.dir = dir;
  auto ledger = storage::Ledger::open(ledger_options);
  if (!ledger) return std::move(ledger).error();
  stores.ledger = std::move(*ledger);
  storage::SeriesOptions series_options;
  series_options.dir = dir;
  auto series = storage::SeriesStore::open(series_options);
  if (!series) return std::move(series).error();
  stores.series = std::move(*series);
  auto code = storage::CodeStore::open(dir);
  if (!code) return std::move(code).error();
  TROUPE_TRY(code->blobs().sweep());
  stores.code = std::make_shared<storage::CodeStore>(std::move(*code));
  auto data = dataset::DatasetStore::open(dir);
  if (!data) return std::move(data).error();
  TROUPE_TRY(data->blocks().sweep());
  stores.data = std::make_shared<dataset::DatasetStore>(std::move(*data));
  auto secret = kept_secret(*stores.ledger, "job-token-secret");
  if (!secret) return std::move(secret).error();
  stores.secret = std::move(*secret);
  stores.user = user_name();
  auto token = owner_token(*stores.ledger, dir + "/owner.token", stores.user, clock);
  if (!token) return std::move(token).error();
  stores.token = std::move(*token);
  return stores;
}

}  // namespace troupe::actors
