#include "client/cpp/context.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace troupe::client {

namespace {

constexpr size_t file_bytes_max = 64u << 10;  // a context is some hundred bytes

std::string env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

Result<std::string> file_of(const std::string& name) {
  if (!is_context_name(name))
    return Error{Errc::invalid, fmt::format("'{}' is no name for a context", name), "",
                 "use letters, digits, '.', '_' and '-'"};
  auto dir = config_dir();
  if (!dir) return dir;
  return fmt::format("{}/contexts/{}.json", *dir, name);
}

Result<std::string> token_from(const std::string& path) {
  auto text = read_file(path, file_bytes_max);
  if (!text)
    return Error{Errc::unauthenticated, fmt::format("the token file {} cannot be read", path),
                 text.error().detail, "does the file exist, and may you read it?"};
  return trimmed(std::move(*text));
}

}  // namespace

bool is_context_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

Result<std::string> config_dir() {
  if (auto dir = env("TROUPE_CONFIG_DIR"); !dir.empty()) return dir;
  if (auto dir = env("XDG_CONFIG_HOME"); dir.starts_with('/')) return dir + "/troupe";
  if (auto home = env("HOME"); !home.empty()) return home + "/.config/troupe";
  return Error{Errc::invalid, "no folder for the configuration", "HOME is not set",
               "set HOME or TROUPE_CONFIG_DIR"};
}

Result<void> write_context(const Context& context, bool make_current) {
  auto file = file_of(context.name);
  if (!file) return std::move(file).error();
  auto folder = std::filesystem::path{*file}.parent_path().string();
  if (auto made = make_dirs(folder, 0700); !made) return made;
  Value value{ValueMap{{"url", context.url}, {"token", context.token}, {"user", context.user}}};
  if (auto written = replace_file(*file, json_pretty(value) + "\n", 0600); !written) return written;
  return make_current ? use_context(context.name) : ok();
}

Result<Context> load_context(const std::string& name) {
  auto file = file_of(name);
  if (!file) return std::move(file).error();
  auto text = read_file(*file, file_bytes_max);
  if (!text)
    return Error{Errc::not_found, fmt::format("there is no context '{}'", name),
                 text.error().detail,
                 "see `troupe context ls`; `troupe login URL` makes one, and so does `troupe up`"};
  auto value = parse_json(*text);
  if (!value)
    return Error{Errc::invalid, fmt::format("{} cannot be read", *file), value.error().detail,
                 "remove it and log in again (troupe login URL)"};
  auto field = [&](const char* key) {
    const auto* found = value->find(key);
    return found != nullptr && found->is_string() ? found->as_string() : std::string{};
  };
  return Context{name, field("url"), field("token"), field("user")};
}

Result<std::string> current_context() {
  auto dir = config_dir();
  if (!dir) return dir;
  auto text = read_file(*dir + "/current", file_bytes_max);
  return text ? trimmed(std::move(*text)) : std::string{};
}

Result<void> use_context(const std::string& name) {
  if (auto known = load_context(name); !known) return std::move(known).error();
  auto dir = config_dir();
  if (!dir) return std::move(dir).error();
  return replace_file(*dir + "/current", name + "\n", 0600);
}

Result<std::vector<Context>> list_contexts() {
  auto dir = config_dir();
  if (!dir) return std::move(dir).error();
  std::vector<Context> contexts;
  std::error_code none;
  for (const auto& file : std::filesystem::directory_iterator{*dir + "/contexts", none}) {
    if (file.path().extension() != ".json") continue;
    if (auto context = load_context(file.path().stem().string()))
      contexts.push_back(std::move(*context));
  }
  std::sort(contexts.begin(), contexts.end(),
            [](const Context& a, const Context& b) { return a.name < b.name; });
  return contexts;
}

Result<Endpoint> find_endpoint(const EndpointOptions& options) {
  auto url = options.url;
  std::string source = "--url";
  if (url.empty() && options.context.empty()) {
    url = env("TROUPE_URL");
    source = "TROUPE_URL";
  }
  auto name = !options.context.empty() ? options.context : env("TROUPE_CONTEXT");
  if (name.empty()) {
    auto current = current_context();
    if (!current) return std::move(current).error();
    name = std::move(*current);
  }
  Endpoint endpoint{url, "", source};
  auto token_file = !options.token_file.empty() ? options.token_file : env("TROUPE_TOKEN_FILE");
  if (url.empty()) {
    if (name.empty())
      return Error{Errc::unauthenticated, "no head to talk to", "no context was chosen yet",
                   "start one here with `troupe up`, or log in with `troupe login URL`"};
    auto context = load_context(name);
    if (!context) return std::move(context).error();
    endpoint = {context->url, context->token, "context " + name};
    if (options.token_file.empty()) return endpoint;
  }
  if (!token_file.empty()) {
    auto token = token_from(token_file);
    if (!token) return std::move(token).error();
    endpoint.token = std::move(*token);
  } else if (auto token = env("TROUPE_TOKEN"); !token.empty()) {
    endpoint.token = token;
  } else if (!name.empty()) {
    // The token of a context is for its own head only.
    if (auto context = load_context(name); context && context->url == url)
      endpoint.token = context->token;
  }
  return endpoint;
}

}  // namespace troupe::client
