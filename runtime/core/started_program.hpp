// A program of the system that is asked something: what it writes is read here, and it hears and
// complains to nobody. For any thread.
#pragma once

#include "runtime/core/fd.hpp"

#include <string>
#include <sys/types.h>
#include <vector>

namespace troupe {

struct StartedProgram {
  pid_t pid = 0;    // to be reaped by whoever started it; 0: it did not start
  UniqueFd output;  // blocking
};

/// Finds it by PATH; `line` is its name and its arguments.
StartedProgram start_program(std::vector<std::string> line);

}  // namespace troupe
