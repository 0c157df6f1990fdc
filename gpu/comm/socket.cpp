#include "gpu/comm/socket.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace troupe::comm {

namespace {

using Clock = std::chrono::steady_clock;

// A name may have an address to which no route leads, and another to which one does.
constexpr std::chrono::seconds next_after{2};

struct Resolved {
  struct Free {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
  };
  std::unique_ptr<addrinfo, Free> list;
};

Result<Resolved> resolve(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  auto code = ::getaddrinfo(endpoint.host.empty() ? nullptr : endpoint.host.c_str(),
                            std::to_string(endpoint.port).c_str(), &hints, &list);
  if (code != 0)
    return Error{Errc::not_found, fmt::format("the address {} does not resolve", endpoint.host),
                 ::gai_strerror(code), "see /etc/hosts and the name service of this machine"};
  return Resolved{std::unique_ptr<addrinfo, Resolved::Free>{list}};
}

UniqueFd stream_socket(int family) {
  return UniqueFd{::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
}

/// Until the descriptor is ready, or an error has come.
Result<void> wait_for(int fd, short events, Moment until, const char* what) {
  while (true) {
    pollfd entry{fd, events, 0};
    auto ready = ::poll(&entry, 1, milliseconds_until(until));
    if (ready > 0) return ok();
    if (ready < 0 && errno != EINTR) return errno_error(errno, what);
    if (ready == 0 && Clock::now() >= until)
      return Error{Errc::timed_out, what, "the other side did not answer in time", ""};
  }
}

sockaddr_un local_name(const std::string& name, socklen_t& bytes) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto count = std::min(name.size(), sizeof address.sun_path - 1);
  std::memcpy(address.sun_path + 1, name.data(), count);  // a leading NUL: no file
  bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + count);
  return address;
}

void set(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

/// An errno of the connection; 0 when it stands.
int try_connect(const addrinfo& address, Moment until, UniqueFd& fd) {
  fd = stream_socket(address.ai_family);
  if (!fd) return errno;
  // Who asks in several writes would wait 40 ms for the other side's acknowledgement of the first.
  set(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (!wait_for(fd.get(), POLLOUT, until, "connecting")) return ETIMEDOUT;
  int failure = 0;
  socklen_t bytes = sizeof failure;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failure, &bytes);
  return failure;
}

}  // namespace

int milliseconds_until(Moment moment) {
  auto left = std::chrono::ceil<std::chrono::milliseconds>(moment - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

std::string to_string(const Endpoint& endpoint) {
  bool is_v6 = endpoint.host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", endpoint.host, endpoint.port)
               : fmt::format("{}:{}", endpoint.host, endpoint.port);
}

Result<Endpoint> parse_endpoint(const std::string& text) {
  Error wrong{Errc::invalid, fmt::format("{} is no address", text), "it is written host:port", ""};
  auto colon = text.rfind(':');
  if (colon == std::string::npos) return wrong;
  Endpoint endpoint{text.substr(0, colon), 0};
  const auto* end = text.data() + text.size();
  auto [rest, code] = std::from_chars(text.data() + colon + 1, end, endpoint.port);
  if (code != std::errc{} || rest != end) return wrong;
  if (endpoint.host.size() > 1 && endpoint.host.front() == '[' && endpoint.host.back() == ']')
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  return endpoint;
}

Result<Listener> listen_tcp(const Endpoint& at) {
  auto resolved = resolve(at);
  if (!resolved) return std::move(resolved).error();
  int failure = 0;
  for (const auto* address = resolved->list.get(); address != nullptr; address = address->ai_next) {
    auto fd = stream_socket(address->ai_family);
    if (fd) set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    sockaddr_storage own{};
    socklen_t bytes = sizeof own;
    if (fd && ::bind(fd.get(), address->ai_addr, address->ai_addrlen) == 0 &&
        ::listen(fd.get(), 1024) == 0 &&
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &bytes) == 0) {
      auto port = own.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&own)->sin6_port
                                            : reinterpret_cast<sockaddr_in*>(&own)->sin_port;
      return Listener{std::move(fd), ntohs(port)};
    }
    failure = errno;
  }
  return errno_error(failure, fmt::format("cannot listen at {}", to_string(at)),
                     failure == EADDRINUSE ? "another program has that port" : "");
}

Result<UniqueFd> connect_tcp(const Endpoint& to, Moment until) {
  auto wait = std::chrono::milliseconds{1};
  while (true) {
    auto resolved = resolve(to);
    if (!resolved) return std::move(resolved).error();
    int failure = 0;
    for (const auto* address = resolved->list.get(); address != nullptr;
         address = address->ai_next) {
      UniqueFd fd;
      bool last = address->ai_next == nullptr;
      failure =
          try_connect(*address, last ? until : std::min(until, Clock::now() + next_after), fd);
      if (failure == 0) return fd;
    }
    if (Clock::now() + wait >= until)
      return Error{Errc::unavailable, fmt::format("cannot reach {}", to_string(to)),
                   std::generic_category().message(failure),
                   "see that it runs, and that this machine's network leads there"};
    ::poll(nullptr, 0, static_cast<int>(wait.count()));
    wait = std::min(wait * 2, std::chrono::milliseconds{50});
  }
}

