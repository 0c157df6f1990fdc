#include "gpu/comm/store.hpp"

#include "gpu/comm/doorman.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
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
// At once: each may have a text of the largest size under way.
constexpr size_t guests_max = 256;

Error too_long(size_t bytes) {
  return {Errc::invalid, "the text is too long for the ranks' store",
          fmt::format("{} bytes; at most {}", bytes, text_bytes_max), ""};
}

Result<void> send_text(int fd, const std::string& text, Moment until) {
  auto bytes = static_cast<uint32_t>(text.size());
  TROUPE_TRY(send_fully(fd, &bytes, sizeof bytes, until));
  return send_fully(fd, text.data(), text.size(), until);
}

Result<std::string> receive_text(int fd, Moment until) {
  uint32_t bytes = 0;
  TROUPE_TRY(receive_fully(fd, &bytes, sizeof bytes, until));
  if (bytes > text_bytes_max + 1)  // the mark before it
    return too_long(bytes);
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

/// One connection, which asks for one thing and is told it, bit by bit as it can.
class StoreServer::Guest {
 public:
  Guest(StoreServer& of, Doorman::Visitor visitor)
      : of_{of}, fd_{std::move(visitor.fd)}, http_{visitor.hello.purpose == Purpose::http} {
    const auto& from = of.http_from_;
    if (http_ && std::find(from.begin(), from.end(), peer_address(fd_.get())) == from.end())
      answer_ = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  }

  pollfd entry() const {
    return {fd_.get(), static_cast<short>(answer_.empty() ? POLLIN : POLLOUT), 0};
  }
  Moment until() const { return until_; }
  /// False when it has been told, or has gone, or took too long.
  bool step() {
    bool goes_on = answer_.empty() ? hear() : true;
    if (goes_on && !answer_.empty()) goes_on = tell();
    return goes_on && Clock::now() < until_;
  }

 private:
  bool hear() {
    char bytes[16384];
    while (answer_.empty()) {
      auto came = ::recv(fd_.get(), bytes, sizeof bytes, 0);
      if (came < 0) return errno == EAGAIN || errno == EINTR;
      if (came == 0) return false;
      request_.append(bytes, static_cast<size_t>(came));
      if (http_)
        answer_ = of_.http_.answer(request_).value_or("");
      else if (!hear_texts())
        return false;
    }
    return true;
  }
  /// Three texts, each behind its length. False where one is too long.
  bool hear_texts() {
    std::string texts[3];
    size_t at = 0;
    for (auto& text : texts) {
      uint32_t bytes = 0;
      if (request_.size() - at < sizeof bytes) return true;
      std::memcpy(&bytes, request_.data() + at, sizeof bytes);
      if (bytes > text_bytes_max) return false;
      at += sizeof bytes;
      if (request_.size() - at < bytes) return true;
      text = request_.substr(at, bytes);
      at += bytes;
    }
    auto said = answer_to(of_.values_, texts[0], texts[1], texts[2]);
    auto bytes = static_cast<uint32_t>(said.size());
    answer_.assign(reinterpret_cast<const char*>(&bytes), sizeof bytes);
    answer_ += said;
    return true;
  }
  /// Whether some of it is left.
  bool tell() {
    while (told_ < answer_.size()) {
      auto sent = ::send(fd_.get(), answer_.data() + told_, answer_.size() - told_, MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      told_ += static_cast<size_t>(sent);
    }
    return false;
  }

  StoreServer& of_;
  UniqueFd fd_;
  bool http_;
  Moment until_ = Clock::now() + request_time;
  std::string request_, answer_;
  size_t told_ = 0;
};

void StoreServer::serve(UniqueFd listener, const std::string& secret) {
  Doorman door{std::move(listener), secret, !http_from_.empty()};
  std::vector<std::unique_ptr<Guest>> guests;
  std::vector<pollfd> entries;
  while (true) {
    bool more = guests.size() < guests_max;
    auto until = Clock::now() + std::chrono::hours{1};
    entries.assign(1, {stop_.get(), POLLIN, 0});
    for (const auto& guest : guests) {
      entries.push_back(guest->entry());
      until = std::min(until, guest->until());
    }
    if (more) door.watch(entries, until);
    ::poll(entries.data(), entries.size(), milliseconds_until(until));
    if (entries[0].revents != 0) return;
    while (guests.size() < guests_max) {
      auto visitor = door.step();
      if (!visitor) break;
      guests.push_back(std::make_unique<Guest>(*this, std::move(*visitor)));
    }
    // What goes wrong with one connection is that rank's to report.
    std::erase_if(guests, [](const auto& guest) { return !guest->step(); });
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
  if (value.size() > text_bytes_max) return too_long(value.size());
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
