// Ask and tell over the API: durable asks and tells of many clients a second, beside Optuna on
// SQLite (hpo_optuna.py) in the same run.
#include "runtime/core/json.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"
#include "tests/bench/hpo_problems.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace troupe::bench {

namespace {

constexpr int clients = 64;
/// A thread for each would be woken for each answer, which costs more than what is measured.
constexpr int client_threads = 2;

/// A loop of one client: it asks, tells, asks, ...
struct Loop {
  std::unique_ptr<HttpConnection> connection;
  bool telling = false;

  void ask() {
    telling = false;
    connection->send("POST", "/api/v1/sets/1:ask", "{}");
  }
  /// The number behind a key of an answer. A whole JSON reader would be measured, too.
  static std::string number_behind(const std::string& text, std::string_view key) {
    auto at = text.find(key);
    if (at == std::string::npos) {
      fmt::print("no {} in {}\n", key, text);
      std::exit(1);
    }
    at += key.size();
    return text.substr(at, text.find_first_of(",}", at) - at);
  }
  void go_on(const std::string& answer) {
    if (telling) return ask();
    telling = true;
    connection->send(
        "POST", "/api/v1/sets/1:tell",
        fmt::format(R"({{"trial":{},"metrics":{{"loss":{}}}}})",
                    number_behind(answer, "\"trial\":"), number_behind(answer, "\"x0\":")));
  }
};

std::string set_of(const std::string& strategy) {
  std::string parameters;
  for (int i = 0; i < 10; ++i)
    parameters +=
        fmt::format(R"({}{{"name":"x{}","range":{{"min":0.0,"max":1.0}}}})", i == 0 ? "" : ",", i);
  return fmt::format(
      R"({{"project":"bench","parameters":[{}],"sweep":{{"strategy":"{}","trials":1000000,"ask":true,"metric":"min.loss","seed":1}}}})",
      parameters, strategy);
}

/// Pairs of an ask and a tell.
double pairs_a_second(bool quick, const std::string& strategy) {
  ClusterUnderTest cluster{{"--cpus", "1"}};
  {
    HttpConnection connection{cluster.port(), cluster.token()};
    auto made = connection.request("POST", "/api/v1/sets", set_of(strategy));
    if (made.status / 100 != 2) {
      fmt::print("{}\n", made.body);
      std::exit(1);
    }
  }
  std::atomic<uint64_t> told{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  auto began = now_seconds();
  for (int i = 0; i < client_threads; ++i)
    threads.emplace_back([&] {
      std::vector<Loop> loops;
      std::vector<pollfd> polled;
      for (int k = 0; k < clients / client_threads; ++k) {
        loops.push_back({std::make_unique<HttpConnection>(cluster.port(), cluster.token())});
        polled.push_back({loops.back().connection->fd(), POLLIN, 0});
        loops.back().ask();
      }
      for (auto waiting = loops.size(); waiting > 0;) {
        ::poll(polled.data(), polled.size(), -1);
        for (size_t k = 0; k < polled.size(); ++k) {
          if (polled[k].revents == 0) continue;
          auto answer = loops[k].connection->receive();
          if (answer.status != 200) {
            fmt::print("{}\n", answer.body);
            std::exit(1);
          }
          told += loops[k].telling ? 1 : 0;
          if (over)
            --waiting;
          else
            loops[k].go_on(answer.body);
        }
      }
    });
  // tidy: allow sleep: the time over which is measured
  ::usleep(quick ? 300'000 : 3'000'000);
  over = true;
  for (auto& thread : threads) thread.join();
  return static_cast<double>(told) / (now_seconds() - began);
}

}  // namespace

void bench_hpo_ask_tell(bool quick) {
  for (const auto* strategy : {"random", "tpe"}) {
    auto ours = pairs_a_second(quick, strategy);
    auto text = fmt::format("{:.0f}/s", ours);
    auto theirs = quick ? std::vector<std::vector<double>>{}
                        : optuna_says(fmt::format("sqlite {} 100 4", strategy));
    if (theirs.size() == 2)
      text += fmt::format("; Optuna {:.1f}/s from one process, {:.1f}/s from four: {:.0f}x",
                          theirs[0][1], theirs[1][1], ours / std::max(theirs[0][1], theirs[1][1]));
    row(fmt::format("durable ask and tell, {} clients, 10 floats: {}", clients, strategy), text,
        std::string{strategy} == "random" ? ">= 5,000/s, 20x" : "-");
  }
}

}  // namespace troupe::bench
