// A line on a terminal that says how far something is, drawn anew now and then; nothing anywhere
// else. Main thread.
#pragma once

#include "client/cli/output.hpp"
#include "runtime/core/clock.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace troupe::cli {

class Progress {
 public:
  /// `what` begins the line: "pushing digits".
  Progress(Output& out, Clock& clock, std::string what)
      : out_{out}, clock_{clock}, what_{std::move(what)}, begun_{clock.monotonic()} {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void add(uint64_t bytes);
  /// Takes the line away.
  void clear();
  uint64_t bytes() const { return bytes_; }
  double seconds() const {
    return std::chrono::duration<double>(clock_.monotonic() - begun_).count();
  }

 private:
  Output& out_;
  Clock& clock_;
  std::string what_;
  uint64_t bytes_ = 0;
  std::chrono::nanoseconds begun_, drawn_{0};
  bool shown_ = false;
};

/// "45.2 MB/s".
std::string rate_text(uint64_t bytes, double seconds);

}  // namespace troupe::cli
