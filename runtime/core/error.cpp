#include "runtime/core/error.hpp"

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace troupe {

namespace {

constexpr std::array<std::pair<Errc, std::string_view>, 12> names{{
    {Errc::invalid, "invalid"},
    {Errc::not_found, "not_found"},
    {Errc::unauthenticated, "unauthenticated"},
    {Errc::refused, "refused"},
    {Errc::exhausted, "exhausted"},
    {Errc::conflict, "conflict"},
    {Errc::unavailable, "unavailable"},
    {Errc::timed_out, "timed_out"},
    {Errc::io, "io"},
    {Errc::corrupt, "corrupt"},
    {Errc::failed, "failed"},
    {Errc::bug, "bug"},
}};

}  // namespace

std::string_view to_string(Errc code) {
  for (const auto& [value, name] : names)
    if (value == code) return name;
  return "bug";
}

Errc errc_from_string(std::string_view text) {
  for (const auto& [value, name] : names)
    if (name == text) return value;
  return Errc::bug;
}

std::string to_string(const Error& error) {
  std::string text = error.what;
  if (!error.detail.empty()) text += ": " + error.detail;
  if (!error.hint.empty()) text += " (" + error.hint + ")";
  return text;
}

Error errno_error(int number, std::string what, std::string hint) {
  auto code = number == ENOSPC || number == EDQUOT || number == EMFILE || number == ENFILE
                  ? Errc::exhausted
              : number == ENOENT ? Errc::not_found
                                 : Errc::io;
  return Error{code, std::move(what), std::generic_category().message(number), std::move(hint)};
}

}  // namespace troupe
