#include "runtime/cluster/bulk_server.hpp"

#include "runtime/cluster/bulk_asker.hpp"
#include "runtime/cluster/bulk_lane_threads.hpp"
#include "runtime/cluster/inbox.hpp"
#include "runtime/cluster/kj_text.hpp"
#include "runtime/cluster/loop_thread.hpp"
#include "runtime/cluster/tls_context.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>
#include <kj/debug.h>

#include <fcntl.h>
#include <future>
#include <map>
#include <thread>

namespace troupe::cluster {

namespace {

// On which one worker asks us at once; it opens no more by itself.
constexpr uint32_t askers_max = 16;

}  // namespace

class BulkServer::Loop final : private kj::TaskSet::ErrorHandler {
 public:
  explicit Loop(BulkServerOptions options) : options_{std::move(options)} {}

  void run(std::promise<Result<void>>& started);
  void take(UniqueFd fd, bool serves);
  void ask(const std::string& worker, BulkQuestion question);
  void drop(const std::string& worker) {
    peers_.erase(worker);
    lanes_->drop(worker);
  }

  std::thread thread;
  Inbox inbox{10'000};
  uint16_t port = 0;
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> stop;

 private:
  /// All that there is of one worker.
  struct Peer {
    Peer(const std::string& name, kj::Timer& timer, kj::TaskSet::ErrorHandler& handler)
        : asker{fmt::format("worker {}", name), timer, [] {}}, serving{handler} {}
    BulkAsker asker;
    uint32_t streams = 0;  // on which it asks
    kj::TaskSet serving;
  };
  struct Greeted {
    kj::Own<kj::AsyncIoStream> stream;  // null: nothing more is wanted of it
    std::string name;
  };

  kj::Own<kj::ConnectionReceiver> listen();
  kj::Promise<void> accept(kj::ConnectionReceiver& receiver);
  kj::Promise<Greeted> read_opening(kj::Own<kj::AsyncIoStream> stream);
  bool give_to_thread(kj::AsyncIoStream& stream);
  void begin(kj::Own<kj::AsyncIoStream> stream, bool opened, bool serves);
  kj::Promise<Greeted> greet(kj::Own<kj::AsyncIoStream> stream);
  kj::Promise<Greeted> answer(kj::Own<kj::AsyncIoStream> stream, std::string name,
                              const std::string& text);
  void greeted(Greeted greeted, bool serves);
  kj::Promise<void> serve(BulkStream& stream, std::string name);
  Peer& peer(const std::string& name);
  void taskFailed(kj::Exception&& exception) override {
    log::debug("cluster", "a bulk connection ended: {}", cause_of(exception));
  }

  BulkServerOptions options_;
  std::shared_ptr<FileThreads> threads_ = std::make_shared<FileThreads>();
  kj::AsyncIoContext* io_ = nullptr;
  kj::Own<kj::TlsContext> context_;
  kj::TaskSet* greetings_ = nullptr;
  uint32_t greeting_ = 0;
  std::map<std::string, std::unique_ptr<Peer>> peers_;
  std::unique_ptr<BulkLaneThreads> lanes_;
};

void BulkServer::Loop::run(std::promise<Result<void>>& started) {
  BulkLaneThreadsOptions lanes;
  lanes.authority = options_.authority;
  lanes.identity = options_.identity;
  lanes.hello = options_.hello;
  lanes.clock = options_.clock;
  lanes.open = options_.open;
  lanes.admit = options_.admit;
  lanes.greeting_patience = options_.greeting_patience;
  lanes.threads_max = options_.lane_threads_max;
  lanes.peer_max = askers_max;
  if (auto made = BulkLaneThreads::start(std::move(lanes)); made)
    lanes_ = std::move(*made);
  else
    return started.set_value(std::move(made).error());
  auto io = kj::setupAsyncIo();
  io_ = &io;
  auto end = kj::newPromiseAndCrossThreadFulfiller<void>();
  stop = kj::mv(end.fulfiller);
  kj::Own<kj::ConnectionReceiver> receiver;
  auto failed = kj::runCatchingExceptions([&] {
    context_ = make_server_context(options_.authority, options_.identity, true);
    if (options_.listen) receiver = listen();
  });
  KJ_IF_MAYBE (exception, failed) {
    started.set_value(
        Error{Errc::invalid, "no bulk connections can be taken", cause_of(*exception),
              options_.listen ? "is its port taken?" : "are the head's certificates whole?"});
    return;
  }
  if (receiver.get() != nullptr) port = static_cast<uint16_t>(receiver->getPort());
  started.set_value(ok());
  {
    kj::TaskSet greetings{*this};
    greetings_ = &greetings;
    if (receiver.get() != nullptr) greetings.add(accept(*receiver));
    auto commands = inbox.run().eagerlyEvaluate(nullptr);
    end.promise.wait(io.waitScope);
    inbox.close();  // questions that came meanwhile are answered like the others
    greetings_ = nullptr;
  }
  peers_.clear();
  lanes_.reset();
  context_ = nullptr;
}

kj::Own<kj::ConnectionReceiver> BulkServer::Loop::listen() {
  auto& network = io_->provider->getNetwork();
  auto open = [&](uint16_t wanted) {
    return network.parseAddress(options_.listen->bind.c_str(), wanted)
        .wait(io_->waitScope)
        ->listen();
  };
  if (options_.listen->insists) return open(options_.listen->port);
  kj::Own<kj::ConnectionReceiver> receiver;
  auto failed = kj::runCatchingExceptions([&] { receiver = open(options_.listen->port); });
  return failed == nullptr ? kj::mv(receiver) : open(0);
}

kj::Promise<void> BulkServer::Loop::accept(kj::ConnectionReceiver& receiver) {
  return receiver.accept().then([this, &receiver](kj::Own<kj::AsyncIoStream> stream) {
    begin(kj::mv(stream), false, false);
    return accept(receiver);
  });
}

/// Only questions are taken on a port of our own: nobody waits there to be asked.
kj::Promise<BulkServer::Loop::Greeted> BulkServer::Loop::read_opening(
    kj::Own<kj::AsyncIoStream> stream) {
  auto opening = kj::heapArray<char>(bulk_ask_opening.size());
  auto read = stream->tryRead(opening.begin(), opening.size(), opening.size());
  return read.then([this, stream = kj::mv(stream),
                    opening = kj::mv(opening)](size_t count) mutable -> kj::Promise<Greeted> {
    if (std::string_view{opening.begin(), count} != bulk_ask_opening) return Greeted{};
    if (give_to_thread(*stream)) return Greeted{};
    return greet(kj::mv(stream));
  });
}

/// What is left of the stream then is only a second descriptor.
bool BulkServer::Loop::give_to_thread(kj::AsyncIoStream& stream) {
  KJ_IF_MAYBE (fd, stream.getFd()) {
    UniqueFd second{::fcntl(*fd, F_DUPFD_CLOEXEC, 0)};
    return second && lanes_->take(second);
  }
  return false;
}

void BulkServer::Loop::take(UniqueFd fd, bool serves) {
  if (!serves && lanes_->take(fd)) return;
  begin(io_->lowLevelProvider->wrapSocketFd(fd.release(),
                                            kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP |
                                                kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC),
        true, serves);
}

void BulkServer::Loop::begin(kj::Own<kj::AsyncIoStream> stream, bool opened, bool serves) {
  if (greetings_ == nullptr || greeting_ >= options_.greetings_max) return;
  ++greeting_;
  keep_alive(*stream);
  auto patience = options_.greeting_patience.count() * kj::MILLISECONDS;
  auto came = opened ? greet(kj::mv(stream)) : read_opening(kj::mv(stream));
  greetings_->add(io_->provider->getTimer()
                      .timeoutAfter(patience, kj::mv(came))
                      .then([this, serves](Greeted done) { greeted(kj::mv(done), serves); })
                      .attach(kj::defer([this] { --greeting_; })));
}

kj::Promise<BulkServer::Loop::Greeted> BulkServer::Loop::greet(kj::Own<kj::AsyncIoStream> stream) {
  kj::AuthenticatedStream bare{kj::mv(stream), kj::UnknownPeerIdentity::newInstance()};
  return context_->wrapServer(kj::mv(bare)).then([this](kj::AuthenticatedStream secure) {
    auto name = peer_name(secure);
    auto read = read_text(*secure.stream, greeting_bytes_max);
    return read.then([this, stream = kj::mv(secure.stream), name](std::string text) mutable {
      return answer(kj::mv(stream), std::move(name), text);
    });
  });
}

kj::Promise<BulkServer::Loop::Greeted> BulkServer::Loop::answer(kj::Own<kj::AsyncIoStream> stream,
                                                                std::string name,
                                                                const std::string& text) {
  auto admitted = admit_worker(options_.admit, name, text, options_.hello);
  auto hello = options_.hello;
  hello.time_us = options_.clock->now().us;
  auto said = write_text(*stream, admitted ? to_json(hello) : error_json(admitted.error()));
  return said.then([admitted, stream = kj::mv(stream)]() mutable {
    if (!admitted) return Greeted{};
    return Greeted{kj::mv(stream), *admitted};
  });
}

void BulkServer::Loop::greeted(Greeted greeted, bool serves) {
  if (greeted.stream.get() == nullptr) return;
  auto& from = peer(greeted.name);
  auto stream =
      std::make_unique<BulkStream>(kj::mv(greeted.stream), io_->provider->getTimer(), threads_);
  if (serves) return from.asker.offer(std::move(stream));
  if (from.streams >= askers_max) return;
  ++from.streams;
  auto& asked = *stream;
  from.serving.add(
      serve(asked, greeted.name).attach(kj::defer([&from] { --from.streams; }), std::move(stream)));
}

kj::Promise<void> BulkServer::Loop::serve(BulkStream& stream, std::string name) {
  return stream.await_request().then([this, &stream, name](bool came) -> kj::Promise<void> {
    if (!came) return kj::READY_NOW;
    return stream.answer(options_.open, name).then([this, &stream, name] {
      return serve(stream, name);
    });
  });
}

BulkServer::Loop::Peer& BulkServer::Loop::peer(const std::string& name) {
  auto& found = peers_[name];
  kj::TaskSet::ErrorHandler& handler = *this;
  if (!found) found = std::make_unique<Peer>(name, io_->provider->getTimer(), handler);
  return *found;
}

void BulkServer::Loop::ask(const std::string& worker, BulkQuestion question) {
  peer(worker).asker.ask(std::move(question));
}

BulkServer::BulkServer() = default;

BulkServer::~BulkServer() {
  stop();
}

Result<std::unique_ptr<BulkServer>> BulkServer::start(BulkServerOptions options) {
  std::unique_ptr<BulkServer> server{new BulkServer};
  server->loop_ = std::make_unique<Loop>(std::move(options));
  TROUPE_TRY(start_thread(*server->loop_));
  return server;
}

uint16_t BulkServer::port() const {
  return loop_->port;
}

void BulkServer::take(UniqueFd fd, bool serves) {
  auto shared = std::make_shared<UniqueFd>(std::move(fd));
  (void)loop_->inbox.post(
      [loop = loop_.get(), shared, serves] { loop->take(std::move(*shared), serves); });
}

void BulkServer::ask(const std::string& worker, BulkQuestion question) {
  auto shared = std::make_shared<BulkQuestion>(std::move(question));
  bool posted = loop_->inbox.post(
      [loop = loop_.get(), worker, shared] { loop->ask(worker, std::move(*shared)); });
  if (!posted) shared->done(bulk_too_busy(shared->request));
}

void BulkServer::drop(const std::string& worker) {
  (void)loop_->inbox.post([loop = loop_.get(), worker] { loop->drop(worker); });
}

void BulkServer::stop() {
  if (!loop_ || !loop_->thread.joinable()) return;
  loop_->stop->fulfill();
  loop_->thread.join();
}

}  // namespace troupe::cluster
