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

}  // namespace

void bench_dataset_network(bool quick) {
  Machines machines{2, 1};
  size_t bytes = quick ? 16u << 20 : 1u << 29;  // three copies of each turn stay
  std::vector<double> from_head, from_worker, disk, tcp;
  for (int turn = 0; turn < (quick ? 1 : 5); ++turn) {
    auto content = random_bytes_of(static_cast<uint64_t>(turn) + 100, bytes);
    auto name = fmt::format("d{}", turn);
    must(replace_file(machines.path("content"), content, 0644, false));
    if (machines.cli({"data", "push", name, machines.path("content")}, patience).code != 0)
      std::exit(1);
    ::sync();
    // In turns, each between two of the others: disks that are lent by the second let whoever comes
    // first write faster.
    auto plain = [&] { disk.push_back(write_and_sync(machines.path("plain"), content)); };
    if (turn % 2 == 0) plain();
    from_head.push_back(static_cast<double>(bytes) / warm_seconds(machines, name, "w1"));
    plain();
    from_worker.push_back(static_cast<double>(bytes) / warm_seconds(machines, name, "w2"));
    if (turn % 2 == 1) plain();
    tcp.push_back(tcp_rate(content));
  }
  auto limit = std::min(median(disk), median(tcp));
  auto line = [&](const char* what, const std::vector<double>& rates) {
    row(what,
        fmt::format("{:.2f}x ({:.2f} GB/s; disk {:.2f}, TCP {:.2f} GB/s)", median(rates) / limit,
                    median(rates) / 1e9, median(disk) / 1e9, median(tcp) / 1e9),
        "0.85x");
  };
  line("fill of a node from the head / min(TCP, write + fsync)", from_head);
  line("fill of a node from another worker / min(TCP, write + fsync)", from_worker);

  std::vector<double> with, without;
  for (int turn = 0; turn < (quick ? 3 : 31); ++turn) {
    without.push_back(start_ms(machines, {}));
    with.push_back(start_ms(machines, {"--data", "d0"}));
  }
  row("second job with a version: its start / one without data",
      fmt::format("{:+.2f} ms ({:.2f} ms, {:.2f} ms)", median(with) - median(without), median(with),
                  median(without)),
      "1 ms");
}

}  // namespace troupe::bench
