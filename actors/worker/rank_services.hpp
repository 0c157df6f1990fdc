// What a worker serves to the ranks of one line of a job, so that none of them hosts anything: the
// store in which they find each other, also by HTTP as Horovod asks for it, by the worker of the
// first job, and PMI where they are to ask for their world. Owned by the job actor; each line is a
// world of its own, and what was told in the one before, or by an attempt before, is gone.
#pragma once

#include "actors/worker/pmi_server.hpp"

namespace troupe::actors {

class RankServices {
 public:
  /// Listens when it returns. `dir` tells workers of one machine apart.
  Result<void> begin(const std::string& dir, const JobOrder& order, uint32_t phase);
  /// The processes were found running: they get an empty store again, into which those that still
  /// wait for each other write anew. PMI knows nothing of them any more.
  void go_on(const JobOrder& order, uint32_t phase);
  void end();
  /// Whether that line's processes were to ask PMI for their world, and none has.
  bool nobody_asked() const { return pmi_ && pmi_->begun() == 0; }

 private:
  Result<void> serve_store(const JobOrder& order, uint32_t phase);

  std::unique_ptr<comm::StoreServer> store_;
  std::unique_ptr<PmiServer> pmi_;
};

}  // namespace troupe::actors
