// Figures of the ledger: durable submissions, long history, large grids.
#include "runtime/core/fd.hpp"
#include "storage/ledger.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/client_loop.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <unistd.h>
#include <vector>

namespace troupe::bench {

namespace {

/// A 4 KiB block appended and synced, one at a time: what a database without group commit could do
/// at best.
double fsyncs_a_second(bool quick) {
  auto dir = scratch_folder("sync");
  auto fd = open_file(dir + "/file", O_CREAT | O_WRONLY).value();
  std::string block(4096, 'x');
  int count = quick ? 50 : 1000;
  auto began = now_seconds();
  for (int i = 0; i < count; ++i) {
    if (!write_all(fd.get(), block) || ::fsync(fd.get()) != 0) std::exit(1);
  }
  auto rate = count / (now_seconds() - began);
  return rate;
}

/// The same through the ledger: one submission a commit.
double single_commits_a_second(bool quick) {
  auto dir = scratch_folder("commits");
  storage::LedgerOptions options;
  options.dir = dir;
  auto ledger = storage::Ledger::open(options).value();
  auto spec = std::make_shared<ExperimentSpec>();
  spec->project = "bench";
  spec->run = {Command{"", {"/bin/true"}}};
  int count = quick ? 50 : 500;
  auto began = now_seconds();
  for (int i = 0; i < count; ++i) {
    ExperimentRecord record;
    record.id = {static_cast<uint64_t>(i) + 1, 0};
    record.user = "bench";
    record.spec = spec;
    std::vector<storage::Mutation> one{
        storage::PutExperiment{std::make_shared<const ExperimentRecord>(record), true}};
    if (!ledger->commit(one)) std::exit(1);
  }
  auto rate = count / (now_seconds() - began);
  ledger.reset();
  return rate;
}

class Submitter final : public LoopClient {
 public:
  Submitter(std::string path, std::string body, uint64_t batch)
      : path_{std::move(path)}, body_{std::move(body)}, batch_{batch} {}
  void send(HttpConnection& connection) override { connection.send("POST", path_, body_); }
  uint64_t take(const HttpConnection::Response& answer) override {
    if (answer.status / 100 == 2) return batch_;
    fmt::print("{}\n", answer.body);
    std::exit(1);
  }

