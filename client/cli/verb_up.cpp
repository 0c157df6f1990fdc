// up, head, worker, launcher and serve-files: the commands that are no clients.
#ifdef TROUPE_HAS_UP

#include "actors/head_process.hpp"
#include "actors/up.hpp"
#include "actors/worker/pmi_server.hpp"
#include "actors/worker/pmix_server.hpp"
#include "actors/worker/receipt_rank.hpp"
#include "actors/worker_process.hpp"
#include "client/cli/commands.hpp"
#include "client/cli/session.hpp"
#include "runtime/cluster/link_client.hpp"
#include "runtime/config/node_file.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/process/launcher_main.hpp"
#include "runtime/schedule/policy.hpp"
#include "storage/dataset/fuse_process.hpp"

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

/// Of datasets a worker keeps; an option wins over the file.
Result<void> choose_cache_limit(const Arguments& arguments, const std::optional<uint64_t>& file,
                                uint64_t& out) {
  if (file) out = *file;
  if (!arguments.has("cache-limit")) return ok();
  auto bytes = parse_bytes(arguments.get("cache-limit"));
  if (!bytes) return std::move(bytes).error();
  out = *bytes;
  return ok();
}

Result<std::optional<double>> cpus_option(const Arguments& arguments) {
  if (!arguments.has("cpus")) return std::optional<double>{};
  auto text = arguments.get("cpus");
  char* end = nullptr;
  auto cpus = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != '\0' || !std::isfinite(cpus) || cpus <= 0)
    return Error{Errc::invalid, fmt::format("--cpus {} cannot be used", text), "",
                 "give a number above 0"};
  return std::optional<double>{cpus};
}

std::vector<std::string> launcher_argv() {
  std::error_code none;
  return {std::filesystem::read_symlink("/proc/self/exe", none).string(), "launcher"};
}

/// The next command of this user finds the head that has just started.
Result<void> write_local_context(const std::string& url, const std::string& token,
                                 const std::string& user) {
  return client::write_context({"local", url, token, user});
}

/// The text of --config; empty where there is none.
Result<std::string> config_text(const Arguments& arguments) {
  if (!arguments.has("config")) return std::string{};
  return read_file(arguments.get("config"), 1u << 20);
}

/// A folder of the file, or the default.
Result<std::string> state_dir(const Arguments& arguments, const std::optional<std::string>& dir) {
  std::error_code none;
  if (arguments.has("dir") || !dir || dir->empty()) return state_dir(arguments);
  return std::filesystem::absolute(*dir, none).lexically_normal().string();
}

/// An option wins over the file.
void choose(const Arguments& arguments, const char* option, const std::optional<std::string>& file,
            std::string& out) {
  if (arguments.has(option))
    out = arguments.get(option);
  else if (file)
    out = *file;
}

Result<void> choose_port(const Arguments& arguments, const char* option,
                         const std::optional<uint16_t>& file, uint16_t& out) {
  auto port = arguments.number(option, 0, 65535);
  if (!port) return std::move(port).error();
  if (*port)
    out = static_cast<uint16_t>(**port);
  else if (file)
    out = *file;
  return ok();
}

Result<HeadProcessOptions> head_options_of(const Arguments& arguments) {
  auto text = config_text(arguments);
  if (!text) return std::move(text).error();
  auto file = config::parse_head_file(*text, arguments.get("config"));
  if (!file) return std::move(file).error();
  HeadProcessOptions options;
  auto dir = state_dir(arguments, file->dir);
  if (!dir) return std::move(dir).error();
  options.dir = *dir;
  choose(arguments, "bind", file->bind, options.bind);
  TROUPE_TRY(choose_port(arguments, "port", file->port, options.port));
  options.port_given = arguments.has("port") || file->port.has_value();
  choose(arguments, "cluster-bind", file->cluster_bind, options.cluster_bind);
  TROUPE_TRY(choose_port(arguments, "cluster-port", file->cluster_port, options.cluster_port));
  choose(arguments, "cluster-address", file->cluster_address, options.cluster_address);
  choose(arguments, "policy", file->policy, options.policy);
  if (auto known = schedule::policy_named(options.policy); !known) return known.error();
  options.rules = file->rules;
  options.retention = file->retention;
  if (!options.cluster_address.empty())
    if (auto good = cluster::parse_address(options.cluster_address); !good)
      return std::move(good).error();
  options.on_ready = write_local_context;
  return options;
}

Result<void> add_labels(const Arguments& arguments, std::map<std::string, std::string>& labels) {
  for (const auto& text : arguments.all("label")) {
    auto at = text.find('=');
    if (at == 0 || at == std::string::npos)
      return Error{Errc::invalid, fmt::format("--label {} cannot be used", text), "",
                   "give NAME=VALUE"};
    labels[text.substr(0, at)] = text.substr(at + 1);
  }
  return ok();
}

