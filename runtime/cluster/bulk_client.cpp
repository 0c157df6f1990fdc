#include "runtime/cluster/bulk_client.hpp"

#include "runtime/cluster/bulk_asker.hpp"
#include "runtime/cluster/dial.hpp"
#include "runtime/cluster/inbox.hpp"
#include "runtime/cluster/kj_text.hpp"
#include "runtime/core/log.hpp"

#include <kj/debug.h>

#include <future>
#include <thread>

namespace troupe::cluster {

namespace {

constexpr auto dial_patience = 7 * kj::SECONDS;
constexpr auto redial_after = 500 * kj::MILLISECONDS;
// On which we ask; code comes one snapshot after the other.
constexpr size_t asking_max = 4;

}  // namespace

class BulkClient::Loop final : private kj::TaskSet::ErrorHandler {
 public:
  explicit Loop(BulkClientOptions options) : options_{std::move(options)} {}

  void run(std::promise<void>& started);
  void linked(bool there);
  void ask(BulkQuestion question);

  std::thread thread;
  Inbox inbox{10'000};
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> stop;

 private:
  kj::Timer& timer() { return io_->provider->getTimer(); }
  kj::Promise<std::unique_ptr<BulkStream>> dial(std::string_view opening);
  kj::Promise<kj::Own<kj::AsyncIoStream>> greet(kj::Own<kj::AsyncIoStream> stream);
  void add_lane();
  kj::Promise<void> serve(BulkStream& stream);
  kj::Promise<bool> await_request(BulkStream& stream);
  void lane_ended();
  void dial_to_ask();
  void taskFailed(kj::Exception&& exception) override {
    log::debug("cluster", "a bulk connection ended: {}", cause_of(exception));
  }

  BulkClientOptions options_;
  std::shared_ptr<FileThreads> threads_ = std::make_shared<FileThreads>();
  kj::AsyncIoContext* io_ = nullptr;
  kj::Own<kj::TlsContext> context_;
  std::unique_ptr<BulkAsker> asker_;
  std::unique_ptr<kj::TaskSet> tasks_;  // of the link there is
  bool linked_ = false;
  uint32_t lanes_ = 0, idle_ = 0;
  size_t dialling_ = 0;
};

void BulkClient::Loop::run(std::promise<void>& started) {
  auto io = kj::setupAsyncIo();
  io_ = &io;
  auto end = kj::newPromiseAndCrossThreadFulfiller<void>();
  stop = kj::mv(end.fulfiller);
  context_ = make_client_context(options_.joined.authority, &options_.joined.identity);
  auto peer = options_.peer == head_name ? std::string{"the head"} : "worker " + options_.peer;
  asker_ = std::make_unique<BulkAsker>(peer, timer(), [this] { dial_to_ask(); });
  started.set_value();
  {
    auto commands = inbox.run().eagerlyEvaluate(nullptr);
    end.promise.wait(io.waitScope);
    inbox.close();  // questions that came meanwhile are answered like the others
  }
  tasks_.reset();
  asker_.reset();
  context_ = nullptr;
}

void BulkClient::Loop::linked(bool there) {
  if (linked_ == there) return;
  linked_ = there;
  // What was dialled before belongs to a head that may be gone.
  tasks_.reset();
  lanes_ = idle_ = 0;
  dialling_ = 0;
  if (!there) return;
  kj::TaskSet::ErrorHandler& handler = *this;
  tasks_ = std::make_unique<kj::TaskSet>(handler);
  if (options_.lanes_max > 0) add_lane();
  if (asker_->anybody_waits()) dial_to_ask();
}

kj::Promise<std::unique_ptr<BulkStream>> BulkClient::Loop::dial(std::string_view opening) {
  auto connected = open_connection(*io_->provider, options_.head, opening)
                       .then([this](kj::Own<kj::AsyncIoStream> stream) {
                         keep_alive(*stream);
                         return greet(kj::mv(stream));
                       });
  return timer()
      .timeoutAfter(dial_patience, kj::mv(connected))
      .then([this](kj::Own<kj::AsyncIoStream> secure) {
        return std::make_unique<BulkStream>(kj::mv(secure), timer(), threads_);
      });
}

kj::Promise<kj::Own<kj::AsyncIoStream>> BulkClient::Loop::greet(kj::Own<kj::AsyncIoStream> stream) {
  return context_->wrapClient(kj::mv(stream), kj::StringPtr{options_.peer.c_str()})
      .then([this](kj::Own<kj::AsyncIoStream> secure) {
        auto hello = options_.hello;
        hello.time_us = options_.clock->now().us;
        auto said = write_text(*secure, to_json(hello));
        return said.then([secure = kj::mv(secure)]() mutable {
          auto read = read_text(*secure, greeting_bytes_max);
          return read.then([secure = kj::mv(secure)](std::string text) mutable {
            auto head = parse_link_hello(text);
            KJ_REQUIRE(head.has_value(), "it was refused");
            return kj::mv(secure);
          });
        });
      });
}

/// Dials one more connection for the head's questions and serves it until it ends.
void BulkClient::Loop::add_lane() {
  ++lanes_;
  ++idle_;
  tasks_->add(dial(bulk_serve_opening)
                  .then([this](std::unique_ptr<BulkStream> stream) {
                    auto& served = *stream;
                    return serve(served).attach(std::move(stream));
                  })
                  .then([this] { lane_ended(); },
                        [this](kj::Exception&& e) {
                          taskFailed(kj::mv(e));
                          lane_ended();
                        }));
}

kj::Promise<bool> BulkClient::Loop::await_request(BulkStream& stream) {
  auto came = stream.await_request();
  if (lanes_ == 1) return came;
  auto idle = timer().afterDelay(options_.lane_idle_max.count() * kj::MILLISECONDS);
  return came.exclusiveJoin(idle.then([] { return false; }));
}

kj::Promise<void> BulkClient::Loop::serve(BulkStream& stream) {
  return await_request(stream).then([this, &stream](bool came) -> kj::Promise<void> {
    if (!came) return kj::READY_NOW;
    --idle_;
    if (idle_ == 0 && lanes_ < options_.lanes_max) add_lane();
    return stream.answer(options_.open, "head")
        .then([]() -> kj::Promise<void> { return kj::READY_NOW; },
              [this](kj::Exception&& e) -> kj::Promise<void> {
                ++idle_;  // as a lane that ends while it waits
                return kj::mv(e);
              })
        .then([this, &stream] {
          ++idle_;
          return serve(stream);
        });
  });
}

void BulkClient::Loop::lane_ended() {
  --lanes_;
  --idle_;
  if (idle_ > 0 || lanes_ >= options_.lanes_max) return;
  // There is always one; it is dialled for as long as there is a link.
  tasks_->add(timer().afterDelay(redial_after).then([this] {
    if (idle_ == 0 && lanes_ < options_.lanes_max) add_lane();
  }));
}

void BulkClient::Loop::dial_to_ask() {
  if (!tasks_ || asker_->streams() + dialling_ >= asking_max) return;
  ++dialling_;
  tasks_->add(dial(bulk_ask_opening)
                  .then(
                      [this](std::unique_ptr<BulkStream> stream) -> kj::Promise<void> {
                        --dialling_;
                        asker_->offer(std::move(stream));
                        return kj::READY_NOW;
                      },
                      [this](kj::Exception&& e) -> kj::Promise<void> {
                        taskFailed(kj::mv(e));
                        return timer().afterDelay(redial_after).then([this] {
                          --dialling_;
                          if (asker_->anybody_waits()) dial_to_ask();
                        });
                      }));
}

void BulkClient::Loop::ask(BulkQuestion question) {
  asker_->ask(std::move(question));
}

BulkClient::BulkClient() = default;

BulkClient::~BulkClient() {
  stop();
}

std::unique_ptr<BulkClient> BulkClient::start(BulkClientOptions options) {
  std::unique_ptr<BulkClient> client{new BulkClient};
  client->loop_ = std::make_unique<Loop>(std::move(options));
  std::promise<void> promise;
  auto started = promise.get_future();
  client->loop_->thread =
      std::thread{[loop = client->loop_.get(), &promise] { loop->run(promise); }};
  started.wait();
  return client;
}

void BulkClient::linked(bool there) {
  (void)loop_->inbox.post([loop = loop_.get(), there] { loop->linked(there); });
}

void BulkClient::ask(BulkQuestion question) {
  auto shared = std::make_shared<BulkQuestion>(std::move(question));
  bool posted = loop_->inbox.post([loop = loop_.get(), shared] { loop->ask(std::move(*shared)); });
  if (!posted) shared->done(bulk_too_busy(shared->request));
}

void BulkClient::stop() {
  if (!loop_ || !loop_->thread.joinable()) return;
  loop_->stop->fulfill();
  loop_->thread.join();
}

}  // namespace troupe::cluster