 private:
  std::string path_, body_;
  uint64_t batch_;
};

double submissions_a_second(bool quick, int batch) {
  ClusterUnderTest cluster{{"--cpus", "1"}};
  {
    HttpConnection connection{cluster.port(), cluster.token()};
    connection.request("POST", "/api/v1/experiments", R"({"project":"bench","run":"sleep 1000"})");
  }
  std::string body = R"({"project":"bench","run":[["/bin/true"]]})";
  std::string path = "/api/v1/experiments";
  if (batch > 1) {
    std::string many = R"({"submissions":[)";
    for (int i = 0; i < batch; ++i) many += (i == 0 ? "" : ",") + body;
    body = many + "]}";
    path += ":batch";
  }
  return counted_a_second(cluster, quick, [&] {
    return std::make_unique<Submitter>(path, body, static_cast<uint64_t>(batch));
  });
}

void fill_history(const std::string& dir, int count) {
  storage::LedgerOptions options;
  options.dir = dir;
  auto ledger = storage::Ledger::open(options).value();
  auto spec = std::make_shared<ExperimentSpec>();
  spec->project = "bench";
  spec->run = {Command{"python3 train.py --lr 0.1 --hidden 64", {}}};
  std::vector<storage::Mutation> mutations;
  for (int i = 1; i <= count; ++i) {
    ExperimentRecord record;
    record.id = {static_cast<uint64_t>(i), 0};
    record.user = "bench";
    record.spec = spec;
    record.state = State::finished;
    record.reason = "exit 0";
    record.created = record.queued = record.started = record.ended =
        Timestamp{1'700'000'000'000'000 + i};
    record.exit_code = 0;
    AttemptRecord attempt;
    attempt.state = State::finished;
    attempt.jobs.push_back(JobRecord{});
    attempt.jobs.back().node = "n0";
    attempt.jobs.back().state = State::finished;
    record.attempts.push_back(attempt);
    record.metrics = {{"loss", 0.25}, {"accuracy", 0.9}};
    mutations.push_back(
        storage::PutExperiment{std::make_shared<const ExperimentRecord>(record), true});
    for (int e = 0; e < 5; ++e) {
      Event event;
      event.kind = "state";
      event.subject = fmt::to_string(i);
      event.to = "FINISHED";
      mutations.push_back(storage::AppendEvent{event});
    }
    if (mutations.size() >= 6000 || i == count) {
      if (!ledger->commit(mutations)) std::exit(1);
      mutations.clear();
    }
  }
}

}  // namespace

void bench_submissions(bool quick) {
  auto fsyncs = fsyncs_a_second(quick);
  auto singles = single_commits_a_second(quick);
  auto one = submissions_a_second(quick, 1);
  auto piped = rpc_submissions_a_second(quick, loop_clients, 16);
  auto batched = submissions_a_second(quick, 100);
  row("durable submissions/s, 64 clients / single-fsync commits/s of the ledger",
      fmt::format("{:.1f}x ({:.0f} / {:.0f})", one / singles, one, singles), "20x");
  row("  the same over RPC, 16 calls in flight on each connection",
      fmt::format("{:.1f}x ({:.0f})", piped / singles, piped), "20x");
  row("  the same with 100 in a request",
      fmt::format("{:.1f}x ({:.0f})", batched / singles, batched), "20x");
  row("  against bare write + fsync of 4 KiB",
      fmt::format("{:.1f}x, {:.1f}x, {:.1f}x ({:.0f})", one / fsyncs, piped / fsyncs,
                  batched / fsyncs, fsyncs),
      "20x");
}

void bench_history(bool quick) {
  auto dir = scratch_folder("history");
  int count = quick ? 2000 : 100'000;
  double empty = 0;
  { empty = ClusterUnderTest{}.start_seconds(); }
  fill_history(dir, count);
  ClusterUnderTest cluster{{}, dir};
  HttpConnection connection{cluster.port(), cluster.token()};
  std::vector<double> ms;
  for (int i = 0; i < 50; ++i) {
    auto began = now_seconds();
    connection.request("GET", "/api/v1/experiments?limit=50");
    ms.push_back((now_seconds() - began) * 1e3);
  }
  std::sort(ms.begin(), ms.end());
  row(fmt::format("{} finished experiments: start to serving (empty ledger)", count),
      fmt::format("{:.2f} s ({:.2f} s)", cluster.start_seconds(), empty), "0.5 s");
  row("  list of the newest 50", fmt::format("p50 {:.1f} ms, p95 {:.1f} ms", ms[25], ms[47]),
      "10 ms");
  cluster.stop();
}

void bench_grid(bool quick) {
  int size = quick ? 1000 : 100'000;
  ClusterUnderTest cluster{{"--cpus", "4"}};
  HttpConnection connection{cluster.port(), cluster.token()};
  auto body = fmt::format(
      R"({{"project":"bench","run":"sleep {{{{x}}}}","parameters":[{{"name":"x","range":{{"min":1,"max":{}}}}}],"sweep":{{"strategy":"grid"}}}})",
      size);
  auto began = now_seconds();
  auto accepted = connection.request("POST", "/api/v1/sets", body);
  auto accept_seconds = now_seconds() - began;
  if (accepted.status / 100 != 2) {
    fmt::print("{}\n", accepted.body);
    std::exit(1);
  }
  began = now_seconds();
  connection.request("GET", "/api/v1/experiments?set=1&limit=1000");
  auto list_seconds = now_seconds() - began;
  began = now_seconds();
  auto killed = connection.request("POST", "/api/v1/experiments/1:kill");
  auto kill_seconds = now_seconds() - began;
  await_idle(connection);
  auto gone_seconds = now_seconds() - began;
  row(fmt::format("grid of {} members: accepted; 1,000 listed", size),
      fmt::format("{:.3f} s; {:.3f} s", accept_seconds, list_seconds), "1 s");
  row("  kill answered; nothing left",
      fmt::format("{:.3f} s ({}); {:.3f} s", kill_seconds, killed.status, gone_seconds), "1 s");
}

}  // namespace troupe::bench
