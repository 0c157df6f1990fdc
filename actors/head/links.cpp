#include "actors/head/links.hpp"

#include "actors/head/report_check.hpp"
#include "runtime/cluster/caf_link.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

namespace troupe::actors {

links_actor::behavior_type LinksState::make_behavior(LinksPeers peers) {
  peers_ = std::move(peers);
  return {
      [this](linked_atom, const LinkRef& link) {
        auto desk = self_->spawn(desk_behavior, peers_, link->name);
        peers_.serve(*link, desk);
        desks_.emplace(link->number, std::move(desk));
      },
      [this](unlinked_atom, uint64_t number, const std::string& worker, const std::string& cause) {
        auto desk = desks_.extract(number);
        if (desk) self_->send_exit(desk.mapped(), caf::exit_reason::user_shutdown);
        self_->send(peers_.registry, unlinked_atom_v, worker, cause);
      },
      [this](silent_atom, const std::string& worker, bool silent) {
        self_->send(peers_.registry, silent_atom_v, worker, silent);
      },
      [this](leave_atom) {
        for (const auto& [number, desk] : desks_)
          self_->send_exit(desk, caf::exit_reason::user_shutdown);
        desks_.clear();
        self_->quit();
      },
  };
}

ServeDesk serve_through(caf::actor_system& system, caf::actor broker) {
  return [&system, broker = std::move(broker)](cluster::Link& link, const desk_actor& desk) {
    cluster::serve_link(system, broker, std::move(link.fd), desk);
  };
}

links_actor::behavior_type links_behavior(links_actor::stateful_pointer<LinksState> self,
                                          LinksPeers peers) {
  return self->state.make_behavior(std::move(peers));
}

desk_actor::behavior_type desk_behavior(desk_actor::pointer self, LinksPeers peers,
                                        std::string worker) {
  return {
      [self, peers, worker](hello_atom, const NodeHello& hello,
                            const node_actor& node) -> caf::result<NodeWelcome> {
        // A handle can name any actor of any node: only the worker's own is good.
        bool its_own = node && self->current_sender() &&
                       node.node() == self->current_sender()->node() && node.node() != self->node();
        if (hello.name != worker || !its_own)
          return to_caf(Error{Errc::refused, fmt::format("worker {} may not join", worker),
                              hello.name != worker ? fmt::format("it calls itself {}", hello.name)
                                                   : "it speaks for an actor that is not its own",
                              "its certificate names it; start it with that name"});
        for (const auto& job : hello.jobs)
          if (auto good = check_plausible(job); !good) {
            peers.audit->refused(worker, good.error());
            return to_caf(good.error());
          }
        if (auto good = check_plausible(hello); !good) {
          peers.audit->refused(worker, good.error());
          return to_caf(good.error());
        }
        auto checked = hello;
        checked.accepts = true;
        return self->delegate(peers.registry, hello_atom_v, std::move(checked), node);
      },
      [self, peers, worker](stuck_atom, const std::string&, const std::string& what) {
        constexpr size_t text_max = 4096;
        self->send(peers.registry, stuck_atom_v, worker, what.substr(0, text_max));
      },
      [self, peers, worker](cache_atom, const std::string&, const CacheReport& report) {
        if (auto good = check_plausible(report); !good)
          return peers.audit->refused(worker, good.error());
        self->send(peers.registry, cache_atom_v, worker, report);
      },
      [self, peers, worker](devices_atom, const std::string&, const GpuReport& report) {
        if (auto good = check_plausible(report); !good)
          return peers.audit->refused(worker, good.error());
        self->send(peers.registry, devices_atom_v, worker, report);
      },
      [self, peers, worker](update_atom, const JobUpdate& update) {
        if (auto good = check_plausible(update); !good)
          return peers.audit->refused(worker, good.error());
        self->send(peers.director, update_atom_v, worker, update);
      },
      [self, peers, worker](metrics_atom, const MetricBatch& batch) {
        if (auto good = check_plausible(batch); !good)
          return peers.audit->refused(worker, good.error());
        self->send(peers.director, metrics_atom_v, worker, batch);
      },
      [self, peers, worker](beat_atom, uint64_t) {
        // The registry's answer, not ours: one that it gave up gets none that renews a lease.
        auto promise = self->make_response_promise<bool>();
        self->request(peers.registry, limits::request_timeout, beat_atom_v, worker)
            .then([promise](bool counts) mutable { promise.deliver(counts); },
                  [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
        return promise;
      },
      [self, peers, worker](goodbye_atom) {
        self->send(peers.registry, goodbye_atom_v, worker);
        return true;
      },
  };
}

}  // namespace troupe::actors
