// The one form in which anything fails: four parts, the same that the command line and HTTP print.
// Value types; no thread of their own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

/// Kinds of failure. Numbers are stable: they travel between nodes and are stored.
enum class Errc : uint8_t {
  invalid = 1,      // asked for something that can never work
  not_found,        // no such object, or not visible to this user
  unauthenticated,  // no credential, or one that is not known
  refused,          // known and possible, but not for this user or under this policy
  exhausted,        // a limit or a full disk; may work later
  conflict,         // the object is in a state that does not allow this
  unavailable,      // the other side cannot be reached or is stopping; try again
  timed_out,        // no answer in the time given
  io,               // the operating system said no: file, process, socket
  corrupt,          // stored data is not what was written
  failed,           // a job or command ended badly
  bug,              // an assumption of ours was wrong; please report
};

/// "invalid", "not_found", ...: the code as programs and JSON see it.
std::string_view to_string(Errc code);
/// Reads what to_string printed; Errc::bug for anything else.
Errc errc_from_string(std::string_view text);

struct Error {
  Errc code = Errc::bug;
  std::string what;    // what failed, on which object
  std::string detail;  // why: numbers, names, cause
  std::string hint;    // what to do about it

  bool operator==(const Error&) const = default;
};

/// "what: detail (hint)" on one line, for logs.
std::string to_string(const Error& error);

/// An Error of code `io` for an errno value: detail is the system's own text for it.
Error errno_error(int number, std::string what, std::string hint = {});

}  // namespace troupe
