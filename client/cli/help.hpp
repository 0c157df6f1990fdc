// Help, shell completion and the reference page, all made from the table of verbs. Pure.
#pragma once

#include "client/cli/output.hpp"
#include "client/cli/verbs.hpp"

#include <string>

namespace troupe::cli {

std::string overview(const Output& out);
std::string verb_help(const Verb& verb, const Output& out);
/// docs/reference/cli.md
std::string reference_page();
/// `shell` is bash, zsh or fish; empty for any other.
std::string completion_script(std::string_view shell);

}  // namespace troupe::cli
