#include "runtime/cluster/bulk_lane.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

namespace troupe::cluster {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds dial_patience{7000};
// Neither side waits longer for one piece: a disk or a peer that takes so long hangs.
constexpr milliseconds piece_patience{30'000};

Error unreachable(const Address& address, std::string cause) {
  return Error{Errc::unavailable,
               fmt::format("{}:{} cannot be reached", address.host, address.port), std::move(cause),
               "is it up, and does a firewall stand between?"};
}

Result<void> finish_connect(int fd, const Address& address) {
  pollfd polled{fd, POLLOUT, 0};
  int ready = 0;
  do ready = ::poll(&polled, 1, static_cast<int>(dial_patience.count()));
  while (ready < 0 && errno == EINTR);
  if (ready == 0) return unreachable(address, "it did not answer in time");
  int number = 0;
  socklen_t size = sizeof number;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size);
  if (number != 0) return unreachable(address, errno_error(number, "").detail);
  return ok();
}

/// Connected and blocking, without delay for small messages.
Result<UniqueFd> connect_to(const Address& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  auto port = std::to_string(address.port);
  if (int code = ::getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found); code != 0)
    return unreachable(address, ::gai_strerror(code));
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned{found, &::freeaddrinfo};
  Error last = unreachable(address, "it has no address");
  for (const auto* one = found; one != nullptr; one = one->ai_next) {
    UniqueFd fd{::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd) return errno_error(errno, "no socket could be made");
    if (::connect(fd.get(), one->ai_addr, one->ai_addrlen) != 0 && errno != EINPROGRESS) {
      last = unreachable(address, errno_error(errno, "").detail);
      continue;
    }
    if (auto connected = finish_connect(fd.get(), address); !connected) {
      last = std::move(connected).error();
      continue;
    }
    ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
    int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    keep_alive(fd.get());
    return fd;
  }
  return last;
}

Error nonsense() {
  return Error{Errc::refused, "a bulk connection was ended",
               "the other side does not speak as a node does", "are both of one version?"};
}

}  // namespace

void keep_alive(int fd) {
  auto set = [fd](int level, int option, int value) {
    ::setsockopt(fd, level, option, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 5);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 15'000);
}

Result<void> write_text(TlsSocket& socket, std::string_view text) {
  std::string bytes;
  for (int shift : {24, 16, 8, 0}) bytes += static_cast<char>(text.size() >> shift);
  bytes += text;
  return socket.write(bytes);
}

Result<std::string> read_text(TlsSocket& socket, size_t bytes_max) {
  unsigned char length[4];
  TROUPE_TRY(socket.read(reinterpret_cast<char*>(length), sizeof length));
  size_t size = 0;
  for (auto b : length) size = size << 8 | b;
  if (size > bytes_max) return nonsense();
  std::string text(size, '\0');
  TROUPE_TRY(socket.read(text.data(), size));
  return text;
}

Result<std::unique_ptr<BulkLane>> BulkLane::dial(const TlsSettings& settings,
                                                 const Address& address, const std::string& peer,
                                                 LinkHello hello, Clock& clock) {
  auto fd = connect_to(address);
  if (!fd) return std::move(fd).error();
  TROUPE_TRY(write_all(fd->get(), bulk_ask_opening));
  auto socket = TlsSocket::connect(settings, std::move(*fd), peer, dial_patience);
  if (!socket) return std::move(socket).error();
  hello.time_us = clock.now().us;
  TROUPE_TRY(write_text(**socket, to_json(hello)));
  auto greeting = read_text(**socket, greeting_bytes_max);
  if (!greeting) return std::move(greeting).error();
  if (auto other = parse_link_hello(*greeting); !other) return std::move(other).error();
  return std::make_unique<BulkLane>(std::move(*socket));
}

Result<BulkFrameHeader> BulkLane::read_header() {
  char bytes[bulk_frame_header_bytes];
  TROUPE_TRY(socket_->read(bytes, sizeof bytes));
  return parse_bulk_header({bytes, sizeof bytes});
}

Result<void> BulkLane::write_frame(BulkFrame kind, std::string_view body) {
  return socket_->write(bulk_frame(kind, body));
}

Result<BulkAnswer> BulkLane::ask(const BulkQuestion& question) {
  begun_ = ended_ = false;
  socket_->set_patience(std::min(piece_patience, question.limit));
  TROUPE_TRY(write_frame(BulkFrame::request, bulk_body(question.request)));
  auto answer = receive(question);
  if (!answer && answer.error().code == Errc::timed_out) return bulk_too_slow(question.request);
  return answer;
}

Result<BulkAnswer> BulkLane::receive(const BulkQuestion& question) {
  auto until = std::chrono::steady_clock::now() + question.limit;
  BulkAnswer answer;
  while (true) {
    auto header = read_header();
    if (!header) return std::move(header).error();
    begun_ = true;
    std::string body(header->bytes, '\0');
    TROUPE_TRY(socket_->read(body.data(), body.size()));
    ended_ = header->kind == BulkFrame::error || header->kind == BulkFrame::end;
    if (header->kind == BulkFrame::error) return parse_bulk_error(body);
    if (header->kind == BulkFrame::end) {
      auto end = parse_bulk_end(body);
      if (!end) return std::move(end).error();
      answer.end = *end;
      return answer;
    }
    if (header->kind != BulkFrame::data) return nonsense();
    if (question.take)
      TROUPE_TRY(question.take(std::move(body)));
    else
      TROUPE_TRY(gather(answer, question, body));
    if (std::chrono::steady_clock::now() > until) return bulk_too_slow(question.request);
  }
}

void BulkLane::serve(const BulkOpen& open, const std::string& peer) {
  while (true) {
    socket_->set_patience(milliseconds{0});  // it may have nothing to ask for long
    auto header = read_header();
    if (!header || header->kind != BulkFrame::request) return;
    socket_->set_patience(piece_patience);
    body_.resize(header->bytes);
    if (!socket_->read(body_.data(), body_.size())) return;
    auto request = parse_bulk_request(body_);
    if (!request || !answer(open, peer, *request)) return;
  }
}

Result<void> BulkLane::answer(const BulkOpen& open, const std::string& peer,
                              const BulkRequest& request) {
  auto source = open(peer, request);
  if (!source) return write_frame(BulkFrame::error, bulk_body(source.error()));
  while (true) {
    auto piece = (*source)->next();
    if (!piece) return write_frame(BulkFrame::error, bulk_body(piece.error()));
    if (piece->empty()) return write_frame(BulkFrame::end, bulk_body((*source)->end()));
    TROUPE_TRY(write_frame(BulkFrame::data, *piece));
  }
}

}  // namespace troupe::cluster
