// The receipt book of a head that was started again, from what the ledger has of the newest
// experiments: nobody measures anew what was measured a short while ago, and what was slow still
// is.
#pragma once

#include "actors/head/receipt_book.hpp"
#include "storage/ledger.hpp"

#include <memory>

namespace troupe::actors {

/// Looks at so many records at most: of the newest experiments, and of each set's last members.
inline constexpr size_t recalled_max = 2000;

/// Reads the ledger: some milliseconds. What cannot be read is left out.
std::shared_ptr<ReceiptBook> recall_receipts(const storage::Ledger& ledger);

}  // namespace troupe::actors
