#include "runtime/cluster/bulk_server.hpp"

#include "runtime/cluster/bulk_asker.hpp"
#include "runtime/cluster/inbox.hpp"
#include "runtime/cluster/kj_text.hpp"
#include "runtime/cluster/tls_context.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>
#include <kj/debug.h>

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
  void drop(const std::string& worker) { peers_.erase(worker); }

  std::thread thread;
  Inbox inbox{10'000};
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
};

void BulkServer::Loop::run(std::promise<Result<void>>& started) {
  auto io = kj::setupAsyncIo();
  io_ = &io;
  auto end = kj::newPromiseAndCrossThreadFulfiller<void>();
  stop = kj::mv(end.fulfiller);
  auto failed = kj::runCatchingExceptions(
      [&] { context_ = make_server_context(options_.authority, options_.identity, true); });
  KJ_IF_MAYBE (exception, failed) {
    started.set_value(Error{Errc::invalid, "no bulk connections can be taken", cause_of(*exception),
                            "are the head's certificates whole?"});
    return;
  }
  started.set_value(ok());
  {
    kj::TaskSet greetings{*this};
    greetings_ = &greetings;
    auto commands = inbox.run().eagerlyEvaluate(nullptr);
    end.promise.wait(io.waitScope);
    inbox.close();  // questions that came meanwhile are answered like the others
    greetings_ = nullptr;
  }
  peers_.clear();
  context_ = nullptr;
}

void BulkServer::Loop::take(UniqueFd fd, bool serves) {
  if (greetings_ == nullptr || greeting_ >= options_.greetings_max) return;
  ++greeting_;
  auto stream = io_->lowLevelProvider->wrapSocketFd(
      fd.release(),
      kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP | kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC);
  keep_alive(*stream);
  auto patience = options_.greeting_patience.count() * kj::MILLISECONDS;
  greetings_->add(io_->provider->getTimer()
                      .timeoutAfter(patience, greet(kj::mv(stream)))
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
  auto worker = parse_link_hello(text);
  auto admitted = options_.admit ? options_.admit(name) : Result<std::string>{name};
  auto good = admitted ? check_node_name(*admitted) : Result<void>{admitted.error()};
  if (good) name = *admitted;
  if (good && !worker) good = worker.error();
  if (good) good = check_protocol(*worker, name, options_.hello);
  auto hello = options_.hello;
  hello.time_us = options_.clock->now().us;
  auto said = write_text(*stream, good ? to_json(hello) : error_json(good.error()));
  return said.then([good = good.has_value(), stream = kj::mv(stream), name]() mutable {
    if (!good) return Greeted{};
    return Greeted{kj::mv(stream), std::move(name)};
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
  std::promise<Result<void>> promise;
  auto started = promise.get_future();
  server->loop_->thread =
      std::thread{[loop = server->loop_.get(), &promise] { loop->run(promise); }};
  if (auto good = started.get(); !good) {
    server->loop_->thread.join();
    return std::move(good).error();
  }
  return server;
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
