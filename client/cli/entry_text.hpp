// Experiments and sets in words, for tables and sheets. Pure.
#pragma once

#include "client/cli/output.hpp"
#include "runtime/core/value.hpp"

#include <string>

namespace troupe::cli {

/// "7/20" of a set: ended of all; empty for an experiment.
std::string members_text(const Value& entry);
/// What came out in short: the best of a set, else the last metrics.
std::string result_text(const Value& entry);
/// The reason of its state; of a failed one the error.
std::string reason_text(const Value& entry);
/// A number of at most six significant digits, for people; other values as text; empty for none.
std::string number_text(const Value* value);
/// Everything recorded about it but the members, one field a line.
std::string sheet(const Value& entry, const Output& out, Timestamp now);

}  // namespace troupe::cli
