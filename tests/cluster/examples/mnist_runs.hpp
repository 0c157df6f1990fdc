// What the tests of the MNIST examples share: where the dataset lies, a machine that has it, and
// what a training said.
#pragma once

#include "tests/cluster/harness.hpp"

#include <string>

namespace troupe::cluster {

/// The folder with the four IDX files, packed: TROUPE_MNIST, or where this project keeps data.
std::string mnist_folder();
/// Why the examples cannot run with this Debian's Python and such a module ("" for none); "" where
/// they can.
std::string why_not(const std::string& python_module);

/// The value of a metric in the last line that gives one; NaN where none does.
double last_of(const std::string& text, const std::string& metric);

/// Copies docs/examples/NAME below the machine's folder and pushes MNIST; the copy's path.
std::string example_with_mnist(UpProcess& up, const std::string& name);

}  // namespace troupe::cluster
