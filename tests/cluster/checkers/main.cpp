// A checker: `check_NAME HISTORY` prints each violation and ends with 1 where there are any, with 2
// where the history cannot be read or is empty.
#include "tests/cluster/checkers/history.hpp"

#include <fmt/format.h>

int main(int count, char** words) {
  if (count != 2) {
    fmt::print(stderr, "usage: {} HISTORY\n", words[0]);
    return 2;
  }
  auto history = troupe::cluster::read_history(words[1]);
  if (!history || history->empty()) {
    fmt::print(stderr, "{}\n", history ? "the history is empty" : to_string(history.error()));
    return 2;
  }
  auto found = troupe::cluster::violations(*history);
  for (const auto& text : found) fmt::print("{}\n", text);
  return found.empty() ? 0 : 1;
}
