#include "actors/worker/core_claim.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

namespace troupe::actors {

std::optional<UniqueFd> claim_cores(const std::string& path) {
  // A file of another user in a folder of all may be opened, but not with the wish to make it.
  UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!file) {
    file.reset(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    // Made by another meanwhile.
    if (!file) file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  }
  if (!file || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  return file;
}

}  // namespace troupe::actors
