// A request's body of known length, into memory. Memory grows with what arrives, not with what was
// announced.
#pragma once

#include "client/api/exchange.hpp"

#include <string>

namespace troupe::api {

/// False where it ended early or took longer than the body timeout. `out` must outlive the promise.
kj::Promise<bool> read_body(kj::AsyncInputStream& body, uint64_t length, std::string& out,
                            Shared& shared);

}  // namespace troupe::api
