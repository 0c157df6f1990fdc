#include "tests/bench/machines.hpp"

#include "runtime/core/fd.hpp"
#include "tests/bench/cluster_under_test.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <sstream>

namespace troupe::bench {

Machines::Machines(int workers, int cpus)
    : ManyMachines{{}, {"--cpus", fmt::to_string(cpus), "--mem", "64GiB"}} {
  if (!start_head()) std::exit(1);
  for (int i = 1; i <= workers; ++i)
    if (!start_worker(fmt::format("w{}", i), false)) std::exit(1);
  for (int i = 1; i <= workers; ++i)
    if (!await_node(fmt::format("w{}", i), "up")) std::exit(1);
  connect();
}

void Machines::connect() {
  auto port = std::atoi(url().substr(url().rfind(':') + 1).c_str());
  connection_ = std::make_unique<HttpConnection>(static_cast<uint16_t>(port), token());
}

void Machines::await_idle() {
  bench::await_idle(*connection_);
}

int64_t wall_ns() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

std::vector<int64_t> read_stamps(const std::string& path) {
  std::istringstream text{read_file(path).value_or("")};
  std::vector<int64_t> stamps;
  for (int64_t stamp = 0; text >> stamp;) stamps.push_back(stamp);
  std::sort(stamps.begin(), stamps.end());
  return stamps;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

double largest(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

}  // namespace troupe::bench
