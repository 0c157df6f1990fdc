// Clients that each send the next request when the last is answered, many in one thread: a thread
// for each would be woken for each answer, which costs more than what is measured.
#pragma once

#include "tests/bench/cluster_under_test.hpp"

#include <cstdint>
#include <functional>
#include <memory>

namespace troupe::bench {

/// One of them, in one of the threads.
class LoopClient {
 public:
  virtual ~LoopClient() = default;
  virtual void send(HttpConnection& connection) = 0;
  /// What this answer counts. Ends the program with a message where it is none that was wanted.
  virtual uint64_t take(const HttpConnection::Response& answer) = 0;
};

constexpr int loop_clients = 64;

/// What loop_clients of them count together in a second.
double counted_a_second(const ClusterUnderTest& cluster, bool quick,
                        const std::function<std::unique_ptr<LoopClient>()>& make_client);

}  // namespace troupe::bench
