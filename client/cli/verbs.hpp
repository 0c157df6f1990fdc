// The table of verbs and options. Parsing, help, completion and docs/reference/cli.md all come from
// it, so none of them can say what another does not know. Static data; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

class Session;

/// What can stand where an id or a name is asked for: completion asks the head for live ones.
enum class Kind { none, file, folder, id, set, format, context, shell, topic, state, strategy };

struct Option {
  std::string_view name;   // without "--"
  char letter = 0;         // 0: none
  std::string_view value;  // "" where it takes none
  std::string_view help;
  Kind kind = Kind::none;
  bool repeats = false;
  std::string_view values = {};  // what a shell may offer, apart by spaces, where no kind says it
};

struct Verb {
  std::string_view name;            // "run", "out ls"
  std::string_view group = {};      // heading in the overview
  std::string_view arguments = {};  // "ID [PATH]", as in the usage line
  std::string_view summary = {};    // one line
  std::string_view text = {};       // more, may be empty
  std::vector<std::string_view> examples = {};
  std::vector<std::span<const Option>> options = {};  // besides the global ones
  size_t arguments_min = 0;
  size_t arguments_max = 0;  // many_arguments: any number
  bool command = false;      // takes "-- CMD..."
  bool hidden = false;
  Kind kind = Kind::none;  // of its arguments
  int (*run)(Session&) = nullptr;
};

inline constexpr size_t many_arguments = 1000;

const std::vector<Verb>& verbs();
std::span<const Option> global_options();
/// By its full name ("out ls"); null where there is none.
const Verb* find_verb(std::string_view name);
/// The option as this verb knows it: its own come before the global ones.
const Option* find_option(const Verb* verb, std::string_view name);
const Option* find_option(const Verb* verb, char letter);

/// Verbs of the contract that come with a later version.
bool is_later_verb(std::string_view name);

struct Topic {
  std::string_view name;
  std::string_view summary;
  std::string_view text;
};
std::span<const Topic> topics();

}  // namespace troupe::cli
