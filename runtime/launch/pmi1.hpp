// PMI-1, the lines by which processes of MPICH and its relatives find each other, as their starter
// answers them on one node. Pure: lines in, lines out. What ranks put becomes known to all of the
// world with the next barrier, so nodes exchange it there and at no other time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::launch {

class Pmi1 {
 public:
  /// Of so many processes on each of so many nodes; here are those of one.
  Pmi1(uint32_t nodes, uint32_t processes);

  struct Answer {
    uint32_t client = 0;
    std::string line;  // with its end
  };
  /// One line of a process, without its end. Those that are no PMI are answered with an error.
  std::vector<Answer> line(uint32_t client, std::string_view text);

  /// All processes of this node wait in a barrier.
  bool at_barrier() const { return waiting_.size() == processes_; }
  /// What they have put since the last one, as a text for the other nodes.
  std::string puts() const;
  void merge(std::string_view puts);
  /// The barrier is over everywhere.
  std::vector<Answer> release();

  /// Processes that asked for their world.
  uint32_t begun() const { return begun_; }

 private:
  std::string answer(std::string_view command, const std::map<std::string, std::string>& words);

  uint32_t nodes_, processes_;
  uint32_t begun_ = 0;
  std::map<std::string, std::string> values_, fresh_;
  std::vector<uint32_t> waiting_;
};

}  // namespace troupe::launch
