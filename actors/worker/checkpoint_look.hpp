// The checkpoints of one experiment on this node, as they lie below TROUPE_CHECKPOINTS: a look
// costs one stat while nothing changes. Blocking, briefly; one thread at a time.
#pragma once

#include "actors/worker/paths.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/wire/messages.hpp"

#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

class CheckpointLook {
 public:
  /// `placed_from_us`: what was put in its place before that is of an earlier attempt.
  CheckpointLook(std::string folder, int64_t placed_from_us)
      : folder_{std::move(folder)}, placed_from_us_{placed_from_us} {}

  /// Whether there are others than at the last look.
  bool look();
  /// The newest last, at most `most`.
  const std::vector<CheckpointSeen>& seen() const { return seen_; }
  static constexpr size_t most = limits::checkpoints_max;

 private:
  std::string folder_;
  int64_t placed_from_us_;
  std::optional<int64_t> looked_ns_;  // the folder's own time, where it has stood still since
  std::vector<CheckpointSeen> seen_;
};

/// When the file or folder says that it was made; none where there is no such, or it is a link.
std::optional<int64_t> made_us(const std::string& path);
/// Whether it lies there, as it was made.
bool is_there(const std::string& folder, const CheckpointSeen& checkpoint);

/// The name below the data root under which a job is shown the one that it goes on from, where that
/// comes from elsewhere.
inline constexpr const char* resume_mount = ".resume";
/// What becomes of a job's choices: the first that is on this node as it was made, or that the head
/// keeps, stays, and is read as data where it comes from there. Choices before `first` are passed
/// over. Answers the index of the one that was chosen; none where there is none.
std::optional<size_t> choose_resume(JobOrder& order, const std::vector<ResumeChoice>& choices,
                                    size_t first, const std::string& folder);
/// What TROUPE_RESUME says; empty: nothing.
std::string resume_path(const JobOrder& order, const std::string& data_root);

/// Removes those that are still as they were; a name is given up before its bytes are.
void drop_checkpoints(const WorkerPaths& paths, const CheckpointDrop& drop);

}  // namespace troupe::actors
