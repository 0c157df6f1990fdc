#include "actors/worker/pmix_library.hpp"

#include "runtime/core/loaded_library.hpp"

namespace troupe::actors {

#if TROUPE_HAS_PMIX

Result<PmixLibrary> load_pmix() {
  PmixLibrary library;
  // Global: its plugins take its symbols from there.
  LoadedLibrary pmix{{"libpmix.so.2"}, RTLD_GLOBAL};
  pmix.find("PMIx_server_init", library.server_init);
  pmix.find("PMIx_server_register_nspace", library.server_register_nspace);
  pmix.find("PMIx_server_register_client", library.server_register_client);
  pmix.find("PMIx_server_setup_fork", library.server_setup_fork);
  pmix.find("PMIx_generate_regex", library.generate_regex);
  pmix.find("PMIx_generate_ppn", library.generate_ppn);
  pmix.find("PMIx_Error_string", library.error_string);
  if (pmix.problem().empty()) return library;
  return Error{Errc::unavailable, "PMIx cannot be served here", pmix.problem(),
               "install libpmix2 on this node"};
}

#endif

}  // namespace troupe::actors
