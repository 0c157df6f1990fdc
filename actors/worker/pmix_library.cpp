#include "actors/worker/pmix_library.hpp"

#include <dlfcn.h>
#include <type_traits>

namespace troupe::actors {

#if TROUPE_HAS_PMIX

Result<PmixLibrary> load_pmix() {
  PmixLibrary library;
  // Global: its plugins take its symbols from there.
  void* handle = ::dlopen("libpmix.so.2", RTLD_NOW | RTLD_GLOBAL);
  bool whole = handle != nullptr;
  auto find = [&](auto& function, const char* name) {
    void* symbol = whole ? ::dlsym(handle, name) : nullptr;
    whole = symbol != nullptr;
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbol);
  };
  find(library.server_init, "PMIx_server_init");
  find(library.server_register_nspace, "PMIx_server_register_nspace");
  find(library.server_register_client, "PMIx_server_register_client");
  find(library.server_setup_fork, "PMIx_server_setup_fork");
  find(library.generate_regex, "PMIx_generate_regex");
  find(library.generate_ppn, "PMIx_generate_ppn");
  find(library.error_string, "PMIx_Error_string");
  if (whole) return library;
  const char* why = ::dlerror();
  return Error{Errc::unavailable, "PMIx cannot be served here", why != nullptr ? why : "",
               "install libpmix2 on this node"};
}

#endif

}  // namespace troupe::actors
