// Very many at once: submissions from many clients, a large sweep, and an end to all of it. Scaled
// to what a machine of tests does in some seconds.
#include "runtime/core/json.hpp"
#include "tests/cluster/faults/long_faults.hpp"
#include "tests/cluster/harness.hpp"

#include <fmt/format.h>

#include <fstream>
#include <set>

namespace troupe::cluster {
namespace {

uint64_t resident_mib(pid_t pid) {
  std::ifstream file{fmt::format("/proc/{}/status", pid)};
  for (std::string word; file >> word;)
    if (word == "VmRSS:") {
      uint64_t kib = 0;
      file >> kib;
      return kib / 1024;
    }
  return 0;
}

TEST(Flood, OfSubmissionsASweepAndAnEndToAllLosesNothing) {
  // 10,000 jobs of 1,000 clients, and a sweep of 100,000, where there is time for them.
  const int clients = long_faults() ? 1000 : 24, each = long_faults() ? 10 : 50;
  const int members = long_faults() ? 100'000 : 20'000;
  UpProcess up{{"--cpus", "2"}};
  ASSERT_TRUE(up.start());
  auto address = client::parse_url(up.url());
  ASSERT_TRUE(address);
  std::vector<std::vector<std::string>> ids(static_cast<size_t>(clients));
  std::vector<std::thread> threads;
  for (int number = 0; number < clients; ++number)
    threads.emplace_back([&, number] {
      client::HttpClient http{*address, up.url(), up.token()};
      for (int i = 0; i < each; ++i) {
        client::HttpRequest request;
        request.method = "POST";
        request.path = "/api/v1/experiments";
        request.content_type = "application/json";
        request.body = R"({"project":"p","run":"sleep 1000"})";
        request.headers.emplace_back("Idempotency-Key", fmt::format("{}.{}", number, i));
        auto answer = http.send(request);
        auto value = answer ? parse_json(answer->body) : Result<Value>{answer.error()};
        if (value) ids[static_cast<size_t>(number)].push_back(text_of(*value, "id"));
      }
    });
  for (auto& thread : threads) thread.join();
  std::set<std::string> all;
  for (const auto& list : ids) {
    EXPECT_EQ(list.size(), static_cast<size_t>(each)) << "some were refused";
    all.insert(list.begin(), list.end());
  }
  EXPECT_EQ(all.size(), static_cast<size_t>(clients * each));
  auto sweep = up.cli({"sweep", "-d", "--no-code", "--strategy", "random", "--trials",
                       fmt::to_string(members), "--param", "a=0.0..1.0", "--", "sh", "-c",
                       "sleep 1000; : {{a}}"});
  ASSERT_EQ(sweep.code, 0) << sweep.err;
  all.insert(sweep.out.substr(0, sweep.out.find('\n')));
  EXPECT_LT(resident_mib(up.pid()), 1024u);
  // In one breath, from the last to the first: what is placed meanwhile is killed as it runs.
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    auto answer = up.post(fmt::format("/api/v1/experiments/{}:kill", *it), "");
    EXPECT_TRUE(answer) << *it << ": " << to_string(answer.error());
  }
  for (const auto& id : all) EXPECT_EQ(up.await_end(id), "KILLED") << id;
  EXPECT_TRUE(await([&] { return up.processes_with("TROUPE_JOB=").empty(); }));
  EXPECT_LT(resident_mib(up.pid()), 1024u);
  EXPECT_EQ(up.stop(), 0);
  EXPECT_TRUE(up.nothing_left());
}

}  // namespace
}  // namespace troupe::cluster
