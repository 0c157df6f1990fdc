#include "runtime/cluster/link_server_loop.hpp"

#include "runtime/cluster/kj_text.hpp"
#include "runtime/cluster/tls_context.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>
#include <kj/debug.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace troupe::cluster {

namespace {

// A worker that dials again has the old link's last messages behind it.
constexpr auto redial_pause = 100 * kj::MILLISECONDS;

/// Whether something is under way to the machine behind a connection, and nothing comes back.
bool is_silent(int socket, std::chrono::milliseconds after) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  return info.tcpi_unacked > 0 && info.tcpi_last_ack_recv > after.count();
}

kj::StringPtr ptr(const std::string& text) {
  return {text.c_str(), text.size()};
}

/// Counts as long as it lives.
class Counted {
 public:
  explicit Counted(uint32_t& count) : count_{count} { ++count_; }
  ~Counted() { --count_; }
  KJ_DISALLOW_COPY(Counted);

 private:
  uint32_t& count_;
};

}  // namespace

void LinkServer::Loop::run(std::promise<Result<void>>& started) {
  auto io = kj::setupAsyncIo();
  io_ = &io;
  auto end = kj::newPromiseAndCrossThreadFulfiller<void>();
  stop = kj::mv(end.fulfiller);
  kj::Own<kj::ConnectionReceiver> receiver;
  auto failed = kj::runCatchingExceptions([&] {
    contexts_.join = make_server_context(options_.authority, options_.identity, false);
    contexts_.link = make_server_context(options_.authority, options_.identity, true);
    receiver = io.provider->getNetwork()
                   .parseAddress(ptr(options_.bind), options_.port)
                   .wait(io.waitScope)
                   ->listen();
    port = static_cast<uint16_t>(receiver->getPort());
  });
  KJ_IF_MAYBE (exception, failed) {
    auto cause = cause_of(*exception);
    bool used = cause.find("in use") != std::string::npos;
    started.set_value(
        Error{used ? Errc::conflict : Errc::io,
              fmt::format("cannot listen for workers on {}:{}", options_.bind, options_.port),
              cause, "choose another address or port for the cluster"});
    contexts_ = {};
    return;
  }
  started.set_value(ok());
  {
    kj::TaskSet tasks{*this};
    tasks_ = &tasks;
    tasks.add(inbox.run());
    tasks.add(accept_loop(*receiver));
    tasks.add(watch_machines());
    end.promise.wait(io.waitScope);
    events_ = {};  // whoever is told of ends does not live any more
    tasks_ = nullptr;
  }
  live_.clear();
  contexts_ = {};
}

kj::Promise<void> LinkServer::Loop::accept_loop(kj::ConnectionReceiver& receiver) {
  return receiver.acceptAuthenticated()
      .then(
          [this](kj::AuthenticatedStream stream) -> kj::Promise<void> {
            // Over the limit they are closed unread: whoever holds that many open means no good.
            if (greetings_ < options_.greetings_max) tasks_->add(serve(kj::mv(stream)));
            return kj::READY_NOW;
          },
          [this](kj::Exception&& e) -> kj::Promise<void> {
            log::warning("cluster", "accept failed: {}", e.getDescription().cStr());
            return io_->provider->getTimer().afterDelay(50 * kj::MILLISECONDS);
          })
      .then([this, &receiver] { return accept_loop(receiver); });
}

kj::Promise<void> LinkServer::Loop::watch_machines() {
  auto every = options_.silent_after.count() / 4 * kj::MILLISECONDS;
  return io_->provider->getTimer().afterDelay(every).then([this] {
    for (auto& [name, live] : live_) {
      auto silent = is_silent(live.socket, options_.silent_after);
      if (silent == live.silent) continue;
      live.silent = silent;
      if (events_.on_silent) events_.on_silent(name, silent);
    }
    return watch_machines();
  });
}