Result<UniqueFd> listen_local(const std::string& name) {
  auto fd = stream_socket(AF_UNIX);
  socklen_t bytes = 0;
  auto address = local_name(name, bytes);
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), bytes) != 0 ||
      ::listen(fd.get(), 1024) != 0)
    return errno_error(errno, "cannot listen for the ranks of this host");
  return fd;
}

Result<UniqueFd> connect_local(const std::string& name) {
  auto fd = stream_socket(AF_UNIX);
  socklen_t bytes = 0;
  auto address = local_name(name, bytes);
  if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), bytes) != 0)
    return errno_error(errno, "cannot reach the first rank of this host");
  return fd;
}

namespace {

/// Of one end of a connection; nothing where the system does not say.
std::string address_text(int (*end)(int, sockaddr*, socklen_t*), int fd) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof address;
  char text[NI_MAXHOST] = {};
  if (end(fd, reinterpret_cast<sockaddr*>(&address), &bytes) != 0 ||
      ::getnameinfo(reinterpret_cast<sockaddr*>(&address), bytes, text, sizeof text, nullptr, 0,
                    NI_NUMERICHOST) != 0)
    return {};
  return text;
}

}  // namespace

std::string own_address(int fd) {
  auto own = address_text(::getsockname, fd);
  return own.empty() ? "127.0.0.1" : own;
}

std::string peer_address(int fd) {
  auto peer = address_text(::getpeername, fd);
  // What a socket for both families says of one that came by IPv4.
  constexpr std::string_view mapped = "::ffff:";
  return peer.starts_with(mapped) ? peer.substr(mapped.size()) : peer;
}

Result<unsigned> peer_user(int fd) {
  ucred peer{};
  socklen_t bytes = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
    return errno_error(errno, "cannot see who connects");
  return peer.uid;
}

Result<void> send_fully(int fd, const void* data, size_t bytes, Moment until) {
  const auto* at = static_cast<const char*>(data);
  while (bytes != 0) {
    auto sent = ::send(fd, at, bytes, MSG_NOSIGNAL);
    if (sent > 0) {
      at += sent;
      bytes -= static_cast<size_t>(sent);
    } else if (sent < 0 && errno == EAGAIN) {
      TROUPE_TRY(wait_for(fd, POLLOUT, until, "sending to another rank"));
    } else if (sent < 0 && errno != EINTR) {
      return errno_error(errno, "sending to another rank");
    }
  }
  return ok();
}

Result<void> receive_fully(int fd, void* data, size_t bytes, Moment until) {
  auto* at = static_cast<char*>(data);
  while (bytes != 0) {
    auto came = ::recv(fd, at, bytes, 0);
    if (came > 0) {
      at += came;
      bytes -= static_cast<size_t>(came);
    } else if (came == 0) {
      return Error{Errc::unavailable, "receiving from another rank", "it has closed the connection",
                   ""};
    } else if (errno == EAGAIN) {
      TROUPE_TRY(wait_for(fd, POLLIN, until, "receiving from another rank"));
    } else if (errno != EINTR) {
      return errno_error(errno, "receiving from another rank");
    }
  }
  return ok();
}

Result<void> send_descriptor(int fd, int descriptor, Moment until) {
  TROUPE_TRY(wait_for(fd, POLLOUT, until, "handing memory to another rank"));
  char byte = 1;
  iovec data{&byte, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof descriptor)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  auto* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  if (::sendmsg(fd, &message, MSG_NOSIGNAL) != 1)
    return errno_error(errno, "handing memory to another rank");
  return ok();
}

Result<UniqueFd> receive_descriptor(int fd, Moment until) {
  TROUPE_TRY(wait_for(fd, POLLIN, until, "waiting for the memory of this host"));
  char byte = 0;
  iovec data{&byte, 1};
  int descriptor = -1;
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof descriptor)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  auto came = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  auto* head = came == 1 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (head == nullptr || head->cmsg_type != SCM_RIGHTS)
    return Error{Errc::unavailable, "the first rank of this host gave no memory",
                 "it has closed the connection", "look at the log of that rank"};
  std::memcpy(&descriptor, CMSG_DATA(head), sizeof descriptor);
  return UniqueFd{descriptor};
}

void tune_stream(int fd) {
  constexpr int buffer_bytes = 4 << 20;
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_SNDBUF, buffer_bytes);
  set(fd, SOL_SOCKET, SO_RCVBUF, buffer_bytes);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

}  // namespace troupe::comm
