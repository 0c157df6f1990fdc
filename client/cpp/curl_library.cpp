#include "client/cpp/curl_library.hpp"

#include <dlfcn.h>
#include <string>

namespace troupe::client {

namespace {

constexpr const char* library_name = "libcurl.so.4";

struct Loaded {
  CurlLibrary functions{};
  std::string problem;  // empty: it is there
};

Loaded load() {
  Loaded loaded;
  void* handle = ::dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
  auto find = [&](auto& function, const char* name) {
    void* symbol = handle != nullptr ? ::dlsym(handle, name) : nullptr;
    if (symbol == nullptr && loaded.problem.empty()) {
      const char* text = ::dlerror();
      loaded.problem = text != nullptr ? text : name;
    }
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbol);
  };
  decltype(&::curl_global_init) global_init = nullptr;
  find(global_init, "curl_global_init");
  find(loaded.functions.easy_init, "curl_easy_init");
  find(loaded.functions.easy_cleanup, "curl_easy_cleanup");
  find(loaded.functions.easy_perform, "curl_easy_perform");
  find(loaded.functions.easy_setopt, "curl_easy_setopt");
  find(loaded.functions.easy_getinfo, "curl_easy_getinfo");
  find(loaded.functions.easy_strerror, "curl_easy_strerror");
  find(loaded.functions.slist_append, "curl_slist_append");
  find(loaded.functions.slist_free_all, "curl_slist_free_all");
  if (loaded.problem.empty() && global_init(CURL_GLOBAL_ALL) != CURLE_OK)
    loaded.problem = "it cannot be initialised";
  return loaded;
}

}  // namespace

Result<const CurlLibrary*> curl_library() {
  static const Loaded loaded = load();
  if (loaded.problem.empty()) return &loaded.functions;
  return Error{Errc::unavailable, "URLs cannot be fetched here", loaded.problem,
               "install libcurl4, or fetch it yourself and push the file"};
}

}  // namespace troupe::client
