// Which head the commands of this user talk to, and with what token: one small JSON file a head in
// the user's configuration folder, mode 0600, and the name of the current one beside them.
#pragma once

#include "runtime/core/result.hpp"

#include <string>
#include <vector>

namespace troupe::client {

struct Context {
  std::string name;
  std::string url;
  std::string token;
  std::string user;
};

/// $TROUPE_CONFIG_DIR, else $XDG_CONFIG_HOME/troupe, else ~/.config/troupe.
Result<std::string> config_dir();

/// Letters, digits, '.', '_' and '-', not beginning with '.'; at most 64.
bool is_context_name(const std::string& name);

/// Replaces <config>/contexts/<name>.json; with `make_current`, later commands use it.
Result<void> write_context(const Context& context, bool make_current = true);
Result<Context> load_context(const std::string& name);
/// Empty where none was chosen yet.
Result<std::string> current_context();
Result<void> use_context(const std::string& name);
/// Sorted by name.
Result<std::vector<Context>> list_contexts();

/// What the command line says about the head; empty: not said.
struct EndpointOptions {
  std::string url;
  std::string token_file;
  std::string context;
};
struct Endpoint {
  std::string url;
  std::string token;
  std::string source;  // for people: "context local", "TROUPE_URL"
};
/// Flag, then TROUPE_URL with TROUPE_TOKEN_FILE or TROUPE_TOKEN, then the context that
/// TROUPE_CONTEXT names, then the current one. unauthenticated where there is none.
Result<Endpoint> find_endpoint(const EndpointOptions& options);

}  // namespace troupe::client
