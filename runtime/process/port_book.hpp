// Which ports of this machine are set aside for which job. A block of neighbouring ports is given
// to a job until it ends; until its processes start, the ports themselves are held bound, so that
// nobody else can take one meanwhile. Several books of one machine (workers beside each other) do
// not give out the same: each block has a name among the abstract UNIX sockets, which belong to a
// network namespace exactly as ports do and go with their process. May be used by any thread.
#pragma once

#include "runtime/core/fd.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace troupe::process {

class PortBook {
 public:
  /// Of the ports in [begin, end).
  PortBook(uint16_t begin, uint16_t end);

  /// Sets `count` neighbouring ports aside and answers the first; the first `held` of them are
  /// bound. exhausted where no such block is free. Asked again for the same job: the same block.
  Result<uint16_t> take(const std::string& job, uint32_t count, uint32_t held);
  /// What a worker before this one had given out; its processes may use it already.
  void keep(const std::string& job, uint16_t first, uint32_t count);
  /// Its processes start now, and bind the ports themselves.
  void let_go(const std::string& job);
  /// Of one port of its block alone, which somebody else than its processes is to bind.
  void let_go(const std::string& job, uint32_t place);
  void release(const std::string& job);

 private:
  static constexpr uint16_t block = 8;  // ports; enough for a job of four processes
  /// Blocks that stay named for the next job: most jobs are short, and take the same few.
  static constexpr size_t spare_max = 64;

  struct Taken {
    uint16_t first = 0;
    std::vector<std::pair<uint16_t, UniqueFd>> names;  // of its blocks
    std::vector<UniqueFd> held;
  };

  bool name_blocks(uint16_t first, uint32_t blocks, Taken& out);
  static bool hold(uint16_t first, uint32_t count, Taken& out);
  void give_up(Taken taken);

  uint16_t begin_, end_;
  std::mutex mutex_;
  uint16_t next_;
  std::map<std::string, Taken> jobs_;
  std::deque<std::pair<uint16_t, UniqueFd>> spare_;  // the longest unused first
};

}  // namespace troupe::process
