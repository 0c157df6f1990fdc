// Options from a job's environment: what Troupe gives every rank, and torchrun as well.
#include "gpu/comm/communicator.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <map>
#include <mutex>

namespace troupe::comm {

namespace {

constexpr size_t secret_bytes_max = 64u << 10;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

template <class T>
Result<T> number(const char* name, T otherwise) {
  auto text = variable(name);
  if (text.empty()) return otherwise;
  T value{};
  const auto* end = text.data() + text.size();
  auto [rest, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc{} || rest != end)
    return Error{Errc::invalid, fmt::format("{} is no number", name),
                 fmt::format("it is \"{}\"", text), ""};
  return value;
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Result<std::string> secret_for(const Endpoint& at) {
  if (auto token = variable("TROUPE_JOB_TOKEN"); !token.empty()) return token;
  if (auto path = variable("TROUPE_TOKEN_FILE"); !path.empty())
    return read_file(path, secret_bytes_max);
  // Nobody but this machine's own users can come to a loopback address.
  if (is_loopback(at.host)) return std::string{};
  return Error{Errc::invalid, "the ranks have no secret",
               fmt::format("anybody who reaches {} could join them", to_string(at)),
               "start them with Troupe, or give all the same TROUPE_JOB_TOKEN"};
}

/// How often this process has asked for that name: what was written in a store for the times before
/// is still there.
uint64_t times_before(const std::string& name) {
  static std::mutex mutex;
  static std::map<std::string, uint64_t> times;
  std::lock_guard lock{mutex};
  return times[name]++;
}

}  // namespace

Result<Options> options_from_environment(const std::string& name) {
  Options options;
  auto rank = number<uint32_t>("RANK", 0);
  if (!rank) return std::move(rank).error();
  auto size = number<uint32_t>("WORLD_SIZE", 1);
  if (!size) return std::move(size).error();
  auto port = number<uint16_t>("MASTER_PORT", 0);
  if (!port) return std::move(port).error();
  auto join_s = number<uint32_t>("TROUPE_COMM_JOIN_S", 60);
  if (!join_s) return std::move(join_s).error();
  auto deadline_s = number<uint32_t>("TROUPE_COMM_DEADLINE_S", 600);
  if (!deadline_s) return std::move(deadline_s).error();
  options.rank = *rank;
  options.size = *size;
  options.join_deadline = std::chrono::seconds{*join_s};
  options.patience.deadline = std::chrono::seconds{*deadline_s};
  auto transport = variable("TROUPE_COMM_TRANSPORT");
  if (!transport.empty() && transport != "tcp" && transport != "memory")
    return Error{Errc::invalid, "TROUPE_COMM_TRANSPORT is not known",
                 fmt::format("it is \"{}\"", transport),
                 "tcp; or leave it out, for shared memory inside a host"};
  options.shared_memory = transport != "tcp";
  options.host = variable("TROUPE_COMM_HOST");
  options.address = variable("TROUPE_COMM_ADDRESS");
  options.name =
      fmt::format("{}.{}", variable("TROUPE_ID"), variable("TORCHELASTIC_RESTART_COUNT"));
  if (!name.empty()) options.name += "." + name;
  if (options.size == 1) return options;
  Endpoint at{variable("MASTER_ADDR"), *port};
  bool served = variable("TROUPE_COMM_STORE").empty() && !variable("TROUPE_STORE").empty();
  if (served) {
    // Worlds that the job's own launchers make beside each other have different ones.
    options.name += fmt::format("@{}", to_string(at));
    options.name += fmt::format("#{}", times_before(options.name));
  }
  if (auto text = variable(served ? "TROUPE_STORE" : "TROUPE_COMM_STORE"); !text.empty()) {
    auto endpoint = parse_endpoint(text);
    if (!endpoint) return std::move(endpoint).error();
    at = *endpoint;
  }
  if (at.host.empty() || at.port == 0)
    return Error{Errc::invalid, "the ranks cannot find each other",
                 "MASTER_ADDR and MASTER_PORT are not set",
                 "start them with Troupe or torchrun, or set them by hand"};
  auto secret = secret_for(at);
  if (!secret) return std::move(secret).error();
  options.secret = std::move(*secret);
  auto store = TcpStore::open(at, options.secret, options.rank == 0 && !served,
                              std::chrono::steady_clock::now() + options.join_deadline);
  if (!store) return std::move(store).error();
  options.store = std::move(*store);
  return options;
}

}  // namespace troupe::comm
