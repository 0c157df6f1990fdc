#include "tests/cluster/examples/mnist_runs.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <limits>

namespace troupe::cluster {

namespace fs = std::filesystem;

std::string mnist_folder() {
  const char* given = std::getenv("TROUPE_MNIST");
  return given == nullptr ? "/work/shared/data/mnist" : given;
}

std::string why_not(const std::string& python_module) {
  if (!fs::exists(mnist_folder() + "/train-images-idx3-ubyte.gz"))
    return fmt::format("no MNIST in {} (TROUPE_MNIST)", mnist_folder());
  auto import = fmt::format("/usr/bin/python3 -c 'import {}' 2> /dev/null", python_module);
  if (!python_module.empty() && std::system(import.c_str()) != 0)
    return fmt::format("/usr/bin/python3 has no {}", python_module);
  return "";
}

double last_of(const std::string& text, const std::string& metric) {
  auto before = fmt::format(R"("{}", "value": )", metric);
  auto at = text.rfind(before);
  if (at == std::string::npos) return std::numeric_limits<double>::quiet_NaN();
  return std::atof(text.c_str() + at + before.size());
}

std::string example_with_mnist(UpProcess& up, const std::string& name) {
  auto project = up.path("example");
  fs::copy(fmt::format("{}/docs/examples/{}", TROUPE_SOURCE, name), project);
  auto pushed = up.cli({"data", "push", "mnist", mnist_folder(), "--unpack"}, 100s);
  EXPECT_EQ(pushed.code, 0) << pushed.err;
  return project;
}

}  // namespace troupe::cluster
