#include "runtime/cluster/tls13.hpp"

#include "runtime/core/fd.hpp"

#include <openssl/ssl.h>

#include <string>
#include <string_view>
#include <sys/mman.h>

namespace troupe::cluster {

bool require_tls13() {
  constexpr std::string_view text =
      "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMinProtocol = TLSv1.3\n";
  // OpenSSL reads a file by its name; this one is nobody else's and vanishes with us.
  UniqueFd file{::memfd_create("openssl.cnf", MFD_CLOEXEC)};
  if (!file || !write_all(file.get(), text)) return false;
  auto path = "/proc/self/fd/" + std::to_string(file.get());
  auto* settings = ::OPENSSL_INIT_new();
  ::OPENSSL_INIT_set_config_filename(settings, path.c_str());
  bool done = ::OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, settings) == 1;
  ::OPENSSL_INIT_free(settings);
  return done;
}

}  // namespace troupe::cluster
