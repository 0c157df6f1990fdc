// Figures of datasets between machines: fills from the head and from another worker, through real
// processes and TLS, beside what this disk and TCP on this machine do with the same bytes; and what
// a second job pays.
#include "runtime/core/fd.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"
#include "tests/bench/dataset_parts.hpp"
#include "tests/bench/machines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace troupe::bench {

namespace {

constexpr size_t piece = 1u << 20;
constexpr std::chrono::minutes patience{5};

double write_and_sync(const std::string& path, const std::string& content) {
  auto began = now_seconds();
  auto fd = must(open_file(path, O_WRONLY | O_CREAT | O_TRUNC));
  for (size_t at = 0; at < content.size(); at += piece)
    must(write_all(fd.get(), std::string_view{content}.substr(at, piece)));
  if (::fsync(fd.get()) != 0) std::exit(1);
  auto rate = static_cast<double>(content.size()) / (now_seconds() - began);
  must(remove_tree(path));
  return rate;
}

/// One stream between two sockets of this machine, nothing done with what comes.
double tcp_rate(const std::string& content) {
  UniqueFd listening{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (::bind(listening.get(), any, size) != 0 || ::listen(listening.get(), 1) != 0 ||
      ::getsockname(listening.get(), any, &size) != 0)
    std::exit(1);
  UniqueFd from{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (::connect(from.get(), any, size) != 0) std::exit(1);
  UniqueFd to{::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  auto began = now_seconds();
  std::thread sender{[&] {
    must(write_all(from.get(), content));
    from.reset();
  }};
  std::string buffer(piece, '\0');
  while (::read(to.get(), buffer.data(), buffer.size()) > 0) {
  }
  sender.join();
  return static_cast<double>(content.size()) / (now_seconds() - began);
}

/// From the command to the answer that a node has it.
double warm_seconds(Machines& machines, const std::string& name, const std::string& node) {
  auto began = now_seconds();
  auto warmed = machines.cli({"data", "warm", name, "--nodes", node}, patience);
  if (warmed.code != 0) {
    fmt::print(stderr, "{}{}\n", warmed.out, warmed.err);
    std::exit(1);
  }
  return now_seconds() - began;
}

/// From the command to a job's first instruction, in milliseconds.
double start_ms(Machines& machines, const std::vector<std::string>& options) {
  auto stamps = machines.path("stamps");
  std::filesystem::remove(stamps);
  std::vector<std::string> command{"run", "--no-code"};
  command.insert(command.end(), options.begin(), options.end());
  command.insert(command.end(), {"--", STAMP_PROGRAM, stamps});
  auto began = wall_ns();
  if (machines.cli(command).code != 0) std::exit(1);
  return static_cast<double>(read_stamps(stamps).at(0) - began) / 1e6;
}

/// A fill, the same bytes written by hand before and after it, and the same bytes through TCP.
struct Turn {
  double fill = 0, disk = 0, tcp = 0;
  double of_limit() const { return fill / std::min(disk, tcp); }
};

/// Disks that are lent by the second are fast and slow in turns: only what stands next to each
/// other can be compared.
void rows_of(const char* what, const std::vector<Turn>& turns) {
  std::vector<double> ratios, fill, disk, tcp;
  for (const auto& turn : turns) {
    ratios.push_back(turn.of_limit());
    fill.push_back(turn.fill / 1e9);
    disk.push_back(turn.disk / 1e9);
    tcp.push_back(turn.tcp / 1e9);
  }
  row(what,
      fmt::format("{:.2f}x ({:.2f} GB/s; disk {:.2f} to {:.2f}, TCP {:.2f} GB/s)", median(ratios),
                  median(fill), *std::min_element(disk.begin(), disk.end()), largest(disk),
                  median(tcp)),
      "0.85x");
}

void bench_fills(Machines& machines, bool quick) {
  size_t bytes = quick ? 16u << 20 : 1u << 29;
  std::vector<Turn> from_head, from_worker;
  for (int turn = 0; turn < (quick ? 1 : 7); ++turn) {
    auto content = random_bytes_of(static_cast<uint64_t>(turn) + 100, bytes);
    auto name = fmt::format("d{}", turn);
    must(replace_file(machines.path("content"), content, 0644, false));
    if (machines.cli({"data", "push", name, machines.path("content")}, patience).code != 0)
      std::exit(1);
    ::sync();
    auto tcp = tcp_rate(content);
    auto before = write_and_sync(machines.path("plain"), content);
    auto first = static_cast<double>(bytes) / warm_seconds(machines, name, "w1");
    auto between = write_and_sync(machines.path("plain"), content);
    auto second = static_cast<double>(bytes) / warm_seconds(machines, name, "w2");
    auto after = write_and_sync(machines.path("plain"), content);
    from_head.push_back({first, (before + between) / 2, tcp});
    from_worker.push_back({second, (between + after) / 2, tcp});
    // Three copies of each turn would fill small disks.
    if (machines.cli({"data", "rm", name + ":1"}, patience).code != 0) std::exit(1);
  }
  rows_of("fill of a node from the head / min(TCP, write + fsync)", from_head);
  rows_of("fill of a node from another worker / min(TCP, write + fsync)", from_worker);
}

void push_small(Machines& machines) {
  auto folder = machines.path("small");
  must(make_dirs(folder, 0755));
  for (int i = 0; i < 1000; ++i)
    must(replace_file(fmt::format("{}/{:04}", folder, i),
                      random_bytes_of(static_cast<uint64_t>(i) + 1, 784), 0644, false));
  if (machines.cli({"data", "push", "small", folder}).code != 0) std::exit(1);
  for (const char* node : {"w1", "w2"}) warm_seconds(machines, "small", node);
}

void bench_second_job(Machines& machines, bool quick) {
  push_small(machines);
  std::vector<double> with, without;
  for (int turn = 0; turn < (quick ? 3 : 31); ++turn) {
    without.push_back(start_ms(machines, {}));
    with.push_back(start_ms(machines, {"--data", "small"}));
  }
  row("second job with a version: its start / one without data",
      fmt::format("{:+.2f} ms ({:.2f} ms, {:.2f} ms)", median(with) - median(without), median(with),
                  median(without)),
      "1 ms");
  auto waits = machines.path("waits");
  for (int turn = 0; turn < (quick ? 3 : 31); ++turn)
    if (machines
            .cli(
                {"run", "--no-code", "--data", "small", "--", FIRST_RECORD_PROGRAM, waits, "small"})
            .code != 0)
      std::exit(1);
  auto found = read_stamps(waits);
  row("second job with a version: from its first instruction to its first record",
      fmt::format("{:.2f} ms (max {:.2f})", static_cast<double>(found.at(found.size() / 2)) / 1e6,
                  static_cast<double>(found.back()) / 1e6),
      "10 ms");
}

}  // namespace

void bench_dataset_network(bool quick) {
  Machines machines{2, 1};
  bench_fills(machines, quick);
  bench_second_job(machines, quick);
}

}  // namespace troupe::bench
