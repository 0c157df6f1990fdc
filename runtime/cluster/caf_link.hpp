// CAF's side of a link: CAF neither listens nor dials; it is given one end of a socketpair, and a
// carrier moves the bytes between the other end and the network. Any thread may call these; none
// blocks.
#pragma once

#include "runtime/core/fd.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <cstdint>

namespace troupe::cluster {

/// The actor that speaks CAF's protocol. Ask once and pass it on.
caf::actor link_broker(caf::actor_system& system);

/// Wraps CAF's end of a link. The broker takes it with connect_atom or publish_atom.
caf::io::scribe_ptr make_scribe(caf::actor_system& system, UniqueFd fd);

// One link has one port; the number is as good as any.
inline constexpr uint16_t link_port = 1;

/// The head's side: who dials is given `whom`.
template <class Handle>
void serve_link(caf::actor_system& system, const caf::actor& broker, UniqueFd fd,
                const Handle& whom) {
  caf::anon_send(broker, caf::publish_atom_v, make_scribe(system, std::move(fd)), link_port,
                 caf::actor_cast<caf::strong_actor_ptr>(whom), system.message_types(whom));
}

/// The worker's side. `self` asks, and goes on with `linked(Handle)` or `failed(caf::error)`. The
/// head's first bytes must be in the socketpair before: a link that says nothing is cut by the next
/// heartbeat.
template <class Handle, class Self, class Linked, class Failed>
void dial_link(Self* self, const caf::actor& broker, UniqueFd fd, std::chrono::seconds timeout,
               Linked linked, Failed failed) {
  auto& system = self->home_system();
  self->request(broker, timeout, caf::connect_atom_v, make_scribe(system, std::move(fd)), link_port)
      .then(
          [&system, linked, failed](caf::node_id&, caf::strong_actor_ptr& actor,
                                    std::set<std::string>& signatures) mutable {
            auto wanted = system.message_types(caf::detail::type_list<Handle>{});
            if (!actor || !system.assignable(signatures, wanted)) {
              caf::error error = caf::sec::unexpected_actor_messaging_interface;
              return failed(error);
            }
            linked(caf::actor_cast<Handle>(actor));
          },
          [failed](caf::error& e) mutable { failed(e); });
}

}  // namespace troupe::cluster
