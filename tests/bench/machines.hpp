// A head and sixteen workers as processes of their own, for figures beside Slurm's; and times that
// jobs left behind.
#pragma once

#include "tests/bench/http_connection.hpp"
#include "tests/cluster/many.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe::bench {

class Machines : public cluster::ManyMachines {
 public:
  /// Workers w1 to wN, up.
  Machines(int workers, int cpus);
  HttpConnection& connection() { return *connection_; }
  /// To the head as it is now.
  void connect();
  /// Waits until no experiment lives.
  void await_idle();

 private:
  std::unique_ptr<HttpConnection> connection_;
};

/// Nanoseconds since 1970, as bench_stamp writes them.
int64_t wall_ns();
/// The stamps of a file, in order.
std::vector<int64_t> read_stamps(const std::string& path);
double median(std::vector<double> values);
double largest(const std::vector<double>& values);

}  // namespace troupe::bench
