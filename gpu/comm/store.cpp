#include "gpu/comm/store.hpp"

#include "gpu/comm/doorman.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

namespace troupe::comm {

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t text_bytes_max = 1u << 20;  // a roster of some thousand ranks
// Of all keys and values: PMIx tells the most, some kilobytes a rank.
constexpr size_t store_bytes_max = 64u << 20;
constexpr std::chrono::seconds request_time{5};

Result<void> send_text(int fd, const std::string& text, Moment until) {
  auto bytes = static_cast<uint32_t>(text.size());
  TROUPE_TRY(send_fully(fd, &bytes, sizeof bytes, until));
  return send_fully(fd, text.data(), text.size(), until);
}

Result<std::string> receive_text(int fd, Moment until) {
  uint32_t bytes = 0;
  TROUPE_TRY(receive_fully(fd, &bytes, sizeof bytes, until));
  if (bytes > text_bytes_max)
    return Error{Errc::invalid, "the store got a text that is too long",
                 fmt::format("{} bytes; at most {}", bytes, text_bytes_max), ""};
  std::string text(bytes, '\0');
  TROUPE_TRY(receive_fully(fd, text.data(), bytes, until));
  return text;
}

/// "+" and the value, "-" where there is none, "!" where another was written, "=" where it is full.
std::string answer_to(MemoryStore& values, const std::string& what, const std::string& key,
                      const std::string& value) {
  if (what == "s") {
    auto written = values.set(key, value);
    return written ? "+" : written.error().code == Errc::exhausted ? "=" : "!";
  }
  auto found = values.get(key);
  return found && *found ? "+" + **found : "-";
}

Result<void> answer(int fd, MemoryStore& values) {
  auto until = Clock::now() + request_time;
  auto what = receive_text(fd, until);
  if (!what) return std::move(what).error();
  auto key = receive_text(fd, until);
  if (!key) return std::move(key).error();
  auto value = receive_text(fd, until);
  if (!value) return std::move(value).error();
  return send_text(fd, answer_to(values, *what, *key, *value), until);
}

void answer_http(int fd, HttpValues& values, const std::vector<std::string>& from) {
  auto until = Clock::now() + request_time;
  std::optional<std::string> answer;
  if (std::find(from.begin(), from.end(), peer_address(fd)) == from.end())
    answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  for (std::string request; !answer;) {
    pollfd readable{fd, POLLIN, 0};
    if (::poll(&readable, 1, milliseconds_until(until)) <= 0) return;
    char bytes[16384];
    auto came = ::recv(fd, bytes, sizeof bytes, 0);
    if (came <= 0) return;
    request.append(bytes, static_cast<size_t>(came));
    answer = values.answer(request);
  }
  (void)send_fully(fd, answer->data(), answer->size(), until);
}

Error conflict(const std::string& key) {
  return {Errc::conflict, fmt::format("{} was written before, and otherwise", key),
          "two processes say that they are the same rank",
          "give each process its own RANK, and each attempt its own port"};
}

Error full() {
  return {Errc::exhausted, "the ranks' store is full",
          fmt::format("it takes {} MiB", store_bytes_max >> 20), "open fewer communicators"};
}

}  // namespace

Result<void> MemoryStore::set(const std::string& key, const std::string& value) {
  std::lock_guard lock{mutex_};
  auto place = values_.find(key);
  if (place != values_.end()) {
    if (place->second != value) return conflict(key);
    return ok();
  }
  auto more = key.size() + value.size();
  if (bytes_ + more > store_bytes_max) return full();
  bytes_ += more;
  values_.emplace(key, value);
  return ok();
}

Result<std::optional<std::string>> MemoryStore::get(const std::string& key) {
  std::lock_guard lock{mutex_};
  auto place = values_.find(key);
  if (place == values_.end()) return std::optional<std::string>{};
  return std::optional{place->second};
}

Result<std::unique_ptr<StoreServer>> StoreServer::start(const Endpoint& at,
                                                        const std::string& secret,
                                                        std::vector<std::string> http_from) {
  auto listener = listen_tcp(at);
  if (!listener) return std::move(listener).error();
  std::unique_ptr<StoreServer> server{new StoreServer};
  server->http_from_ = std::move(http_from);
  server->port_ = listener->port;
  server->stop_ = UniqueFd{::eventfd(0, EFD_CLOEXEC)};
  if (!server->stop_) return errno_error(errno, "cannot serve the ranks' store");
  server->thread_ = std::thread{[self = server.get(), fd = listener->fd.release(), secret] {
    self->serve(UniqueFd{fd}, secret);
  }};
  return server;
}

StoreServer::~StoreServer() {
  if (thread_.joinable()) {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }
}

void StoreServer::serve(UniqueFd listener, const std::string& secret) {
  Doorman door{std::move(listener), secret, !http_from_.empty()};
  while (true) {
    auto visitor = door.next(Clock::now() + std::chrono::hours{1}, stop_.get());
    if (!visitor && visitor.error().code == Errc::not_found) return;
    // What goes wrong with one connection is that rank's to report.
    if (!visitor) continue;
    if (visitor->hello.purpose == Purpose::http)
      answer_http(visitor->fd.get(), http_, http_from_);
    else
      (void)answer(visitor->fd.get(), values_);
  }
}

Result<std::unique_ptr<TcpStore>> TcpStore::open(const Endpoint& at, const std::string& secret,
                                                 bool serve, Moment until) {
  std::unique_ptr<TcpStore> store{new TcpStore};
  store->at_ = at;
  store->secret_ = secret;
  store->own_address_ = at.host;
  if (serve) {
    auto server = StoreServer::start(at, secret);
    if (!server) return std::move(server).error();
    store->server_ = std::move(*server);
    return store;
  }
  auto fd = connect_tcp(at, until);
  if (!fd) return std::move(fd).error();
  store->own_address_ = comm::own_address(fd->get());
  return store;
}

Result<std::string> TcpStore::ask(char what, const std::string& key, const std::string& value) {
  auto until = Clock::now() + request_time;
  auto ask_once = [&]() -> Result<std::string> {
    auto fd = connect_tcp(at_, until);
    if (!fd) return std::move(fd).error();
    TROUPE_TRY(introduce(fd->get(), secret_, {Purpose::store, 0, 0}, until));
    TROUPE_TRY(send_text(fd->get(), std::string(1, what), until));
    TROUPE_TRY(send_text(fd->get(), key, until));
    TROUPE_TRY(send_text(fd->get(), value, until));
    return receive_text(fd->get(), until);
  };
  while (true) {
    auto answer = ask_once();
    // A connection that breaks is a store that ends; it may begin anew, and asking twice is the
    // same as once.
    bool broke =
        !answer && (answer.error().code == Errc::io || answer.error().code == Errc::unavailable);
    if (!broke || Clock::now() >= until) return answer;
    ::poll(nullptr, 0, 20);
  }
}

Result<void> TcpStore::set(const std::string& key, const std::string& value) {
  if (server_) return server_->values().set(key, value);
  auto answer = ask('s', key, value);
  if (!answer) return std::move(answer).error();
  if (*answer == "=") return full();
  if (*answer != "+") return conflict(key);
  return ok();
}

Result<std::optional<std::string>> TcpStore::get(const std::string& key) {
  if (server_) return server_->values().get(key);
  auto answer = ask('g', key, {});
  if (!answer) return std::move(answer).error();
  if (answer->empty() || answer->front() != '+') return std::optional<std::string>{};
  return std::optional{answer->substr(1)};
}

}  // namespace troupe::comm
