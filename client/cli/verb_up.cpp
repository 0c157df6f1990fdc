// up and launcher: the two commands that are no clients.
#ifdef TROUPE_HAS_UP

#include "actors/up.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/session.hpp"
#include "runtime/process/launcher_main.hpp"
#include "runtime/schedule/policy.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

namespace troupe::cli {

namespace {

Result<std::string> state_dir(const Arguments& arguments) {
  std::error_code none;
  if (arguments.has("dir")) {
    if (arguments.get("dir").empty())
      return Error{Errc::invalid, "--dir names no folder", "", "give a folder: --dir DIR"};
    return std::filesystem::absolute(arguments.get("dir"), none).lexically_normal().string();
  }
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return fmt::format("{}/troupe", state);
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home != '\0') return fmt::format("{}/.local/state/troupe", home);
  return Error{Errc::invalid, "no folder for the state", "HOME is not set", "give one with --dir"};
}

Result<UpOptions> up_options_of(const Arguments& arguments) {
  UpOptions options;
  auto dir = state_dir(arguments);
  if (!dir) return std::move(dir).error();
  options.dir = *dir;
  auto port = arguments.number("port", 0, 65535);
  if (!port) return std::move(port).error();
  options.port_given = port->has_value();
  if (*port) options.port = static_cast<uint16_t>(**port);
  if (arguments.has("bind")) options.bind = arguments.get("bind");
  auto workers = arguments.number("workers", 0, 64);
  if (!workers) return std::move(workers).error();
  if (*workers) options.workers = static_cast<uint32_t>(**workers);
  if (arguments.has("cpus")) {
    auto text = arguments.get("cpus");
    char* end = nullptr;
    auto cpus = std::strtod(text.c_str(), &end);
    if (end == text.c_str() || *end != '\0' || !std::isfinite(cpus) || cpus <= 0)
      return Error{Errc::invalid, fmt::format("--cpus {} cannot be used", text), "",
                   "give a number above 0"};
    options.cpus = cpus;
  }
  auto gpus = arguments.number("gpus", 0, 1024);
  if (!gpus) return std::move(gpus).error();
  if (*gpus) options.gpus = static_cast<uint32_t>(**gpus);
  if (arguments.has("policy")) {
    options.policy = arguments.get("policy");
    if (auto known = schedule::policy_named(options.policy); !known) return known.error();
  }
  std::error_code none;
  auto self = std::filesystem::read_symlink("/proc/self/exe", none).string();
  options.launcher_argv = {self, "launcher"};
  options.on_ready = [](const std::string& url, const std::string& token, const std::string& user) {
    return client::write_context({"local", url, token, user});
  };
  return options;
}

}  // namespace

int up_verb(Session& session) {
  auto options = up_options_of(session.arguments());
  if (!options) return session.fail(options.error());
  return run_up(*options);
}

int launcher_verb(Session& session) {
  auto dir = state_dir(session.arguments());
  if (!dir) return session.fail(dir.error());
  process::LauncherConfig config;
  config.dir = *dir;
  return process::launcher_main(config);
}

}  // namespace troupe::cli

#endif
