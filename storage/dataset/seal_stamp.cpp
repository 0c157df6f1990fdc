#include "storage/dataset/seal_stamp.hpp"

#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::dataset {

namespace {

std::string stamp_path(const SealedPaths& paths) {
  return paths.folder + "/verified";
}

/// Empty where a file is gone.
std::string stamp_of(const SealedPaths& paths) {
  std::string text;
  for (const auto& path : {paths.manifest(), paths.blocks(), paths.image(), paths.seal()}) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) return {};
    text += fmt::format("{} {} {}.{:09} {}.{:09}\n", info.st_ino, info.st_size, info.st_mtim.tv_sec,
                        info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
  }
  return text;
}

}  // namespace

bool is_as_verified(const SealedPaths& paths) {
  constexpr size_t most = 4096;
  auto noted = read_file(stamp_path(paths), most);
  return noted && !noted->empty() && *noted == stamp_of(paths);
}

Result<void> forget_verified(const SealedPaths& paths) {
  if (::unlink(stamp_path(paths).c_str()) == 0 || errno == ENOENT) return ok();
  return errno_error(errno, fmt::format("{} cannot be removed", stamp_path(paths)));
}

Result<void> note_verified(const SealedPaths& paths) {
  return replace_file(stamp_path(paths), stamp_of(paths), 0600);
}

}  // namespace troupe::dataset
