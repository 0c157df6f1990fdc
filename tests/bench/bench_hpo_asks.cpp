// Ask and tell over the API: durable asks and tells of many clients a second, beside Optuna on
// SQLite (hpo_optuna.py) in the same run.
#include "tests/bench/bench.hpp"
#include "tests/bench/client_loop.hpp"
#include "tests/bench/hpo_problems.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::bench {

namespace {

/// It asks, tells, asks, ...
class AskAndTell final : public LoopClient {
 public:
  void send(HttpConnection& connection) override {
    if (tell_.empty())
      connection.send("POST", "/api/v1/sets/1:ask", "{}");
    else
      connection.send("POST", "/api/v1/sets/1:tell", tell_);
  }
  /// One for what was told.
  uint64_t take(const HttpConnection::Response& answer) override {
    if (answer.status != 200) {
      fmt::print("{}\n", answer.body);
      std::exit(1);
    }
    if (!std::exchange(tell_, {}).empty()) return 1;
    tell_ = fmt::format(R"({{"trial":{},"metrics":{{"loss":{}}}}})",
                        number_behind(answer.body, "\"trial\":"),
                        number_behind(answer.body, "\"x0\":"));
    return 0;
  }

 private:
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

  std::string tell_;  // what is told next; empty: it asks
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
  return counted_a_second(cluster, quick, [] { return std::make_unique<AskAndTell>(); });
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
    row(fmt::format("durable ask and tell, {} clients, 10 floats: {}", loop_clients, strategy),
        text, std::string{strategy} == "random" ? ">= 5,000/s, 20x" : "-");
  }
}

}  // namespace troupe::bench
