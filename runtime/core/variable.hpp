// Names as parts of environment variables: TROUPE_P_<NAME>, TROUPE_DATA_<NAME>. Pure.
#pragma once

#include <string>
#include <string_view>

namespace troupe {

/// Upper case; what is neither letter nor digit becomes '_'.
inline std::string variable_part(std::string_view name) {
  std::string part;
  for (char c : name) {
    if (c >= 'a' && c <= 'z')
      part += static_cast<char>(c - 'a' + 'A');
    else if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
      part += c;
    else
      part += '_';
  }
  return part;
}

}  // namespace troupe
