// A shuffled epoch of MNIST in Python: through the record reader, from PNG files with Pillow, and
// by numpy from a flat file. mnist_epochs.py does it.
#include "runtime/core/fd.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"
#include "tests/bench/dataset_parts.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>

namespace troupe::bench {

namespace {

/// What the script says: a name and images per second a line.
std::map<std::string, double> rates_of(const std::string& command) {
  std::map<std::string, double> rates;
  auto* lines = ::popen(command.c_str(), "r");
  char name[32];
  double rate = 0;
  while (lines != nullptr && std::fscanf(lines, "%31s %lf", name, &rate) == 2) rates[name] = rate;
  if (lines == nullptr || ::pclose(lines) != 0) rates.clear();
  return rates;
}

}  // namespace

void bench_dataset_python(bool quick) {
  auto dir = scratch_folder("python");
  int count = quick ? 500 : 60'000;
  auto images = write_mnist_images(dir, count);
  if (images.empty()) {
    row("a shuffled epoch of MNIST in Python", "no MNIST here (TROUPE_MNIST)", "-");
    return;
  }
  auto file = sealed_from(mnist_folder(), dir + "/cache", {.unpack = true});
  auto package = std::filesystem::path{TROUPE_PROGRAM}.parent_path() / "../python";
  auto rates = rates_of(fmt::format(
      "PYTHONPATH={} PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 {}/tests/bench/mnist_epochs.py {} "
      "{} {} {} 2>/dev/null",
      package.string(), TROUPE_SOURCE, file->paths().folder, mnist_folder(), images, count));
  if (!rates.contains("reader")) {
    row("a shuffled epoch of MNIST in Python", "needs python3-numpy and python3-pil", "-");
    return;
  }
  auto beside = [&](const char* ours, const char* other) {
    return fmt::format("{:.1f}x ({:.0f} k/s / {:.0f} k/s)", rates[ours] / rates[other],
                       rates[ours] / 1e3, rates[other] / 1e3);
  };
  row("a shuffled epoch of MNIST in Python, batches of 256, summed: reader / PNG files with Pillow",
      beside("reader", "pillow"), "-");
  row("  / numpy, a flat file mapped and indexed", beside("reader", "flat"), "-");
  row("  one image at a time, as views: / one row of the flat array at a time",
      beside("views", "flat_rows"), "-");
}

}  // namespace troupe::bench
