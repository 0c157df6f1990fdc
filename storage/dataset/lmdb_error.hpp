// LMDB's error numbers as an Error, for files of datasets. Pure; any thread.
#pragma once

#include "runtime/core/error.hpp"

#include <string>

namespace troupe::dataset {

/// `what` is a whole sentence part: "x cannot be opened".
Error lmdb_error(int code, std::string what);

}  // namespace troupe::dataset
