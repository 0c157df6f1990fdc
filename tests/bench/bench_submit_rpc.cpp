// Submissions over Cap'n Proto RPC: many calls in flight on each of many connections.
#include "client/api/troupe.capnp.h"
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"

#include <capnp/ez-rpc.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace troupe::bench {

namespace {

/// Its threads share what they need of the processor; the connections are what is counted.
constexpr int threads_count = 2;

struct Tally {
  std::atomic<uint64_t> accepted{0};
  std::atomic<bool> over{false};
};

/// One call after the other, until it is over.
kj::Promise<void> lane(api::wire::Session::Client session, Tally& tally) {
  if (tally.over) return kj::READY_NOW;
  auto call = session.submitRequest();
  auto submission = call.initSubmission();
  submission.setProject("bench");
  submission.initRun().initList(1)[0].initArgv(1).set(0, "/bin/true");
  return call.send().then([session, &tally](auto answer) mutable {
    if (!answer.hasSubmitted()) std::exit(1);
    ++tally.accepted;
    return lane(kj::mv(session), tally);
  });
}

void submit_over(int connections, int in_flight, uint16_t port, const std::string& token,
                 Tally& tally) {
  std::vector<kj::Own<capnp::EzRpcClient>> clients;
  kj::Vector<kj::Promise<void>> lanes;
  for (int i = 0; i < connections; ++i) {
    clients.push_back(kj::heap<capnp::EzRpcClient>("127.0.0.1", port));
    auto login = clients.back()->getMain<api::wire::Troupe>().loginRequest();
    login.setToken(token);
    auto session = login.send().getSession();
    for (int k = 0; k < in_flight; ++k) lanes.add(lane(session, tally));
  }
  kj::joinPromises(lanes.releaseAsArray()).wait(clients.front()->getWaitScope());
}

}  // namespace

double rpc_submissions_a_second(bool quick, int connections, int in_flight) {
  ClusterUnderTest cluster{{"--cpus", "1"}};
  {
    HttpConnection connection{cluster.port(), cluster.token()};
    connection.request("POST", "/api/v1/experiments", R"({"project":"bench","run":"sleep 1000"})");
  }
  Tally tally;
  std::vector<std::thread> threads;
  auto began = now_seconds();
  for (int i = 0; i < threads_count; ++i)
    threads.emplace_back([&] {
      submit_over(connections / threads_count, in_flight, cluster.port(), cluster.token(), tally);
    });
  // tidy: allow sleep: the time over which is measured
  ::usleep(quick ? 300'000 : 3'000'000);
  tally.over = true;
  for (auto& thread : threads) thread.join();
  return static_cast<double>(tally.accepted) / (now_seconds() - began);
}

}  // namespace troupe::bench
