// Outputs and checkpoints of experiments on their way to other machines: packed like a dataset
// version, its blocks given one by one. The newest few packs are remembered; another one is made
// again when it is asked for. Thread-safe; what it does blocks, as long as reading the files takes.
#pragma once

#include "runtime/core/ids.hpp"
#include "runtime/wire/messages.hpp"
#include "storage/dataset/folder_blocks.hpp"

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace troupe::actors {

class OutputPacks {
 public:
  using Pack = std::shared_ptr<dataset::FolderBlocks>;

  /// Packs what the folder holds now; one that does not exist holds nothing.
  Result<Pack> pack(ExperimentId id, const std::string& folder);
  /// The pack that was made last for this experiment.
  Result<Pack> last(ExperimentId id, const std::string& folder);
  /// A checkpoint in its folder. not_found where there is none of that name and time, conflict
  /// where it changes meanwhile. Goes behind whatever else wants processors or the disk.
  Result<Pack> pack_checkpoint(ExperimentId id, const std::string& folder,
                               const CheckpointSeen& checkpoint);
  Result<Pack> last_checkpoint(ExperimentId id, const std::string& folder,
                               const CheckpointSeen& checkpoint);

 private:
  std::optional<Pack> known(const std::string& name);
  void remember(std::string name, const Pack& pack);

  std::mutex mutex_;
  std::deque<std::pair<std::string, Pack>> packs_;  // the newest first
};

}  // namespace troupe::actors
