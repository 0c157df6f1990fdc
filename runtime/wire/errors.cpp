#include "runtime/wire/errors.hpp"

#include <fmt/format.h>

namespace troupe {

caf::error to_caf(const Error& error) {
  return caf::make_error(error.code, error.what, error.detail, error.hint);
}

Error from_caf(const caf::error& error, std::string_view what) {
  const auto& context = error.context();
  constexpr auto ours = caf::detail::error_factory<Errc>::category;
  if (error.category() == ours && context.match_elements<std::string, std::string, std::string>())
    return Error{static_cast<Errc>(error.code()), context.get_as<std::string>(0),
                 context.get_as<std::string>(1), context.get_as<std::string>(2)};
  if (error == caf::sec::request_timeout)
    return Error{Errc::timed_out, fmt::format("{}: no answer in time", what),
                 "the part of the head or worker asked is busy", "try again"};
  if (error == caf::sec::request_receiver_down || error.category() == caf::atom("exit"))
    return Error{Errc::unavailable, fmt::format("{}: nobody is there to answer", what),
                 "it has ended or is stopping", "try again"};
  return Error{Errc::bug, fmt::format("{} failed", what),
               fmt::format("actor error {}", error.code()), "please report this"};
}

}  // namespace troupe
