// The published traces that lie beside the checkout, unpacked in memory; absent on most machines.
#pragma once

#include "runtime/core/result.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace troupe::simulate {

/// `not_found` where the file or the program `xz` is absent.
inline Result<std::string> trace(const std::string& file) {
  const auto* given = std::getenv("TROUPE_TRACES");
  std::filesystem::path folder = given != nullptr ? given : TROUPE_SOURCE "/../shared/data/traces";
  auto path = (folder / file).string();
  if (!std::filesystem::exists(path))
    return Error{Errc::not_found, "no trace " + path, "", "set TROUPE_TRACES to its folder"};
  std::string text;
  auto* pipe = ::popen(("xz -dc '" + path + "'").c_str(), "r");
  if (pipe == nullptr) return Error{Errc::not_found, "xz does not start", "", "install xz-utils"};
  char buffer[1 << 16];
  while (auto count = ::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, count);
  if (::pclose(pipe) != 0 || text.empty())
    return Error{Errc::not_found, "xz cannot read " + path, "", "install xz-utils"};
  return text;
}

}  // namespace troupe::simulate
