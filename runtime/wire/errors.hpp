// Our errors as CAF errors and back, so that all four parts cross whole.
#pragma once

#include "runtime/core/error.hpp"

#include <caf/all.hpp>

CAF_ERROR_CODE_ENUM(troupe::Errc, "troupe")

namespace troupe {

caf::error to_caf(const Error& error);
/// Also understands CAF's own errors: a timeout becomes `timed_out`, a dead actor `unavailable`,
/// others `bug`. `what` says what was being asked, for those.
Error from_caf(const caf::error& error, std::string_view what);

}  // namespace troupe
