// libcurl, loaded when the first URL is fetched: it brings thirty libraries along, and every start
// of every command would pay for them. Any thread.
#pragma once

#include "runtime/core/result.hpp"

#include <curl/curl.h>

namespace troupe::client {

/// The functions that are used. Those with variable arguments are called through the wrappers of
/// fetch_url.cpp alone.
struct CurlLibrary {
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_perform) easy_perform;
  CURLcode (*easy_setopt)(CURL*, CURLoption, ...);
  CURLcode (*easy_getinfo)(CURL*, CURLINFO, ...);
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
};

/// Loaded at the first call, and for good. unavailable where this machine has none.
Result<const CurlLibrary*> curl_library();

}  // namespace troupe::client
