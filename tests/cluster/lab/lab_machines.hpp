// A head and workers (many.hpp), each on a host of its own in a lab.
#pragma once

#include "tests/cluster/lab/lab.hpp"
#include "tests/cluster/many.hpp"

#include <string>
#include <utility>
#include <vector>

namespace troupe::cluster {

class LabMachines : private Lab, public ManyMachines {
 public:
  explicit LabMachines(std::vector<std::string> worker_args = {"--cpus", "2", "--mem", "1GiB"},
                       std::vector<std::string> head_args = {})
      : ManyMachines{bound(std::move(head_args), Lab::address("head")), std::move(worker_args)} {}

  Lab& lab() { return *this; }
  /// A machine's power is cut; it and its processes come back with start_head or start_worker.
  void cut_power(const std::string& name);

 private:
  static std::vector<std::string> bound(std::vector<std::string> args, const std::string& address) {
    args.insert(args.end(), {"--bind", address});
    return args;
  }

 protected:
  Child launch(const std::string& machine, const std::vector<std::string>& argv,
               const std::string& out_path, const std::string& err_path) override;
};

/// Skips with the reason where this machine can have no lab.
class LabTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (auto why = Lab::why_not(); !why.empty()) GTEST_SKIP() << "no lab here: " << why;
  }
};

}  // namespace troupe::cluster
