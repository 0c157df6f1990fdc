// The registry: which nodes exist, what they have, whether they live. It introduces nodes to the
// director and tells it when one is lost.
//
//   up ──link ended, or silent for 3 s──> suspect ──10 s without a sign──> lost
//    ^────── a sign of life, or hello ──────┘   <────────── hello ───────────┘
//
// A suspect node gets nothing new, and what it runs goes on: links break more often than machines.
// Only when it is lost its jobs count as lost. Where its machine does not even acknowledge what it
// is sent, and most others do, 7 s are enough: that is no worker that hangs or is being replaced.
// (The times can be set, see NodeRules.) A node by whose fault several experiments failed is
// drained. Nodes in this process have no link; they are lost at once.
#pragma once

#include "actors/head/head_context.hpp"
#include "actors/head/standstill.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>

namespace troupe::actors {

struct RegistryPeers {
  director_actor director;
  scheduler_actor scheduler;
  ledger_actor ledger;
};

class RegistryState {
 public:
  static inline const char* name = "troupe.registry";
  explicit RegistryState(registry_actor::pointer self) : self_{self} {}
  registry_actor::behavior_type make_behavior(HeadContextRef context, RegistryPeers peers);

 private:
  enum class Life { up, suspect, lost };
  /// What was decided about a node; outlives the head.
  struct Wish {
    bool drained = false;
    std::map<std::string, std::string> labels;
    NodeFailures failures;    // not theirs, but theirs to forgive
    bool distrusted = false;  // the head drained it for these
  };
  struct Node {
    node_actor handle;
    NodeHello hello;
    Timestamp joined;
    Life life = Life::up;
    bool linked = true;           // its handle lives
    bool machine_silent = false;  // as its last link saw it
    std::string reason;           // why it is not up
    std::string stuck;            // what there cannot be killed; empty: nothing
    bool stuck_accepted = false;  // by people, who use the node all the same
    std::chrono::nanoseconds seen{0};
    std::optional<int64_t> clock_ahead_ms;  // of ours, when it said hello
    Wish wish;
  };

  caf::result<NodeWelcome> hello(const NodeHello& hello, const node_actor& handle);
  void down(const caf::actor_addr& address);
  void suspect(const std::string& name, Node& node, const std::string& reason);
  void lose(const std::string& name, Node& node);
  void look();
  bool most_machines_answer() const;
  bool beat(const std::string& name);
  void tell_scheduler(const Node& node);
  void take_failures();
  bool can_spare(const Node& node) const;
  void fill(api::NodeView& view, Node& node) const;
  static std::string wish_text(const Wish& wish);
  void stuck(const std::string& name, const std::string& what);
  void cached(const std::string& name, const CacheReport& report);
  void devices(const std::string& name, const GpuReport& report);
  caf::result<WarmRef> warm(const WarmRef& asked);
  static bool accepts(const Node& node);
  static std::string drain_reason(const Node& node);
  void tell(const std::string& name, std::string_view from, std::string_view to,
            const std::string& cause);
  caf::result<bool> drain(const std::string& name, bool drained);
  caf::result<bool> label(const std::string& name, const LabelsRef& labels);
  caf::result<bool> keep(const std::string& name, Wish wish);
  Wish kept_wish(const std::string& name) const;
  caf::typed_response_promise<NodeViewsRef> nodes();
  void arrived(const std::string& node);
  void end_recovery();

  registry_actor::pointer self_;
  HeadContextRef context_;
  RegistryPeers peers_;
  std::map<std::string, Node> nodes_;
  static constexpr auto look_most = std::chrono::milliseconds{500};
  bool looking_ = false;
  Standstill standstill_{look_most};
  std::set<std::string> awaited_;  // recovery is over when these have joined
  bool recovered_ = false;
  std::vector<caf::typed_response_promise<bool>> waiting_;  // for the end of recovery
};

registry_actor::behavior_type registry_behavior(
    registry_actor::stateful_pointer<RegistryState> self, HeadContextRef context,
    RegistryPeers peers);

}  // namespace troupe::actors
