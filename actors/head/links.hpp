// The head's side of its links to workers: one actor has them all and gives each worker that has
// proved its name a desk, which is all it can reach of the head.
#pragma once

#include "actors/head/report_audit.hpp"
#include "actors/messages.hpp"

#include <functional>
#include <map>

namespace troupe::actors {

/// Gives who dials on a link its desk.
using ServeDesk = std::function<void(cluster::Link& link, const desk_actor& desk)>;
/// Through CAF's own broker, see link_broker.
ServeDesk serve_through(caf::actor_system& system, caf::actor broker);

struct LinksPeers {
  registry_actor registry;
  director_actor director;
  std::shared_ptr<ReportAudit> audit;
  ServeDesk serve;
};

class LinksState {
 public:
  static inline const char* name = "troupe.links";
  explicit LinksState(links_actor::pointer self) : self_{self} {}
  links_actor::behavior_type make_behavior(LinksPeers peers);

 private:
  links_actor::pointer self_;
  LinksPeers peers_;
  std::map<uint64_t, desk_actor> desks_;  // by link
};

links_actor::behavior_type links_behavior(links_actor::stateful_pointer<LinksState> self,
                                          LinksPeers peers);

/// `worker` as its certificate says.
desk_actor::behavior_type desk_behavior(desk_actor::pointer self, LinksPeers peers,
                                        std::string worker);

}  // namespace troupe::actors
