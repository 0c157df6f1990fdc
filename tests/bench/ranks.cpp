#include "tests/bench/ranks.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace troupe::bench {

std::string as_ranks(int ranks, const std::string& environment, const std::string& program,
                     const std::vector<std::string>& arguments) {
  static int port = 23000 + ::rand() % 5000;
  ++port;
  return fmt::format(
      "timeout 100 sh -c 'export WORLD_SIZE={} MASTER_ADDR=127.0.0.1 MASTER_PORT={} {}; rank=1; "
      "while [ $rank -lt {} ]; do RANK=$rank {} {} & rank=$((rank + 1)); done; RANK=0 {} {}; "
      "code=$?; wait; exit $code'",
      ranks, port, environment, ranks, program, fmt::join(arguments, " "), program,
      fmt::join(arguments, " "));
}

}  // namespace troupe::bench
