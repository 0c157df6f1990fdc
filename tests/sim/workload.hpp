// The people of a simulated cluster: they submit, kill, drain and ask, drawn by the seed. They ask
// again until they are answered, with the same key, as clients do; answers get lost on their way.
#pragma once

#include "tests/sim/checker.hpp"
#include "tests/sim/machines.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe::sim {

class Workload {
 public:
  Workload(World& world, HeadMachine& head, Checker& checker, std::vector<std::string> nodes,
           std::vector<MachineSize> sizes);

  /// Plans all that is asked for within `span`.
  void begin(Nanos span);
  /// Nodes are taken back into service; nothing new comes.
  void wind_down();
  /// Every submission has been answered.
  bool answered() const { return open_ == 0; }

  uint64_t submissions() const { return submitted_; }
  uint64_t kills() const { return kills_; }
  uint64_t acknowledged() const { return acknowledged_; }

 private:
  /// One thing that somebody wants, until it is answered.
  struct Wish {
    std::function<void(caf::event_based_actor*, const std::shared_ptr<Wish>&)> ask;
    bool done = false;
    bool counted = false;  // the end of the simulation waits for it
    uint32_t tries = 0;
    double lost_answers = 0;
  };
  using WishPtr = std::shared_ptr<Wish>;

  Submission draw();
  void shape(ExperimentSpec& spec);
  void make_set(Submission& submission);
  void submit(Submission submission, std::string rerun_of);
  void kill(ExperimentId id);
  void drain(const std::string& node, bool drained);
  void resend();
  void something();
  void pursue(const WishPtr& wish);
  void answered(const WishPtr& wish);

  World& world_;
  HeadMachine& head_;
  Checker& checker_;
  Random random_;
  std::vector<std::string> nodes_;
  std::vector<MachineSize> sizes_;
  std::vector<std::pair<Submission, ExperimentId>> known_;
  std::vector<std::string> drained_;
  uint64_t submitted_ = 0, acknowledged_ = 0, kills_ = 0, open_ = 0;
  bool winding_down_ = false;
};

}  // namespace troupe::sim