kj::Promise<void> LinkServer::Loop::serve(kj::AuthenticatedStream stream) {
  auto counted = kj::heap<Counted>(greetings_);
  int on = 1;
  stream.stream->setsockopt(IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::string peer{stream.peerIdentity->toString().cStr()};
  auto patience = options_.greeting_patience.count() * kj::MILLISECONDS;
  return io_->provider->getTimer()
      .timeoutAfter(patience, greet(kj::mv(stream)))
      .attach(kj::mv(counted))
      .then(
          [this](Greeted greeted) -> kj::Promise<void> {
            if (greeted.stream.get() == nullptr) return kj::READY_NOW;
            return carry(kj::mv(greeted));
          },
          [this, peer](kj::Exception&& e) -> kj::Promise<void> {
            bool slow = e.getType() == kj::Exception::Type::OVERLOADED;
            complain(peer, Error{Errc::refused, "it got no link",
                                 slow ? "it did not prove itself in time" : cause_of(e), ""});
            return kj::READY_NOW;
          });
}

kj::Promise<LinkServer::Loop::Greeted> LinkServer::Loop::greet(kj::AuthenticatedStream stream) {
  auto opening = kj::heapArray<char>(opening_bytes);
  auto read = stream.stream->read(opening.begin(), opening_bytes);
  return read.then(
      [this, stream = kj::mv(stream), opening = kj::mv(opening)]() mutable -> kj::Promise<Greeted> {
        std::string_view wanted{opening.begin(), opening.size()};
        if (wanted == join_opening) return greet_join(kj::mv(stream.stream));
        if (wanted == link_opening) return greet_link(kj::mv(stream));
        bool serves = wanted == bulk_serve_opening;
        if (serves || wanted == bulk_ask_opening) return hand_on(*stream.stream, serves);
        return KJ_EXCEPTION(FAILED, "it does not speak as a node does");
      });
}

/// TLS for bulk is not for this thread: it carries control messages.
kj::Promise<LinkServer::Loop::Greeted> LinkServer::Loop::hand_on(kj::AsyncIoStream& stream,
                                                                 bool serves) {
  KJ_IF_MAYBE (fd, stream.getFd()) {
    UniqueFd copy{::fcntl(*fd, F_DUPFD_CLOEXEC, 0)};
    if (copy && events_.on_bulk) events_.on_bulk(std::move(copy), serves);
  }
  return Greeted{};
}

kj::Promise<LinkServer::Loop::Greeted> LinkServer::Loop::greet_join(
    kj::Own<kj::AsyncIoStream> stream) {
  auto said = write_text(*stream, options_.authority);
  return said
      .then([this, stream = kj::mv(stream)]() mutable {
        return contexts_.join->wrapServer(kj::mv(stream));
      })
      .then([this](kj::Own<kj::AsyncIoStream> secure) { return answer_join(kj::mv(secure)); });
}

kj::Promise<LinkServer::Loop::Greeted> LinkServer::Loop::answer_join(
    kj::Own<kj::AsyncIoStream> stream) {
  auto read = read_text(*stream, greeting_bytes_max);
  return read.then(
      [this, stream = kj::mv(stream)](std::string text) mutable -> kj::Promise<Greeted> {
        auto request = parse_join_request(text);
        if (!request) return refuse(kj::mv(stream), request.error());
        if (auto same = check_protocol(request->hello, request->name, hello()); !same)
          return refuse(kj::mv(stream), same.error());
        if (auto live = live_.find(request->name); live != live_.end())
          return refuse(kj::mv(stream),
                        Error{Errc::conflict, fmt::format("worker {} may not join", request->name),
                              "another worker is here under this name",
                              "give each worker its own name (--name)"});
        auto certificate = events_.on_join(*request);
        if (!certificate) return refuse(kj::mv(stream), certificate.error());
        auto said = write_text(*stream, certificate_json(*certificate));
        return said.then([stream = kj::mv(stream)]() mutable {
          stream->shutdownWrite();
          return Greeted{};
        });
      });
}

kj::Promise<LinkServer::Loop::Greeted> LinkServer::Loop::greet_link(
    kj::AuthenticatedStream stream) {
  int socket = -1;
  KJ_IF_MAYBE (fd, stream.stream->getFd()) {
    socket = *fd;
  }
  auto wrapped = contexts_.link->wrapServer(kj::mv(stream));
  return wrapped.then([this, socket](kj::AuthenticatedStream secure) {
    auto name = peer_name(secure);
    auto read = read_text(*secure.stream, greeting_bytes_max);
    return read
        .then([this, stream = kj::mv(secure.stream),
               name](std::string text) mutable -> kj::Promise<Greeted> {
          auto admitted = events_.admit ? events_.admit(name) : Result<std::string>{name};
          if (!admitted) return refuse(kj::mv(stream), admitted.error());
          return answer_link(kj::mv(stream), *admitted, text);
        })
        .then([socket](Greeted greeted) {
          greeted.socket = socket;
          return greeted;
        });
  });
}

/// Whether a worker that has proved its name may have a link now.
Result<void> LinkServer::Loop::admit(const std::string& name, const LinkHello& worker) {
  TROUPE_TRY(check_node_name(name));
  TROUPE_TRY(check_protocol(worker, name, hello()));
  auto live = live_.find(name);
  if (live != live_.end() && live->second.instance != worker.instance)
    return Error{Errc::conflict, fmt::format("worker {} may not join", name),
                 "another worker is here under this name",
                 "give each worker its own name and its own folder"};
  if (live == live_.end() && live_.size() >= options_.links_max)
    return Error{Errc::exhausted, fmt::format("worker {} may not join", name),
                 fmt::format("{} workers are here; no more are taken", live_.size()),
                 "raise the head's limit, or start a second cluster"};
  return ok();
}

kj::Promise<LinkServer::Loop::Greeted> LinkServer::Loop::answer_link(
    kj::Own<kj::AsyncIoStream> stream, std::string name, const std::string& text) {
  auto worker = parse_link_hello(text);
  if (!worker) return refuse(kj::mv(stream), worker.error());
  if (auto admitted = admit(name, *worker); !admitted)
    return refuse(kj::mv(stream), admitted.error());
  kj::Promise<void> ready = kj::READY_NOW;
  if (auto live = live_.find(name); live != live_.end()) {
    // The same process dials again: it knows better than we do that its old link is dead.
    live->second.end->fulfill();
    ready = io_->provider->getTimer().afterDelay(redial_pause);
  }
  return ready.then(
      [this, stream = kj::mv(stream), name, worker = *worker]() mutable -> kj::Promise<Greeted> {
        if (live_.contains(name))
          return refuse(kj::mv(stream), Error{Errc::conflict, "the old link has not ended yet", "",
                                              "it is tried again"});
        auto said = write_text(*stream, to_json(hello()));
        return said.then([stream = kj::mv(stream), name, worker]() mutable {
          return Greeted{kj::mv(stream), name, worker};
        });
      });
}

kj::Promise<LinkServer::Loop::Greeted> LinkServer::Loop::refuse(kj::Own<kj::AsyncIoStream> stream,
                                                                const Error& error) {
  complain("a worker", error);
  auto said = write_text(*stream, error_json(error));
  return said.then([stream = kj::mv(stream)]() mutable {
    stream->shutdownWrite();
    return Greeted{};
  });
}

kj::Promise<void> LinkServer::Loop::carry(Greeted greeted) {
  auto name = greeted.name;
  if (live_.contains(name)) return kj::READY_NOW;  // two of one name at the same moment
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    KJ_FAIL_SYSCALL("socketpair", errno);
  widen_buffers(pair[0]);
  widen_buffers(pair[1]);
  Link link{++next_number_, name, greeted.hello, UniqueFd{pair[0]}};
  auto number = link.number;
  auto local = io_->lowLevelProvider->wrapSocketFd(
      pair[1],
      kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP | kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC);
  auto identified = [this, name](const std::string& node_id) {
    for (const auto& [other, live] : live_)
      if (other != name && live.node_id == node_id) return false;
    live_.at(name).node_id = node_id;
    return true;
  };
  auto carrier = kj::heap<Carrier>(kj::mv(greeted.stream), kj::mv(local), io_->provider->getTimer(),
                                   FrameGuard{FrameGuard::From::worker}, identified);
  auto end = kj::newPromiseAndFulfiller<void>();
  live_.emplace(
      name, Live{number, greeted.socket, false, greeted.hello.instance, {}, kj::mv(end.fulfiller)});
  events_.on_link(std::move(link));
  auto& carried = *carrier;
  return carried.run()
      .exclusiveJoin(kj::mv(end.promise))
      .then([] { return std::string{"its connection was closed"}; },
            [](kj::Exception&& e) { return cause_of(e); })
      .then([this, name, number, &carried](std::string cause) {
        Error error{Errc::unavailable, fmt::format("the link to {} ended", name), cause, ""};
        if (carried.refusal()) complain(name, error = *carried.refusal());
        live_.erase(name);
        events_.on_end(number, name, error);
      })
      .attach(kj::mv(carrier));
}

void LinkServer::Loop::close(uint64_t number) {
  for (auto& [name, live] : live_)
    if (live.number == number) live.end->fulfill();
}

void LinkServer::Loop::drop(const std::string& worker) {
  if (auto it = live_.find(worker); it != live_.end()) it->second.end->fulfill();
}

LinkHello LinkServer::Loop::hello() const {
  auto hello = options_.hello;
  hello.time_us = options_.clock->now().us;
  return hello;
}

/// One line a second at most: strangers do not fill our disk.
void LinkServer::Loop::complain(const std::string& peer, const Error& error) {
  auto now = io_->provider->getTimer().now();
  if (now - complained_ < 1 * kj::SECONDS && complained_ != kj::origin<kj::TimePoint>()) {
    ++unsaid_;
    return;
  }
  complained_ = now;
  auto more = std::exchange(unsaid_, 0);
  log::warning("cluster", "{}: {}{}", peer, to_string(error),
               more > 0 ? fmt::format(" ({} more since the last line)", more) : "");
}

void LinkServer::Loop::taskFailed(kj::Exception&& exception) {
  log::warning("cluster", "a connection ended: {}", cause_of(exception));
}

}  // namespace troupe::cluster
