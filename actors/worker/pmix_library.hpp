// The functions of libpmix that a server of PMIx needs, loaded when asked for: only jobs that say
// `launch: [pmix]` do, each in a process of its own. Where the build had no header of it
// (libpmix-dev) there are none.
#pragma once

#include "runtime/core/result.hpp"

#if __has_include(<pmix_server.h>)
#define TROUPE_HAS_PMIX 1
#include <pmix.h>
#include <pmix_server.h>
#else
#define TROUPE_HAS_PMIX 0
#endif

namespace troupe::actors {

#if TROUPE_HAS_PMIX
struct PmixLibrary {
  decltype(&::PMIx_server_init) server_init = nullptr;
  decltype(&::PMIx_server_register_nspace) server_register_nspace = nullptr;
  decltype(&::PMIx_server_register_client) server_register_client = nullptr;
  decltype(&::PMIx_server_setup_fork) server_setup_fork = nullptr;
  decltype(&::PMIx_generate_regex) generate_regex = nullptr;
  decltype(&::PMIx_generate_ppn) generate_ppn = nullptr;
  decltype(&::PMIx_Error_string) error_string = nullptr;
};

/// `unavailable` where this machine has none.
Result<PmixLibrary> load_pmix();
#endif

}  // namespace troupe::actors
