#include "runtime/cluster/link_client.hpp"

#include "runtime/cluster/carrier.hpp"
#include "runtime/cluster/dial.hpp"
#include "runtime/cluster/inbox.hpp"
#include "runtime/cluster/kj_text.hpp"
#include "runtime/core/log.hpp"

#include <kj/debug.h>

#include <future>
#include <random>
#include <sys/socket.h>
#include <thread>

namespace troupe::cluster {

namespace {

constexpr auto connect_patience = 2 * kj::SECONDS;
// Both the greeting and the head's first frame, which its actors may be late with under load.
constexpr auto greeting_patience = 5 * kj::SECONDS;
// A link that held so long was a good one: the next is dialled without a long pause.
constexpr auto good_after = 5 * kj::SECONDS;
// CAF may still be handing on the old link's last messages.
constexpr auto redial_least = 100 * kj::MILLISECONDS;

}  // namespace

class LinkClient::Loop {
 public:
  Loop(LinkClientOptions options, LinkClientEvents events)
      : options_{std::move(options)}, events_{std::move(events)}, random_{std::random_device{}()} {}

  void run(std::promise<void>& started) {
    auto io = kj::setupAsyncIo();
    io_ = &io;
    auto end = kj::newPromiseAndCrossThreadFulfiller<void>();
    stop = kj::mv(end.fulfiller);
    started.set_value();
    {
      auto commands = inbox.run().eagerlyEvaluate(nullptr);
      auto links = keep_linked().eagerlyEvaluate([](kj::Exception&& e) {
        log::error("cluster", "dialling ended: {}", e.getDescription().cStr());
      });
      end.promise.wait(io.waitScope);
    }
    end_ = nullptr;
    context_ = nullptr;
  }

  void hang_up() {
    if (end_.get() != nullptr) end_->fulfill();
  }

  std::thread thread;
  Inbox inbox{1000};
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> stop;

 private:
  /// Without a carrier the head said no. (A promise of a null Own would count as broken.)
  struct Dialled {
    kj::Own<Carrier> carrier;
  };

  kj::Timer& timer() { return io_->provider->getTimer(); }

  kj::Promise<void> keep_linked() {
    auto began = timer().now();
    return link_once()
        .then([] { return std::optional<Error>{}; },
              [this](kj::Exception&& e) {
                return std::optional<Error>{dial_error(options_.head, e)};
              })
        .then([this, began](std::optional<Error> error) {
          if (refusal_) error = std::exchange(refusal_, std::nullopt);
          events_.on_end(error.value_or(
              Error{Errc::unavailable, "the link to the head ended", "it was closed", ""}));
          if (timer().now() - began > good_after) pause_ = options_.redial_first;
          std::uniform_int_distribution<int64_t> jitter{pause_.count() / 2, pause_.count()};
          auto pause = jitter(random_) * kj::MILLISECONDS;
          pause_ = std::min(pause_ * 2, options_.redial_max);
          return timer().afterDelay(pause < redial_least ? redial_least : pause);
        })
        .then([this] { return keep_linked(); });
  }

  kj::Promise<void> link_once() {
    if (context_.get() == nullptr)
      context_ = make_client_context(options_.joined.authority, &options_.joined.identity);
    return timer()
        .timeoutAfter(connect_patience,
                      open_connection(*io_->provider, options_.head, link_opening))
        .then([this](kj::Own<kj::AsyncIoStream> stream) {
          return timer().timeoutAfter(greeting_patience, greet(kj::mv(stream)));
        })
        .then([this](Dialled dialled) -> kj::Promise<void> {
          auto carrier = kj::mv(dialled.carrier);
          if (carrier.get() == nullptr) return kj::READY_NOW;
          auto end = kj::newPromiseAndFulfiller<void>();
          end_ = kj::mv(end.fulfiller);
          events_.on_link(std::move(caf_end_), head_);
          auto& carried = *carrier;
          return carried.run()
              .exclusiveJoin(kj::mv(end.promise))
              .then([this, &carried] { refusal_ = carried.refusal(); })
              .attach(kj::mv(carrier));
        });
  }

  kj::Promise<Dialled> greet(kj::Own<kj::AsyncIoStream> stream) {
    return context_->wrapClient(kj::mv(stream), kj::StringPtr{"head"})
        .then([this](kj::Own<kj::AsyncIoStream> secure) {
          auto hello = options_.hello;
          hello.time_us = options_.clock->now().us;
          auto said = write_text(*secure, to_json(hello));
          return said.then([this, secure = kj::mv(secure)]() mutable {
            auto read = read_text(*secure, greeting_bytes_max);
            return read.then([this, secure = kj::mv(secure)](std::string text) mutable {
              return greeted(kj::mv(secure), text);
            });
          });
        });
  }

  /// The head has answered. CAF is to find its first bytes: a link that says nothing is cut by the
  /// next heartbeat.
  kj::Promise<Dialled> greeted(kj::Own<kj::AsyncIoStream> secure, const std::string& text) {
    auto head = parse_link_hello(text);
    if (!head) {
      refusal_ = head.error();
      return Dialled{};
    }
    head_ = *head;
    auto first = kj::heapArray<char>(4096);
    auto read = secure->tryRead(first.begin(), 1, first.size());
    return read.then([this, secure = kj::mv(secure), first = kj::mv(first)](size_t count) mutable {
      KJ_REQUIRE(count > 0, "it hung up");
      int pair[2];
      KJ_SYSCALL(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
      widen_buffers(pair[0]);
      widen_buffers(pair[1]);
      caf_end_ = UniqueFd{pair[0]};
      auto local = io_->lowLevelProvider->wrapSocketFd(
          pair[1], kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP |
                       kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC);
      auto carrier = kj::heap<Carrier>(kj::mv(secure), kj::mv(local), timer(),
                                       FrameGuard{FrameGuard::From::head}, Carrier::Identified{});
      if (auto begun = carrier->begin_with({first.begin(), count}); !begun) {
        refusal_ = begun.error();
        return kj::Promise<Dialled>{Dialled{}};
      }
      auto written = carrier->flush();
      return written.then(
          [carrier = kj::mv(carrier)]() mutable { return Dialled{kj::mv(carrier)}; });
    });
  }

  LinkClientOptions options_;
  LinkClientEvents events_;
  kj::AsyncIoContext* io_ = nullptr;
  kj::Own<kj::TlsContext> context_;
  kj::Own<kj::PromiseFulfiller<void>> end_;
  UniqueFd caf_end_;
  LinkHello head_;
  std::optional<Error> refusal_;
  std::mt19937 random_;  // for jitter alone
  std::chrono::milliseconds pause_ = options_.redial_first;
};

LinkClient::LinkClient() = default;

LinkClient::~LinkClient() {
  stop();
}

std::unique_ptr<LinkClient> LinkClient::start(LinkClientOptions options, LinkClientEvents events) {
  std::unique_ptr<LinkClient> client{new LinkClient};
  client->loop_ = std::make_unique<Loop>(std::move(options), std::move(events));
  std::promise<void> promise;
  auto started = promise.get_future();
  client->loop_->thread =
      std::thread{[loop = client->loop_.get(), &promise] { loop->run(promise); }};
  started.wait();
  return client;
}

void LinkClient::hang_up() {
  (void)loop_->inbox.post([loop = loop_.get()] { loop->hang_up(); });
}

void LinkClient::stop() {
  if (!loop_ || !loop_->thread.joinable()) return;
  loop_->stop->fulfill();
  loop_->thread.join();
}

}  // namespace troupe::cluster
