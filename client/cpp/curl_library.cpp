#include "client/cpp/curl_library.hpp"

#include "runtime/core/loaded_library.hpp"

#include <string>

namespace troupe::client {

namespace {

struct Loaded {
  CurlLibrary functions{};
  std::string problem;  // empty: it is there
};

Loaded load() {
  Loaded loaded;
  LoadedLibrary library{{"libcurl.so.4"}};
  decltype(&::curl_global_init) global_init = nullptr;
  library.find("curl_global_init", global_init);
  library.find("curl_easy_init", loaded.functions.easy_init);
  library.find("curl_easy_cleanup", loaded.functions.easy_cleanup);
  library.find("curl_easy_perform", loaded.functions.easy_perform);
  library.find("curl_easy_setopt", loaded.functions.easy_setopt);
  library.find("curl_easy_getinfo", loaded.functions.easy_getinfo);
  library.find("curl_easy_strerror", loaded.functions.easy_strerror);
  library.find("curl_slist_append", loaded.functions.slist_append);
  library.find("curl_slist_free_all", loaded.functions.slist_free_all);
  loaded.problem = library.problem();
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
