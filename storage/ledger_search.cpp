// Reads of what searches were told and decided.
#include "storage/ledger_impl.hpp"

namespace troupe::storage {

namespace {

// So much is decoded at once: a study of a hundred thousand trials is read in some steps.
constexpr size_t entries_at_once = 4096;

}  // namespace

Result<SearchPages> Ledger::search(uint64_t top, uint64_t page) const {
  auto txn = ReadTxn::begin(*impl_->env);
  if (!txn) return std::move(txn).error();
  SearchPages pages;
  pages.next = page;
  auto prefix = Key{}.u64(top);
  Cursor cursor{txn->get(), impl_->env->table(table_search)};
  for (bool on = cursor.at_least(Key{}.u64(top).u64(page).view());
       on && cursor.key().starts_with(prefix.view()) && pages.entries.size() < entries_at_once;
       on = cursor.next()) {
    TROUPE_TRY(decode_search(cursor.data(), pages.entries));
    pages.next = read_u64(cursor.key(), sizeof(uint64_t)) + 1;
  }
  if (cursor.code() != 0) return impl_->env->error(cursor.code(), "a read");
  return pages;
}

}  // namespace troupe::storage
