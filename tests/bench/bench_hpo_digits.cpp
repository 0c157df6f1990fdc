// The digits example searched at random, and by `auto` with early stopping: what each found, and
// how many epochs all its members trained.
#include "runtime/core/json.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace troupe::bench {

namespace {

struct Found {
  double best = 0;
  size_t members = 0, epochs = 0;
};

/// Runs `troupe sweep` in the example's folder to its end.
Found sweep(const ClusterUnderTest& cluster, const std::string& options) {
  Found found;
  auto command = fmt::format(
      "cd {}/docs/examples/digits && TROUPE_URL=http://127.0.0.1:{} TROUPE_TOKEN={} {} sweep -d {} "
      "2>/dev/null | head -1",
      TROUPE_SOURCE, cluster.port(), cluster.token(), TROUPE_PROGRAM, options);
  auto* said = ::popen(command.c_str(), "r");
  unsigned set = 0;
  bool named = said != nullptr && std::fscanf(said, "%u", &set) == 1;
  if (said != nullptr) ::pclose(said);
  if (!named) return found;
  HttpConnection connection{cluster.port(), cluster.token()};
  await_idle(connection);
  auto get = [&](const std::string& path) {
    return parse_json(connection.request("GET", path).body).value();
  };
  auto shown = get(fmt::format("/api/v1/sets/{}", set));
  for (const auto& member : shown.find("members")->as_list()) {
    auto points = get(fmt::format("/api/v1/experiments/{}/metrics?name=accuracy&limit=1000",
                                  member.find("id")->as_string()));
    ++found.members;
    found.epochs += points.find("points")->as_list().size();
    const auto* value = member.find("value");
    if (value != nullptr && value->is_number())
      found.best = std::max(found.best, value->as_number());
  }
  return found;
}

std::string text_of(const Found& found) {
  return fmt::format("{:.4f} after {} epochs of {} members", found.best, found.epochs,
                     found.members);
}

}  // namespace

void bench_hpo_digits(bool quick) {
  const std::string figure = "digits: auto with ASHA / random, epochs";
  if (std::system("/usr/bin/python3 -c 'import sklearn' 2>/dev/null") != 0)
    return row(figure, "skipped: no scikit-learn", "-");
  ClusterUnderTest cluster{{"--cpus", "4"}};
  const std::string few = quick ? " --trials 2" : "";
  auto searched = sweep(cluster, "-f search.yaml" + few);
  auto random = sweep(cluster, "-f troupe.yaml" + few);
  if (random.epochs == 0) return row(figure, "NOTHING RAN", "less than 1x, at least 0.98");
  row(figure,
      fmt::format("{:.2f}x: {}; at random {}",
                  static_cast<double>(searched.epochs) / static_cast<double>(random.epochs),
                  text_of(searched), text_of(random)),
      "less than 1x, at least 0.98");
}

}  // namespace troupe::bench
