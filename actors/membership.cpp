#include "actors/membership.hpp"

#include "actors/machine.hpp"
#include "runtime/cluster/join_desk.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::actors {

namespace {

constexpr auto join_again_after = std::chrono::seconds{1};
constexpr size_t file_bytes_max = 1u << 20;

/// The key that waits for its certificate: asking again with the same one is no second use of a
/// token whose answer was lost.
Result<cluster::KeyRequest> kept_key(const std::string& path) {
  auto kept = cluster::read_identity(path);
  if (kept) return cluster::KeyRequest{kept->key, kept->certificate};
  if (kept.error().code != Errc::not_found) return std::move(kept).error();
  auto made = cluster::make_key_request();
  if (!made) return std::move(made).error();
  TROUPE_TRY(cluster::write_identity(path, {made->key, made->request}));
  return made;
}

Result<Membership> kept_membership(const WorkerProcessOptions& options) {
  auto folder = options.dir + "/cluster";
  auto identity = cluster::read_identity(folder + "/worker");
  if (!identity) return std::move(identity).error();
  auto authority = read_file(folder + "/authority.pem", file_bytes_max);
  if (!authority) return std::move(authority).error();
  auto name = cluster::verified_name(identity->certificate, *authority);
  if (!name) return std::move(name).error();
  if (!options.name.empty() && options.name != *name)
    return Error{Errc::conflict, fmt::format("this worker is {}, not {}", *name, options.name),
                 fmt::format("it joined under that name; {} holds its certificate", folder),
                 "drop --name, or join anew with a folder of its own"};
  auto text = options.head;
  if (text.empty()) {
    auto kept = read_file(folder + "/head", 4096);
    if (!kept) return std::move(kept).error();
    text = *kept;
  }
  auto head = cluster::parse_address(text);
  if (!head) return std::move(head).error();
  return Membership{*name, *head, {std::move(*identity), std::move(*authority)}};
}

Result<cluster::JoinToken> read_token(const WorkerProcessOptions& options) {
  if (options.join_token_file.empty())
    return Error{Errc::invalid,
                 fmt::format("the worker in {} has not joined a cluster yet", options.dir),
                 "it needs a join token for that, once",
                 "on the head: troupe token join > FILE; here: --join-token-file FILE"};
  auto text = read_file(options.join_token_file, file_bytes_max);
  if (!text) return std::move(text).error();
  return cluster::parse_join_token(*text);
}

Result<void> keep(const std::string& folder, const std::string& head,
                  const cluster::Joined& joined) {
  TROUPE_TRY(replace_file(folder + "/authority.pem", joined.authority, 0600));
  TROUPE_TRY(replace_file(folder + "/head", head, 0600));
  TROUPE_TRY(cluster::write_identity(folder + "/worker", joined.identity));
  ::unlink((folder + "/pending.key").c_str());
  ::unlink((folder + "/pending.pem").c_str());
  return ok();
}

}  // namespace

Result<Membership> find_membership(const WorkerProcessOptions& options,
                                   const cluster::LinkHello& hello, Clock& clock,
                                   const StopSignals& signals) {
  auto kept = kept_membership(options);
  if (kept || kept.error().code != Errc::not_found) return kept;
  auto token = read_token(options);
  if (!token) return std::move(token).error();
  auto folder = options.dir + "/cluster";
  TROUPE_TRY(make_dirs(folder, 0700));
  auto key = kept_key(folder + "/pending");
  if (!key) return std::move(key).error();
  auto text = options.head.empty() ? token->address : options.head;
  auto head = cluster::parse_address(text);
  if (!head) return std::move(head).error();
  auto name = options.name.empty() ? this_host() : options.name;
  bool told = false;
  while (true) {
    auto joined = cluster::join_cluster(*head, *token, name, *key, hello, clock);
    if (joined) {
      TROUPE_TRY(keep(folder, text, *joined));
      return Membership{name, *head, std::move(*joined)};
    }
    auto& error = joined.error();
    if (error.code != Errc::unavailable && error.code != Errc::timed_out)
      return std::move(joined).error();
    if (!std::exchange(told, true))
      log::warning("worker", "{}; it is tried again", to_string(error));
    if (signals.came_within(join_again_after))
      return Error{Errc::unavailable, "the worker was stopped before it had joined", error.what,
                   error.hint};
  }
}

std::string address_towards(const cluster::Address& peer) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(peer.host.c_str(), std::to_string(peer.port).c_str(), &hints, &found) != 0)
    return {};
  // Connecting a datagram socket sends nothing; it asks for the way.
  UniqueFd fd{::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  sockaddr_storage mine{};
  socklen_t size = sizeof mine;
  char text[NI_MAXHOST] = {};
  bool good = fd && ::connect(fd.get(), found->ai_addr, found->ai_addrlen) == 0 &&
              ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&mine), &size) == 0 &&
              ::getnameinfo(reinterpret_cast<sockaddr*>(&mine), size, text, sizeof text, nullptr, 0,
                            NI_NUMERICHOST) == 0;
  ::freeaddrinfo(found);
  return good ? text : "";
}

std::string interface_of(const std::string& address) {
  ifaddrs* list = nullptr;
  if (address.empty() || ::getifaddrs(&list) != 0) return {};
  std::string name;
  for (auto* one = list; one != nullptr && name.empty(); one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_LOOPBACK) != 0) continue;
    auto family = one->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    char text[NI_MAXHOST] = {};
    auto size =
        static_cast<socklen_t>(family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    if (::getnameinfo(one->ifa_addr, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0 &&
        address == text)
      name = one->ifa_name;
  }
  ::freeifaddrs(list);
  return name;
}

}  // namespace troupe::actors
