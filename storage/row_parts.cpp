#include "storage/row_parts.hpp"

#include "runtime/core/json.hpp"

#include <stdexcept>

namespace troupe::storage {

Error bad_row(std::string detail) {
  return Error{Errc::corrupt, "a stored record cannot be read", std::move(detail),
               "keep a copy of the ledger's folder and restore it from a backup"};
}

capnp::Text::Reader text(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

std::string str(capnp::Text::Reader text) {
  return {text.begin(), text.size()};
}

void fill(rows::Problem::Builder row, const Error& error) {
  row.setCode(static_cast<uint8_t>(error.code));
  row.setWhat(text(error.what));
  row.setDetail(text(error.detail));
  row.setHint(text(error.hint));
}

Error problem(rows::Problem::Reader row) {
  auto code = row.getCode();
  bool known =
      code >= static_cast<uint8_t>(Errc::invalid) && code <= static_cast<uint8_t>(Errc::bug);
  return {known ? static_cast<Errc>(code) : Errc::bug, str(row.getWhat()), str(row.getDetail()),
          str(row.getHint())};
}

void fill(rows::Scalar::Builder row, const Value& value) {
  if (value.is_bool())
    row.setBoolean(value.as_bool());
  else if (value.is_int())
    row.setInteger(value.as_int());
  else if (value.is_double())
    row.setNumber(value.as_number());
  else if (value.is_string())
    row.setText(text(value.as_string()));
  else if (!value.is_null())
    row.setJson(json_text(value));
}

Value scalar(rows::Scalar::Reader row) {
  switch (row.which()) {
    case rows::Scalar::BOOLEAN:
      return row.getBoolean();
    case rows::Scalar::INTEGER:
      return static_cast<int64_t>(row.getInteger());
    case rows::Scalar::NUMBER:
      return row.getNumber();
    case rows::Scalar::TEXT:
      return str(row.getText());
    case rows::Scalar::JSON:
      return parse_json(str(row.getJson())).value_or(Value{});
    default:
      return {};
  }
}

std::map<std::string, Value> parameters(capnp::List<rows::Parameter>::Reader list) {
  std::map<std::string, Value> values;
  for (auto row : list)
    values.emplace_hint(values.end(), str(row.getName()), scalar(row.getValue()));
  return values;
}

State state_of(uint8_t number) {
  if (number < static_cast<uint8_t>(State::queued) ||
      number > static_cast<uint8_t>(State::restarting))
    throw std::out_of_range(fmt::format("state {}", number));
  return static_cast<State>(number);
}

}  // namespace troupe::storage
