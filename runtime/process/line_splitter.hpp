// Turns what one process writes to one stream into log records: a line each, longer lines in parts.
// Owned by the launcher's loop; one for each pipe.
#pragma once

#include "runtime/core/clock.hpp"

#include <string>
#include <string_view>

namespace troupe::process {

class LineSplitter {
 public:
  /// `stream` is 'o' or 'e'.
  LineSplitter(uint32_t rank, char stream);

  /// Appends the records that `bytes` complete to `records`. `time` is RFC 3339, made once for many
  /// calls.
  void add(std::string_view bytes, std::string_view time, std::string& records);
  /// What waits for its newline, as a part: so that a prompt or a progress bar is seen.
  void flush_part(std::string_view time, std::string& records);
  /// The stream has ended: an open line is closed.
  void finish(std::string_view time, std::string& records);

  bool has_part() const { return !part_.empty(); }

 private:
  void record(char kind, std::string_view text, std::string_view time, std::string& records);

  std::string prefix_;      // " 0o "
  std::string part_;        // since the last newline or cut, always below the limit of a line
  bool open_line_ = false;  // parts of the current line were written already
};

}  // namespace troupe::process
