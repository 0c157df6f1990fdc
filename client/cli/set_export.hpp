// A set as a table for other programs: CSV (RFC 4180) or JSON. Pure but for what is handed in.
#pragma once

#include "runtime/core/value.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

/// Rows are members, columns the same whatever members did: what is known of each, its parameters
/// (`param.lr`) as they were written, then of each metric by name `last.loss`, `min.loss`,
/// `max.loss`.
class SetTable {
 public:
  /// `set`: an answer of show.
  explicit SetTable(const Value& set);

  /// A member as lists show it.
  void add(const Value& member);
  size_t rows() const { return rows_.size(); }

  /// With a header; lines end with CR LF. Of what is not there the field is empty; NaN and
  /// infinities are `nan`, `inf`, `-inf`, which numpy and pandas read.
  std::string csv() const;
  /// A list of objects with all columns in this order. Of what is not there, and of NaN, `null`;
  /// infinities are `1e999`, which readers of JSON take for one.
  std::string json() const;

 private:
  struct Row {
    std::vector<Value> known;  // by known_columns
    ValueMap params, last, best;
  };

  std::vector<std::string> columns() const;
  std::vector<Value> cells(const Row& row) const;

  std::vector<std::string> params_, metrics_;  // metrics are sorted
  std::vector<Row> rows_;
};

/// A field of CSV, in quotes where it needs them.
std::string csv_field(std::string_view text);

}  // namespace troupe::cli
