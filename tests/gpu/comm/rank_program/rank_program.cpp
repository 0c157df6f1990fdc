// One rank as a process, told by its environment and arguments what to do:
//   loop                 all_reduce for ever, "ready" on standard output after the first
//   reduce COUNT         one of COUNT floats; prints the first element
//   late MILLISECONDS    rank 1 comes so much later; then as `reduce 1000`
//   again                three communicators, one after the other, and a call of each
//   device               a communicator of devices, and one call
// A call that fails is printed as its error, and the exit code is 3.
#include "gpu/comm/device_communicator.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <string>

namespace {

using troupe::comm::Communicator;
using troupe::comm::DataType;
using troupe::comm::ReduceOp;

int failed(const troupe::Error& error) {
  std::printf("%s\n", to_string(error).c_str());
  std::fflush(stdout);
  return 3;
}

troupe::Result<void> reduce(Communicator& ranks, std::vector<float>& data) {
  return ranks.all_reduce(data.data(), data.data(), data.size(), DataType::float32, ReduceOp::max);
}

int on_device() {
  auto options = troupe::comm::device_options_from_environment();
  if (!options) return failed(options.error());
  auto ranks = troupe::comm::DeviceCommunicator::open(*options);
  if (!ranks) return failed(ranks.error());
  float one = 1;
  auto result = (*ranks)->all_reduce(&one, &one, 1, DataType::float32, ReduceOp::sum);
  if (result) result = (*ranks)->wait();
  if (!result) return failed(result.error());
  std::printf("%g\n", static_cast<double>(one));
  return 0;
}

int again() {
  for (int turn = 0; turn < 3; ++turn) {
    auto options = troupe::comm::options_from_environment();
    if (!options) return failed(options.error());
    auto ranks = Communicator::open(*options);
    if (!ranks) return failed(ranks.error());
    std::vector<float> data(3, static_cast<float>((*ranks)->rank()));
    if (auto result = reduce(**ranks, data); !result) return failed(result.error());
    std::printf("%g\n", static_cast<double>(data[0]));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string what = argc > 1 ? argv[1] : "";
  auto number = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
  if (what == "device") return on_device();
  if (what == "again") return again();
  auto options = troupe::comm::options_from_environment();
  if (!options) return failed(options.error());
  if (what == "late" && options->rank == 1) ::poll(nullptr, 0, static_cast<int>(number));
  auto ranks = Communicator::open(*options);
  if (!ranks) return failed(ranks.error());
  std::vector<float> data(what == "reduce" ? number
                          : what == "loop" ? 200'000
                                           : 1000,
                          static_cast<float>((*ranks)->rank()));
  auto result = reduce(**ranks, data);
  if (!result) return failed(result.error());
  std::printf(what == "loop" ? "ready\n" : "%g\n", static_cast<double>(data[0]));
  std::fflush(stdout);
  while (what == "loop")
    if (result = reduce(**ranks, data); !result) return failed(result.error());
  return 0;
}
