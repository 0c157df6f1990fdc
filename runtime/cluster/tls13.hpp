// TLS 1.3 and nothing older, for all of this process.
#pragma once

namespace troupe::cluster {

/// KJ's own setting ends at 1.2, so OpenSSL's configuration says it. Call before anything else uses
/// OpenSSL, and before other threads. False where OpenSSL had been configured already.
bool require_tls13();

}  // namespace troupe::cluster
