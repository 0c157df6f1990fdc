// What all stored rows are made of: texts, errors, values and states; and the one way to read a
// row. Pure; any thread.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/state.hpp"
#include "runtime/core/value.hpp"
#include "storage/records.capnp.h"

#include <capnp/serialize.h>
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

namespace troupe::storage {

/// Errc::corrupt.
Error bad_row(std::string detail);

/// Text wants a NUL behind its end: `bytes` is a whole string, not a part of one, and outlives what
/// is returned.
capnp::Text::Reader text(std::string_view bytes);
std::string str(capnp::Text::Reader text);

void fill(rows::Problem::Builder row, const Error& error);
Error problem(rows::Problem::Reader row);

void fill(rows::Scalar::Builder row, const Value& value);
Value scalar(rows::Scalar::Reader row);

/// `list` has as many rows as there are values.
template <class List>
void fill_parameters(List list, const std::map<std::string, Value>& values) {
  unsigned i = 0;
  for (const auto& [name, value] : values) {
    auto row = list[i++];
    row.setName(text(name));
    fill(row.initValue(), value);
  }
}
std::map<std::string, Value> parameters(capnp::List<rows::Parameter>::Reader list);

/// Throws std::out_of_range where there is no such state; with_row makes an error of it.
State state_of(uint8_t number);

/// Calls use(row) on an aligned copy that lives as long as the call. KJ's exceptions end here.
template <class Row, class Use>
Result<void> with_row(std::string_view bytes, Use use) {
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0)
    return bad_row(fmt::format("{} bytes are no row", bytes.size()));
  try {
    std::array<capnp::word, 256> small;
    kj::Array<capnp::word> large;
    auto words = bytes.size() / sizeof(capnp::word);
    kj::ArrayPtr<capnp::word> aligned{small.data(), words};
    if (words > small.size()) {
      large = kj::heapArray<capnp::word>(words);
      aligned = large;
    }
    std::memcpy(aligned.begin(), bytes.data(), bytes.size());
    capnp::FlatArrayMessageReader message{aligned};
    use(message.getRoot<Row>());
    return ok();
  } catch (const kj::Exception& problem) {
    return bad_row(problem.getDescription().cStr());
  } catch (const std::exception& problem) {
    return bad_row(problem.what());
  }
}

}  // namespace troupe::storage
