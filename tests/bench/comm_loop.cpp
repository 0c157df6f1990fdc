// One rank of the bench `comm`: all_reduce of float32 in place, so many bytes so many times; or all
// ranks copy so many bytes at the same time, which is as quick as memory can be.
//   comm_loop [copy=]BYTES[:CALLS]...      prints for each: bytes, median and worst microseconds
#include "gpu/comm/communicator.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

namespace comm = troupe::comm;

struct Series {
  size_t bytes = 0, calls = 100;
  bool copies = false;
};

Series parse(std::string text) {
  Series series;
  series.copies = text.starts_with("copy=");
  if (series.copies) text.erase(0, 5);
  auto colon = text.find(':');
  series.bytes = std::stoul(text);
  if (colon != std::string::npos) series.calls = std::stoul(text.substr(colon + 1));
  return series;
}

troupe::Result<std::vector<double>> microseconds(comm::Communicator& ranks, const Series& series) {
  using Clock = std::chrono::steady_clock;
  std::vector<float> data(series.bytes / sizeof(float)), other(series.copies ? data.size() : 0);
  std::vector<double> times;
  auto first = series.calls / 5 + 2;  // these touch memory for the first time
  for (size_t call = 0; call < first + series.calls; ++call) {
    if (series.copies) TROUPE_TRY(ranks.barrier());
    auto begin = Clock::now();
    if (series.copies)
      std::memcpy(other.data(), data.data(), series.bytes);
    else
      TROUPE_TRY(ranks.all_reduce(data.data(), data.data(), data.size(), comm::DataType::float32,
                                  comm::ReduceOp::sum));
    if (call >= first)
      times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  return times;
}

int fail(const troupe::Error& error) {
  std::fprintf(stderr, "%s\n", to_string(error).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  auto options = comm::options_from_environment();
  if (!options) return fail(options.error());
  if (const char* spins = std::getenv("COMM_LOOP_SPINS"))
    options->patience.spins = static_cast<uint32_t>(std::atoi(spins));
  auto ranks = comm::Communicator::open(*options);
  if (!ranks) return fail(ranks.error());
  for (int i = 1; i < argc; ++i) {
    auto series = parse(argv[i]);
    auto times = microseconds(**ranks, series);
    if (!times) return fail(times.error());
    if ((*ranks)->rank() == 0)
      std::printf("%zu %.3f %.3f\n", series.bytes, (*times)[times->size() / 2], times->back());
  }
  return 0;
}
