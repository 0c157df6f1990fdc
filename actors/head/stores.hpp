// What the head keeps on disk, opened together, with the secrets that lie in it.
#pragma once

#include "runtime/core/clock.hpp"
#include "storage/code_store.hpp"
#include "storage/dataset/dataset_store.hpp"
#include "storage/ledger.hpp"
#include "storage/series_store.hpp"

#include <memory>
#include <string>

namespace troupe::actors {

struct Stores {
  std::shared_ptr<storage::Ledger> ledger;
  std::shared_ptr<storage::SeriesStore> series;
  std::shared_ptr<storage::CodeStore> code;
  std::shared_ptr<dataset::DatasetStore> data;
  std::string secret;  // key of job tokens
  std::string token;   // of the owner
  std::string user;    // the owner: who runs the head
};

Result<Stores> open_stores(const std::string& dir, Clock& clock);
/// A secret of the ledger by name, made when it is first asked for.
Result<std::string> kept_secret(storage::Ledger& ledger, const std::string& name);

}  // namespace troupe::actors