Result<void> choose_binding(const Arguments& arguments, std::optional<Binding>& out) {
  auto text = arguments.get("binding");
  if (text.empty()) return ok();
  out = binding_from(text);
  if (out || text == any_binding) return ok();
  return Error{Errc::invalid, fmt::format("--binding {}", text), "there is no such way",
               fmt::format("one of {}", binding_names())};
}

Result<WorkerProcessOptions> worker_options_of(const Arguments& arguments) {
  auto text = config_text(arguments);
  if (!text) return std::move(text).error();
  auto file = config::parse_worker_file(*text, arguments.get("config"));
  if (!file) return std::move(file).error();
  WorkerProcessOptions options;
  auto dir = state_dir(arguments, file->dir);
  if (!dir) return std::move(dir).error();
  options.dir = *dir;
  choose(arguments, "head", file->head, options.head);
  choose(arguments, "join-token-file", file->join_token_file, options.join_token_file);
  choose(arguments, "name", file->name, options.name);
  choose(arguments, "outputs", file->outputs, options.outputs);
  choose(arguments, "address", file->address, options.address);
  auto cpus = cpus_option(arguments);
  if (!cpus) return std::move(cpus).error();
  options.cpus = *cpus ? *cpus : file->cpus;
  options.mem = file->mem;
  if (arguments.has("mem")) {
    auto mem = parse_bytes(arguments.get("mem"));
    if (!mem) return std::move(mem).error();
    options.mem = *mem;
  }
  auto gpus = arguments.number("gpus", 0, 1024);
  if (!gpus) return std::move(gpus).error();
  options.gpus = *gpus ? std::optional{static_cast<uint32_t>(**gpus)} : file->gpus;
  options.mount_method = file->mount_method;
  options.binding = file->binding;
  TROUPE_TRY(choose_binding(arguments, options.binding));
  TROUPE_TRY(choose_cache_limit(arguments, file->cache_limit, options.cache_limit));
  auto data_port = arguments.number("data-port", 0, 65535);
  if (!data_port) return std::move(data_port).error();
  options.data_port = file->data_port;
  if (*data_port) options.data_port = static_cast<uint16_t>(**data_port);
  options.labels = file->labels;
  TROUPE_TRY(add_labels(arguments, options.labels));
  options.launcher_argv = launcher_argv();
  return options;
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
  auto cpus = cpus_option(arguments);
  if (!cpus) return std::move(cpus).error();
  options.cpus = *cpus;
  auto gpus = arguments.number("gpus", 0, 1024);
  if (!gpus) return std::move(gpus).error();
  if (*gpus) options.gpus = static_cast<uint32_t>(**gpus);
  TROUPE_TRY(choose_binding(arguments, options.binding));
  TROUPE_TRY(choose_cache_limit(arguments, std::nullopt, options.cache_limit));
  if (arguments.has("policy")) {
    options.policy = arguments.get("policy");
    if (auto known = schedule::policy_named(options.policy); !known) return known.error();
  }
  options.launcher_argv = launcher_argv();
  options.on_ready = write_local_context;
  return options;
}

}  // namespace

int up_verb(Session& session) {
  auto options = up_options_of(session.arguments());
  if (!options) return session.fail(options.error());
  return run_up(*options);
}

int head_verb(Session& session) {
  auto options = head_options_of(session.arguments());
  if (!options) return session.fail(options.error());
  return run_head(*options);
}

int worker_verb(Session& session) {
  auto options = worker_options_of(session.arguments());
  if (!options) return session.fail(options.error());
  return run_worker(*options);
}

int launcher_verb(Session& session) {
  auto dir = state_dir(session.arguments());
  if (!dir) return session.fail(dir.error());
  process::LauncherConfig config;
  config.dir = *dir;
  return process::launcher_main(config);
}

int pmix_rank_verb(Session& session) {
  const auto& arguments = session.arguments();
  const auto& words = arguments.arguments;
  if (!arguments.command || arguments.command->empty())
    return session.fail({Errc::invalid, "pmix-rank needs a command", "", "PMI WORLD STORE -- CMD"});
  return session.fail(actors::become_pmix_rank(words[0], words[1], words[2], *arguments.command));
}

int pmi_rank_verb(Session& session) {
  const auto& arguments = session.arguments();
  if (!arguments.command || arguments.command->empty())
    return session.fail({Errc::invalid, "pmi-rank needs a command", "", "NAME -- CMD"});
  return session.fail(actors::become_pmi_rank(arguments.arguments[0], *arguments.command));
}

int receipt_rank_verb(Session& session) {
  return actors::run_receipt_rank(session.arguments().arguments[0]);
}

int serve_files_verb(Session& session) {
  const auto& words = session.arguments().arguments;
  return dataset::serve_files(words[0], words[1]);
}

}  // namespace troupe::cli

#endif
