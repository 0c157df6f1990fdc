// Serves PMI-1 to the processes of one line of a job, with a thread of its own. Those of other
// nodes are reached through the store that the worker of the first job serves (rank_services.hpp).
// Of a line whose processes use PMIx (pmix_server.hpp) it only counts those that asked for their
// world. A process reaches it through `troupe pmi-rank`, which connects and becomes the process.
#pragma once

#include "gpu/comm/store.hpp"
#include "runtime/wire/messages.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <thread>

namespace troupe::actors {

/// Where the ranks of that job find the store of their world.
comm::Endpoint store_of(const JobOrder& order);

/// Whether that line's processes are to find it.
bool serves_pmi(const JobOrder& order, uint32_t phase);

/// What is put before a command of that line, so that it finds its world; `program` is this one,
/// `dir` tells workers of one machine apart.
std::vector<std::string> pmi_command(const std::string& program, const std::string& dir,
                                     const JobOrder& order, uint32_t phase);

/// Where Open MPI's ranks of that line on this node share memory, by the name at which they find
/// PMI. Of its own accord Open MPI names segments by machine and number in the node, which two
/// workers of one machine would share; and leaves them there when it is killed.
std::string shared_folder(const std::string& pmi);

class PmiServer {
 public:
  /// Listens when it returns. Ports of the order's hosts are known.
  static Result<std::unique_ptr<PmiServer>> start(const std::string& dir, const JobOrder& order,
                                                  uint32_t phase);
  /// Also takes away what its ranks have left in their shared folder.
  ~PmiServer();
  PmiServer(const PmiServer&) = delete;
  PmiServer& operator=(const PmiServer&) = delete;

  /// Processes that asked for their world, so far.
  uint32_t begun() const { return begun_; }

 private:
  class House;
  PmiServer() = default;
  void serve(UniqueFd listener);

  JobOrder order_;
  uint32_t phase_ = 0;
  std::string shared_folder_;
  std::atomic<uint32_t> begun_{0};
  UniqueFd stop_;
  std::thread thread_;
};

/// In place of this program; comes back with the reason where it cannot be run.
Error become_command(const std::vector<std::string>& command);

/// What `troupe pmi-rank NAME -- CMD` does: never comes back but with the reason why not.
Error become_pmi_rank(const std::string& name, const std::vector<std::string>& command);

}  // namespace troupe::actors
