// Stream sockets with deadlines, for ranks that find each other. All descriptors are non-blocking
// and close on exec. Any thread.
#pragma once

#include "runtime/core/fd.hpp"

#include <chrono>
#include <cstddef>
#include <string>

namespace troupe::comm {

using Moment = std::chrono::steady_clock::time_point;

/// "host:port", "[address]:port".
struct Endpoint {
  std::string host;
  uint16_t port = 0;
};
std::string to_string(const Endpoint& endpoint);
Result<Endpoint> parse_endpoint(const std::string& text);

struct Listener {
  UniqueFd fd;
  uint16_t port = 0;
};
/// Port 0 takes a free one.
Result<Listener> listen_tcp(const Endpoint& at);
/// Tries again while nobody listens there, until the moment has come.
Result<UniqueFd> connect_tcp(const Endpoint& to, Moment until);
/// By a name that lies in no file system and vanishes with the socket.
Result<UniqueFd> listen_local(const std::string& name);
Result<UniqueFd> connect_local(const std::string& name);
/// The address by which the other side of a connection knows this machine.
std::string own_address(int fd);
/// The address of the other side.
std::string peer_address(int fd);
/// The user at the other end of a local connection.
Result<unsigned> peer_user(int fd);

/// All of the bytes, or an error: timed_out where the moment comes first, unavailable where the
/// other side has closed.
Result<void> send_fully(int fd, const void* data, size_t bytes, Moment until);
Result<void> receive_fully(int fd, void* data, size_t bytes, Moment until);
/// The same for a descriptor, over a local connection; the receiver's is a duplicate.
Result<void> send_descriptor(int fd, int descriptor, Moment until);
Result<UniqueFd> receive_descriptor(int fd, Moment until);

/// For poll: how long until then, never less than nothing.
int milliseconds_until(Moment moment);
/// What long transfers need: no delays, keep-alives that notice a lost machine within seconds.
void tune_stream(int fd);

}  // namespace troupe::comm
