// Finds the records in a file while its bytes go by: where the first one begins and how long each
// is. Formats are told by the file's name; the bytes then have the last word. Pure; one thread.
#pragma once

#include "storage/dataset/import.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace troupe::dataset {

class RecordScanner {
 public:
  virtual ~RecordScanner() = default;
  virtual void feed(std::string_view bytes) = 0;
  /// Behind the last byte: the table, or why there is none.
  virtual std::variant<TableDraft, std::string> finish() = 0;
};

/// Null where the name is of no kind that has records. Names: .csv .tsv .jsonl .ndjson .idx and
/// those of the MNIST family ("train-images-idx3-ubyte").
std::unique_ptr<RecordScanner> make_scanner(std::string_view path, HeaderRow header);

}  // namespace troupe::dataset
