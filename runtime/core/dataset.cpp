#include "runtime/core/dataset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace troupe {

namespace {

constexpr size_t name_bytes_max = 100;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// "3", not "03" and nothing beyond 32 bits.
bool is_version(std::string_view text) {
  uint32_t number = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  return code == std::errc{} && end == text.data() + text.size() && text.front() != '0';
}

}  // namespace

Result<void> check_dataset_name(std::string_view name, std::string_view what) {
  bool good = !name.empty() && name.size() <= name_bytes_max &&
              (is_letter(name.front()) || is_digit(name.front())) &&
              std::all_of(name.begin(), name.end(), [](char c) {
                return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
              });
  if (good) return ok();
  return Error{Errc::invalid, fmt::format("bad {} \"{}\"", what, name.substr(0, name_bytes_max)),
               fmt::format("1 to {} letters, digits, '.', '_' and '-'", name_bytes_max),
               "begin with a letter or a digit"};
}

Result<void> check_dataset_tag(std::string_view tag) {
  TROUPE_TRY(check_dataset_name(tag, "tag"));
  if (std::all_of(tag.begin(), tag.end(), is_digit))
    return Error{Errc::invalid, fmt::format("bad tag \"{}\"", tag), "numbers are versions",
                 "give it a letter"};
  return ok();
}

Result<DatasetRef> parse_dataset_ref(std::string_view text) {
  DatasetRef ref;
  if (text.ends_with("/out")) {
    auto id = parse_experiment_id(text.substr(0, text.size() - 4));
    if (!id) return std::move(id).error();
    ref.output = *id;
    return ref;
  }
  auto colon = text.find(':');
  ref.name = text.substr(0, colon);
  TROUPE_TRY(check_dataset_name(ref.name));
  if (colon == std::string_view::npos) return ref;
  ref.which = text.substr(colon + 1);
  bool number = !ref.which.empty() && is_version(ref.which);
  if (!number && !check_dataset_tag(ref.which))
    return Error{Errc::invalid, fmt::format("bad dataset \"{}\"", text.substr(0, 250)),
                 "behind the colon stands a version or a tag",
                 fmt::format("write {0}:3, or {0} for the newest", ref.name)};
  return ref;
}

std::string outputs_name(ExperimentId id) {
  return to_string(id) + "/out";
}

std::string to_string(const DatasetRef& ref) {
  if (ref.output) return outputs_name(*ref.output);
  return ref.which.empty() ? ref.name : ref.name + ":" + ref.which;
}

std::string DatasetRef::default_mount() const {
  return output ? "out-" + to_string(*output) : name;
}

}  // namespace troupe
