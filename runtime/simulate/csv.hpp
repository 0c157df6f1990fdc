// Plain comma-separated tables with a header line, as the published traces have them: no quotes.
#pragma once

#include "runtime/core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::simulate {

class Csv {
 public:
  /// `invalid` where a column that is asked for is missing.
  static Result<Csv> open(std::string_view text, std::string_view name,
                          std::vector<std::string_view> columns);

  /// The next row's fields in the order asked for; none at the end.
  bool next();
  std::string_view field(size_t i) const { return fields_[i]; }
  /// A number in that field of the present row.
  Result<double> number(size_t i) const;
  Error error(size_t i, std::string_view wants) const;
  size_t line() const { return line_; }

 private:
  std::string_view rest_;
  std::string name_;
  std::vector<std::string_view> columns_;
  std::vector<size_t> at_;
  std::vector<std::string_view> fields_;
  size_t line_ = 0;
};

}  // namespace troupe::simulate
