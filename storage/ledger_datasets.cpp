// Reads of datasets.
#include "storage/ledger_impl.hpp"

#include <charconv>

namespace troupe::storage {

Result<std::optional<DatasetVersion>> Ledger::dataset(const std::string& name,
                                                      const std::string& which) const {
  using Found = std::optional<DatasetVersion>;
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  uint32_t version = 0;
  if (which.empty()) {
    auto prefix = Key{}.byte('v').word(name);
    Cursor cursor{txn->get(), impl_->env->table(table_datasets)};
    if (cursor.below(version_key(name, UINT32_MAX).view()) &&
        cursor.key().starts_with(prefix.view()))
      version = read_u32(cursor.key(), prefix.view().size());
    if (cursor.code() != 0) return impl_->env->error(cursor.code(), "a read");
  } else if (check_dataset_tag(which)) {
    auto bytes = impl_->get(*txn, table_datasets, tag_key(name, which));
    if (!bytes) return std::move(bytes).error();
    if (*bytes) version = read_u32(**bytes, 0);
  } else {
    std::from_chars(which.data(), which.data() + which.size(), version);
  }
  if (version == 0) return Found{};
  auto bytes = impl_->get(*txn, table_datasets, version_key(name, version));
  if (!bytes) return std::move(bytes).error();
  if (!*bytes) return Found{};
  auto found = decode_dataset(**bytes, name, version);
  if (!found) return std::move(found).error();
  return Found{std::move(*found)};
}

Result<DatasetPage> Ledger::datasets(uint32_t limit, const std::string& page_token,
                                     bool with_outputs) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  DatasetPage page;
  Cursor cursor{txn->get(), impl_->env->table(table_datasets)};
  auto from = page_token.empty() ? Key{}.byte('v') : version_key(page_token, UINT32_MAX);
  bool on = cursor.at_least(from.view());
  while (on && cursor.key().starts_with('v')) {
    // On the first version of a name: step to its last, and then over it.
    std::string name{cursor.key().substr(1, cursor.key().size() - 1 - 1 - sizeof(uint32_t))};
    if (page.versions.size() == limit) {
      page.next_page_token = page.versions.back().name;
      break;
    }
    auto end = version_key(name, UINT32_MAX);
    if (!cursor.below(end.view())) break;
    if (!with_outputs && name.find('/') != std::string::npos) {
      on = cursor.at_least(end.view());
      continue;
    }
    auto version = read_u32(cursor.key(), cursor.key().size() - sizeof(uint32_t));
    auto newest = decode_dataset(cursor.data(), name, version);
    if (!newest) return std::move(newest).error();
    page.versions.push_back(std::move(*newest));
    on = cursor.at_least(end.view());
  }
  if (cursor.code() != 0) return impl_->env->error(cursor.code(), "a read");
  return page;
}

Result<std::vector<DatasetVersion>> Ledger::dataset_versions(const std::string& name) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  std::vector<DatasetVersion> versions;
  auto prefix = Key{}.byte('v').word(name);
  Cursor cursor{txn->get(), impl_->env->table(table_datasets)};
  for (bool on = cursor.below(version_key(name, UINT32_MAX).view());
       on && cursor.key().starts_with(prefix.view()); on = cursor.prev()) {
    auto one = decode_dataset(cursor.data(), name, read_u32(cursor.key(), prefix.view().size()));
    if (!one) return std::move(one).error();
    versions.push_back(std::move(*one));
  }
  if (cursor.code() != 0) return impl_->env->error(cursor.code(), "a read");
  return versions;
}

Result<std::map<std::string, uint32_t>> Ledger::dataset_tags(const std::string& name) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  std::map<std::string, uint32_t> tags;
  auto prefix = Key{}.byte('t').word(name);
  Cursor cursor{txn->get(), impl_->env->table(table_datasets)};
  for (bool on = cursor.at_least(prefix.view()); on && cursor.key().starts_with(prefix.view());
       on = cursor.next()) {
    auto tag = cursor.key().substr(prefix.view().size());
    tags.emplace(tag.substr(0, tag.size() - 1), read_u32(cursor.data(), 0));
  }
  if (cursor.code() != 0) return impl_->env->error(cursor.code(), "a read");
  return tags;
}

Result<uint32_t> Ledger::dataset_highest(const std::string& name) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  auto bytes = impl_->get(*txn, table_datasets, highest_key(name));
  if (!bytes) return std::move(bytes).error();
  return *bytes ? read_u32(**bytes, 0) : 0;
}

}  // namespace troupe::storage
