// A whole training: the native example beside the same network in PyTorch, under torchrun with
// Gloo, in turns. One thread a process. TROUPE_BENCH_BLAS is a folder whose libblas.so.3 PyTorch
// gets instead of the machine's: it has no matrices of its own here, and Debian's first is slow.
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"
#include "tests/bench/dataset_parts.hpp"
#include "tests/bench/ranks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <vector>

namespace troupe::bench {

namespace {

namespace fs = std::filesystem;

/// Images a second of the last epoch that a training tells of; 0 where it failed.
double rate_of(const std::string& command) {
  auto* lines = ::popen((command + " 2>/dev/null").c_str(), "r");
  char line[1000];
  double rate = 0;
  const std::string before = R"("images_per_s", "value": )";
  while (lines != nullptr && std::fgets(line, sizeof line, lines) != nullptr)
    if (auto at = std::string{line}.find(before); at != std::string::npos)
      rate = std::atof(line + at + before.size());
  return lines != nullptr && ::pclose(lines) == 0 ? rate : 0;
}

/// Medians of what was measured with so many ranks.
struct Rates {
  std::map<int, std::vector<double>> measured;
  double of(int ranks) {
    auto& all = measured[ranks];
    std::sort(all.begin(), all.end());
    return all.empty() ? 0 : all[all.size() / 2];
  }
  double efficiency(int ranks) { return of(ranks) / (ranks * of(1)); }
};

/// The folder with the four files, unpacked, as PyTorch's script reads them.
std::string unpacked_mnist(const std::string& dir) {
  fs::create_directories(dir);
  auto command = fmt::format(
      "for file in {}/*-ubyte.gz; do zcat \"$file\" > {}/\"$(basename \"$file\" .gz)\" || exit 1; "
      "done",
      mnist_folder(), dir);
  return std::system(command.c_str()) == 0 ? dir : std::string{};
}

std::string blas_folder() {
  const char* given = std::getenv("TROUPE_BENCH_BLAS");
  return given == nullptr ? "" : given;
}

int rounds() {
  const char* given = std::getenv("TROUPE_BENCH_ROUNDS");
  return given == nullptr ? 3 : std::max(std::atoi(given), 1);
}

std::string torchrun(int ranks, const std::string& dir, int images) {
  return fmt::format(
      "OMP_NUM_THREADS=1 LD_LIBRARY_PATH={} timeout 100 /usr/bin/python3 -m torch.distributed.run "
      "--nproc_per_node={} --master_port={} -r 1 -t 1 --log_dir {}/log "
      "{}/docs/examples/ddp/train.py --data {}/idx --epochs 2 --images {}",
      blas_folder(), ranks, 28000 + ranks, dir, TROUPE_SOURCE, dir, images);
}

}  // namespace

void bench_training_native(bool quick) {
  const std::string figure = "training an MLP on MNIST";
  if (!fs::exists(mnist_folder() + "/train-images-idx3-ubyte.gz"))
    return row(figure, "no MNIST here (TROUPE_MNIST)", "-");
  auto dir = scratch_folder("training");
  auto sealed = sealed_from(mnist_folder(), dir + "/cache", {.unpack = true});
  bool has_torch = std::system("/usr/bin/python3 -c 'import torch.distributed' 2>/dev/null") == 0;
  bool beside_torch = has_torch && !quick && !unpacked_mnist(dir + "/idx").empty();
  const std::vector<int> worlds = quick ? std::vector{1, 2} : std::vector{1, 2, 4};
  Rates ours, torch;
  for (int round = 0; round < (quick ? 1 : rounds()); ++round)
    for (int ranks : worlds) {
      ours.measured[ranks].push_back(
          rate_of(as_ranks(ranks, "TROUPE_RECORDS_MNIST=" + sealed->paths().folder, NATIVE_PROGRAM,
                           {"--epochs", "2", "--images", quick ? "2048" : "60000"})));
      // Slower by an order of magnitude where its BLAS is the reference: a part of the images.
      if (beside_torch) torch.measured[ranks].push_back(rate_of(torchrun(ranks, dir, 10'240)));
    }
  for (int ranks : worlds) {
    if (ours.of(ranks) == 0) return row(figure, "our ranks failed", "-");
    auto beside = torch.of(ranks) == 0 ? fmt::format("{:.0f} k images/s", ours.of(ranks) / 1e3)
                                       : fmt::format("{:.1f}x ({:.0f} k/s / {:.1f} k/s)",
                                                     ours.of(ranks) / torch.of(ranks),
                                                     ours.of(ranks) / 1e3, torch.of(ranks) / 1e3);
    row(fmt::format("{}, {} processes: images/s / torchrun, Gloo", figure, ranks), beside,
        ranks == 1 ? "-" : ">= 1.1x");
    if (ranks == 1) continue;
    row("  parallel efficiency: ours; PyTorch's",
        torch.of(ranks) == 0
            ? fmt::format("{:.2f}", ours.efficiency(ranks))
            : fmt::format("{:.2f}; {:.2f}", ours.efficiency(ranks), torch.efficiency(ranks)),
        "-");
  }
  if (!beside_torch)
    return row("  beside PyTorch", quick ? "not in a quick run" : "needs python3-torch", "-");
  std::error_code ignored;
  auto blas = fs::canonical(blas_folder().empty() ? "/usr/lib/x86_64-linux-gnu/libblas.so.3"
                                                  : blas_folder() + "/libblas.so.3",
                            ignored);
  row("  PyTorch's BLAS", blas.string(), "-");
}

}  // namespace troupe::bench
