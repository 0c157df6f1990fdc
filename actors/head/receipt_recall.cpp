#include "actors/head/receipt_recall.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

constexpr uint32_t page_size = 200, members_of_a_set = 50;

struct Recalled {
  ExperimentId of;
  Receipt receipt;
};

/// Those that were measured for it: of another it has a copy.
void take_receipts(const ExperimentRecord& record, std::vector<Recalled>& out) {
  for (const auto& attempt : record.attempts)
    if (!attempt.receipt.nodes.empty() && attempt.receipt.of.empty() && attempt.receipt.time)
      out.push_back({record.id, attempt.receipt});
}

}  // namespace

std::shared_ptr<ReceiptBook> recall_receipts(const storage::Ledger& ledger) {
  std::vector<Recalled> found;
  storage::ListQuery query;
  query.limit = page_size;
  for (size_t looked = 0; looked < recalled_max;) {
    auto page = ledger.list(query);
    if (!page) break;
    for (const auto& entry : page->entries) {
      if (looked++ >= recalled_max) break;
      if (const auto* record = std::get_if<ExperimentRecord>(&entry)) {
        take_receipts(*record, found);
        continue;
      }
      const auto& set = std::get<SetRecord>(entry);
      auto first = set.next > members_of_a_set ? set.next - members_of_a_set : 1;
      auto members = ledger.members(set.id.top, static_cast<uint32_t>(first), members_of_a_set);
      if (!members) continue;
      looked += members->size();
      for (const auto& member : *members) take_receipts(member, found);
    }
    if (page->next_page_token.empty()) break;
    query.page_token = page->next_page_token;
  }
  std::stable_sort(found.begin(), found.end(), [](const Recalled& a, const Recalled& b) {
    return a.receipt.time < b.receipt.time;
  });
  auto book = std::make_shared<ReceiptBook>();
  // Told when they were made.
  for (const auto& one : found) book->add(one.of, one.receipt, one.receipt.time);
  return book;
}

}  // namespace troupe::actors
