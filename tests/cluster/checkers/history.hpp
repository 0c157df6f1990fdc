// What happened in a run, as the checkers read it: JSON objects, one a line, in the order in which
// they were written. The test writes what it asked for and was answered, jobs write what they did;
// "at" is nanoseconds of this machine's one clock (CLOCK_BOOTTIME), which all hosts of a lab share.
//
//   {"what":"ack","key":K,"id":ID,"name":N}          a submission was acknowledged
//   {"what":"ack-kill","id":ID}                      so was a kill
//   {"what":"begin","job":J,"attempt":A,"rank":R,"node":NODE,"pid":P,"cpus":C,"at":T}
//   {"what":"alive", the same}                       the process still ran
//   {"what":"end", the same,"lines":L,"code":C}      it is about to end by itself
//   {"what":"state","number":N,"id":ID,"from":S,"to":S}      an event of the public stream
//   {"what":"final","id":ID,"name":N,"key":K,"state":S,"attempt":A,"exit_code":C,"exclusive":B}
//   {"what":"node","node":NODE,"cpus":C,"used":U}            at any time
//   {"what":"quiet","node":NODE,"used":U,"processes":P}      when nothing is to run any more
//   {"what":"lost","node":NODE,"at":T}                       the head gave it up ...
//   {"what":"back","node":NODE,"at":T}                       ... and has it again
//   {"what":"log","job":J,"text":TEXT,"lines":L}             as the API serves it
//   {"what":"healed","at":T}                                 the last fault is over
//   {"what":"settled","id":ID,"at":T}                        its terminal state was seen
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/value.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cluster {

class Entry {
 public:
  explicit Entry(Value value) : value_{std::move(value)} {}
  bool is(std::string_view what) const { return text("what") == what; }
  bool has(std::string_view key) const { return value_.find(key) != nullptr; }
  std::string text(std::string_view key) const;
  int64_t number(std::string_view key, int64_t otherwise = 0) const;
  bool flag(std::string_view key) const;

 private:
  Value value_;
};

using History = std::vector<Entry>;
/// A line that is no object is an error: a checker must not pass over what it cannot read.
Result<History> read_history(const std::string& path);

/// What one checker says of a history; each program of this folder is one such function.
std::vector<std::string> violations(const History& history);

}  // namespace troupe::cluster
