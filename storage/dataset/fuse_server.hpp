// Serves a version's files through FUSE, for machines whose kernel has no EROFS: the kernel's own
// protocol over /dev/fuse, no library between. Opening a file asks nothing (the kernel is told once
// that there is no need to), names and attributes are cached for good, and bytes go from the
// sealed file's mapping to the kernel with one call. Mounting needs root, as the other ways do.
#pragma once

#include "runtime/core/fd.hpp"
#include "storage/dataset/sealed_file.hpp"

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace troupe::dataset {

class FuseTree;

class FuseServer {
 public:
  /// Mounts on `target`, a folder that exists. Whoever looks at the files waits until serve().
  static Result<FuseServer> mount(std::shared_ptr<const SealedFile> file,
                                  const std::string& target);
  FuseServer(FuseServer&&) noexcept;
  ~FuseServer();

  /// Serves from so many threads, this one among them, until it is unmounted. An error where the
  /// kernel is too old for this; then nothing may be asked of the mount.
  Result<void> serve(unsigned threads);

 private:
  FuseServer(UniqueFd device, std::unique_ptr<FuseTree> tree);
  Result<void> greet();
  void answer_all(int device) const;

  UniqueFd device_;
  std::unique_ptr<FuseTree> tree_;
};

}  // namespace troupe::dataset
