#include "runtime/cluster/dial.hpp"

#include "runtime/cluster/kj_text.hpp"

#include <fmt/format.h>
#include <kj/debug.h>

#include <charconv>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace troupe::cluster {

namespace {

kj::StringPtr ptr(const std::string& text) {
  return {text.c_str(), text.size()};
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  Address address{{}, default_cluster_port};
  auto colon = text.rfind(':');
  bool bracketed = text.starts_with('[');
  auto bracket = text.find(']');
  bool has_port = colon != std::string_view::npos &&
                  (bracketed ? bracket != std::string_view::npos && colon == bracket + 1
                             : text.find(':') == colon);
  if (has_port) {
    auto digits = text.substr(colon + 1);
    auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
    if (code != std::errc{} || end != digits.data() + digits.size() || address.port == 0)
      return Error{Errc::invalid, fmt::format("\"{}\" is no address", text.substr(0, 200)),
                   "its port is no number from 1 to 65535", "write HOST:PORT"};
    text = text.substr(0, colon);
  }
  if (bracketed && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  if (text.empty() || text.size() > 255 || text.find_first_of(" /[]\n") != std::string_view::npos)
    return Error{Errc::invalid, fmt::format("\"{}\" is no address", text.substr(0, 200)),
                 "it names no host", "write HOST:PORT"};
  address.host = text;
  return address;
}

kj::Promise<kj::Own<kj::AsyncIoStream>> open_connection(kj::AsyncIoProvider& io,
                                                        const Address& address,
                                                        std::string_view opening) {
  bool is_v6 = address.host.find(':') != std::string::npos;
  auto host = is_v6 ? "[" + address.host + "]" : address.host;
  return io.getNetwork()
      .parseAddress(ptr(host), address.port)
      .then([](kj::Own<kj::NetworkAddress> found) {
        auto connected = found->connect();
        return connected.attach(kj::mv(found));
      })
      .then([opening](kj::Own<kj::AsyncIoStream> stream) {
        int on = 1;
        stream->setsockopt(IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        auto said = stream->write(opening.data(), opening.size());
        return said.then([stream = kj::mv(stream)]() mutable { return kj::mv(stream); });
      });
}

Error dial_error(const Address& address, const kj::Exception& exception) {
  bool slow = exception.getType() == kj::Exception::Type::OVERLOADED;
  return Error{slow ? Errc::timed_out : Errc::unavailable,
               fmt::format("the head at {}:{} cannot be reached", address.host, address.port),
               slow ? "it did not answer in time" : cause_of(exception),
               "is it up, and is this the address of its cluster port?"};
}

}  // namespace troupe::cluster
