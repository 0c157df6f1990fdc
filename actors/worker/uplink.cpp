#include "actors/worker/uplink.hpp"

#include "runtime/cluster/caf_link.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

// The head's handshake is there before this is asked; what is left is a moment of CAF's thread.
constexpr auto dial_timeout = std::chrono::seconds{5};
constexpr auto goodbye_timeout = std::chrono::seconds{1};
constexpr uint32_t beat_ms_min = 100;

caf::error away() {
  return to_caf(Error{Errc::unavailable, "the head cannot be reached", "there is no link to it now",
                      "it is tried again"});
}

}  // namespace

uplink_actor::behavior_type UplinkState::make_behavior(UplinkPeers peers) {
  peers_ = std::move(peers);
  self_->set_down_handler([this](caf::down_msg& message) {
    if (!desk_ || message.source != desk_.address()) return;
    unlinked();
    peers_.hang_up();  // CAF has given it up; so does the carrier
  });
  return {
      [this](hello_atom, const NodeHello& node, const node_actor& handle) {
        return hello(node, handle);
      },
      [this](stuck_atom, const std::string& node, const std::string& what) {
        if (desk_) self_->send(desk_, stuck_atom_v, node, what);
      },
      [this](cache_atom, const std::string& node, const CacheReport& report) {
        if (desk_) self_->send(desk_, cache_atom_v, node, report);
      },
      [this](devices_atom, const std::string& node, const GpuReport& report) {
        if (desk_) self_->send(desk_, devices_atom_v, node, report);
      },
      [this](update_atom, const JobUpdate& update) {
        if (desk_ && update.link == link_) self_->send(desk_, update_atom_v, update);
      },
      [this](metrics_atom, const MetricBatch& batch) {
        if (desk_ && batch.link == link_) self_->send(desk_, metrics_atom_v, batch);
      },
      [this](attach_atom, const node_actor& node) { node_ = node; },
      [this](linked_atom, const HeadLinkRef& link) { linked(*link); },
      [this](unlinked_atom) { unlinked(); },
      [this](tick_atom, uint64_t link) { beat(link); },
      [this](leave_atom) { leave(); },
  };
}

void UplinkState::linked(HeadLink& link) {
  unlinked();
  auto skew = cluster::skew_text(peers_.clock->now().us, link.head.time_us);
  if (!skew.empty() && !std::exchange(told_skew_, true))
    log::warning("worker", "this machine's clock is {} of the head's", skew);
  auto mine = ++link_;
  DeskAnswer answer;
  answer.linked = [this, mine, url = link.head.url](desk_actor desk) {
    if (mine != link_) return;
    desk_ = std::move(desk);
    self_->monitor(desk_);
    if (node_) self_->send(node_, linked_atom_v, url);
    beat(mine);
  };
  answer.failed = [this, mine](caf::error& e) {
    if (mine != link_) return;
    log::warning("worker", "{}", to_string(from_caf(e, "the link to the head")));
    peers_.hang_up();
  };
  peers_.dial(self_, link, std::move(answer));
}

void UplinkState::unlinked() {
  ++link_;
  if (!desk_) return;
  self_->demonitor(desk_.address());
  destroy(desk_);
}

void UplinkState::beat(uint64_t link) {
  if (link != link_ || !desk_) return;
  auto sent = peers_.clock->monotonic().count();
  self_->request(desk_, limits::request_timeout, beat_atom_v, ++beats_)
      .then(
          [this, sent, link](bool counts) {
            // Before the welcome the node may have jobs that the head does not want any more.
            if (counts && node_ && link == link_ && peers_.welcomed->load() == link)
              self_->send(node_, lease_atom_v, sent);
          },
          [](caf::error&) {});
  self_->delayed_send(self_, beat_every_, tick_atom_v, link);
}

caf::typed_response_promise<NodeWelcome> UplinkState::hello(const NodeHello& hello,
                                                            const node_actor& node) {
  auto promise = self_->make_response_promise<NodeWelcome>();
  if (!desk_) {
    promise.deliver(away());
    return promise;
  }
  self_->request(desk_, limits::request_timeout, hello_atom_v, hello, node)
      .then(
          [this, promise, mine = link_](NodeWelcome& welcome) mutable {
            // Of an older link it says nothing about what the head has heard on this one.
            if (mine != link_) {
              promise.deliver(away());
              return;
            }
            peers_.welcomed->store(mine);
            beat_every_ = std::chrono::milliseconds{std::max(beat_ms_min, welcome.beat_ms)};
            promise.deliver(std::move(welcome));
          },
          [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
  return promise;
}

void UplinkState::leave() {
  if (!desk_) return self_->quit();
  self_->request(desk_, goodbye_timeout, goodbye_atom_v)
      .then([this](bool) { self_->quit(); }, [this](caf::error&) { self_->quit(); });
}

template <class T, class... Ts>
caf::result<T> UplinkState::ask(std::chrono::seconds timeout, Ts... question) {
  if (!desk_) return away();
  auto promise = self_->make_response_promise<T>();
  self_->request(desk_, timeout, std::move(question)...)
      .then([promise](T& answer) mutable { promise.deliver(std::move(answer)); },
            [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
  return promise;
}

DialDesk dial_through(caf::actor broker) {
  return
      [broker = std::move(broker)](uplink_actor::pointer self, HeadLink& link, DeskAnswer answer) {
        cluster::dial_link<desk_actor>(self, broker, std::move(link.fd), dial_timeout,
                                       std::move(answer.linked), std::move(answer.failed));
      };
}

uplink_actor::behavior_type uplink_behavior(uplink_actor::stateful_pointer<UplinkState> self,
                                            UplinkPeers peers) {
  return self->state.make_behavior(std::move(peers));
}

}  // namespace troupe::actors
