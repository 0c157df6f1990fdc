#include "tests/bench/client_loop.hpp"

#include <atomic>
#include <poll.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace troupe::bench {

namespace {

constexpr int threads_of_clients = 2;

struct Loop {
  std::unique_ptr<LoopClient> client;
  std::unique_ptr<HttpConnection> connection;
};

}  // namespace

double counted_a_second(const ClusterUnderTest& cluster, bool quick,
                        const std::function<std::unique_ptr<LoopClient>()>& make_client) {
  std::atomic<uint64_t> counted{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  auto began = now_seconds();
  for (int i = 0; i < threads_of_clients; ++i)
    threads.emplace_back([&] {
      std::vector<Loop> loops;
      std::vector<pollfd> polled;
      for (int k = 0; k < loop_clients / threads_of_clients; ++k) {
        loops.push_back(
            {make_client(), std::make_unique<HttpConnection>(cluster.port(), cluster.token())});
        polled.push_back({loops.back().connection->fd(), POLLIN, 0});
        loops.back().client->send(*loops.back().connection);
      }
      for (auto waiting = loops.size(); waiting > 0;) {
        ::poll(polled.data(), polled.size(), -1);
        for (size_t k = 0; k < polled.size(); ++k) {
          if (polled[k].revents == 0) continue;
          counted += loops[k].client->take(loops[k].connection->receive());
          if (over)
            --waiting;
          else
            loops[k].client->send(*loops[k].connection);
        }
      }
    });
  // tidy: allow sleep: the time over which is measured
  ::usleep(quick ? 300'000 : 3'000'000);
  over = true;
  for (auto& thread : threads) thread.join();
  return static_cast<double>(counted) / (now_seconds() - began);
}

}  // namespace troupe::bench
