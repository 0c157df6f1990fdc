// The parts of the table of verbs, by what they are about. Static data; any thread.
#pragma once

#include "client/cli/verbs.hpp"

#include <vector>

namespace troupe::cli {

/// up, head, worker; none in a program that is a client only.
std::vector<Verb> up_verbs();
std::vector<Verb> start_verbs();
std::vector<Verb> see_verbs();
std::vector<Verb> control_verbs();
std::vector<Verb> file_verbs();
std::vector<Verb> data_verbs();
std::vector<Verb> cluster_verbs();

}  // namespace troupe::cli
