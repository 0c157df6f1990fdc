// A `troupe up` of its own for a measurement: in a scratch folder, ended and removed with the
// object.
#pragma once

#include "tests/bench/http_connection.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::bench {

class ClusterUnderTest {
 public:
  /// On a fresh folder, or on `dir`, which then stays.
  explicit ClusterUnderTest(std::vector<std::string> options = {}, std::string dir = {});
  ~ClusterUnderTest();
  ClusterUnderTest(const ClusterUnderTest&) = delete;
  ClusterUnderTest& operator=(const ClusterUnderTest&) = delete;

  const std::string& dir() const { return dir_; }
  uint16_t port() const { return port_; }
  const std::string& token() const { return token_; }
  /// From exec to the line that says it serves.
  double start_seconds() const { return start_seconds_; }
  /// Resident memory of the process that serves, in bytes.
  uint64_t resident_bytes() const;
  /// Ends it and waits.
  void stop();

 private:
  std::string dir_;
  std::string config_;
  int pid_ = -1;
  uint16_t port_ = 0;
  std::string token_;
  double start_seconds_ = 0;
};

/// Waits until no experiment lives.
void await_idle(HttpConnection& connection);
double now_seconds();
/// A fresh folder, removed when the program ends.
std::string scratch_folder(const std::string& name);

}  // namespace troupe::bench
