// The folders of the jobs of one worker. Making and removing half a dozen files and folders for
// each job costs a short one more than its own work (ext4 gives no inode out again for some
// seconds, and looks past each such one whenever it makes a new one), so what a job leaves
// untouched is handed to the next. Blocking; used by the stager alone.
#pragma once

#include "actors/worker/paths.hpp"
#include "actors/worker/trash.hpp"
#include "runtime/wire/messages.hpp"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe::actors {

class JobSlots {
 public:
  /// Jobs whose orders are on disk have their slots from the start, until they are released.
  JobSlots(WorkerPaths paths, std::string worker);

  /// A slot with empty work and scratch folders, the order and the token; the output folder.
  /// With a code snapshot the work folder is left to whoever copies it there.
  Result<uint32_t> take(const JobOrder& order);
  /// The job has ended: empties its folders. Its order stays.
  void clean(const JobKey& key);
  /// Nothing asks for the job any more: its slot is free for another.
  void release(const JobKey& key);

 private:
  struct Slot {
    uint32_t number = 0;
    bool gang = false;   // other jobs may use the same output folder
    bool clean = false;  // its job has ended and left it as it was
    bool good = true;    // false: it could not be emptied, and is not given out again
  };

  void recover();
  Result<void> fill(uint32_t number, const JobOrder& order);
  Result<void> make_output(const JobOrder& order);
  void empty(Slot& slot);
  Result<void> empty_folders(uint32_t number);
  void spare_output(const JobKey& key, const Slot& slot);
  std::string spare(uint32_t number) const { return spares_ + "/" + std::to_string(number); }

  WorkerPaths paths_;
  std::string spares_;
  Trash trash_;
  std::map<JobKey, Slot> held_;
  std::set<uint32_t> free_;
  std::set<uint32_t> spare_outputs_;
  uint32_t next_ = 0;
  uint32_t next_spare_ = 0;
};

/// The orders of a worker's slots; those of jobs that were released long ago are among them.
std::vector<std::pair<uint32_t, JobOrder>> read_orders(const WorkerPaths& paths);
Result<JobOrder> read_order(const std::string& path);

}  // namespace troupe::actors
