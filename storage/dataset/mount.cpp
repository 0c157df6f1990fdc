#include "storage/dataset/mount.hpp"

#include "runtime/core/fd.hpp"
#include "storage/dataset/fuse_process.hpp"
#include "storage/dataset/fuse_server.hpp"
#include "storage/dataset/packer.hpp"
#include "storage/dataset/sealed_writer.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace troupe::dataset {

namespace {

constexpr size_t device_blocks_at =
    1280 + 64;                  // of an image: how long blocks.mdb must be, in pages
constexpr int loop_tries = 16;  // others may take the free device that we were told of

std::string path_of(int fd) {
  return fmt::format("/proc/self/fd/{}", fd);
}

Error mount_error(int number, const std::string& target, MountMethod method) {
  auto what = fmt::format("{} cannot be mounted by {}", target, to_string(method));
  auto text = errno_error(number, "").detail;
  if (number == EPERM || number == EACCES)
    return {Errc::refused, what, text, "mounting needs root on this machine; or export the files"};
  if (number == ENODEV)
    return {Errc::unavailable, what, "this kernel has no EROFS",
            "load it (modprobe erofs), or export the files"};
  if (method == MountMethod::erofs && (number == ENOTBLK || number == EINVAL))
    return {Errc::unavailable, what, text + "; this kernel mounts no images that are plain files",
            "use erofs-loop, or Linux 6.12 or newer"};
  return {Errc::unavailable, what, text, "see the kernel's log (dmesg)"};
}

/// A truncated file mounts without complaint, and reads fail later.
Result<void> check_length(int image, int blocks, const SealedPaths& paths) {
  uint32_t pages = 0;
  struct stat info {};
  if (::pread(image, &pages, sizeof pages, device_blocks_at) == sizeof pages &&
      ::fstat(blocks, &info) == 0 &&
      static_cast<uint64_t>(info.st_size) == uint64_t{pages} * limits::page_bytes)
    return ok();
  return Error{Errc::corrupt, fmt::format("{} cannot be mounted", paths.folder),
               fmt::format("{} has another length than {} says", paths.blocks(), paths.image()),
               "remove this version from the node; it is filled again when it is needed"};
}

/// A loop device over a file, read-only; it goes away by itself when the last user closes it.
Result<UniqueFd> loop_device(int file, const std::string& path) {
  auto control = open_file("/dev/loop-control", O_RDWR);
  if (!control) return std::move(control).error();
  for (int i = 0; i < loop_tries; ++i) {
    int number = ::ioctl(control->get(), LOOP_CTL_GET_FREE);
    if (number < 0) return errno_error(errno, "no loop device is free");
    auto device = open_file(fmt::format("/dev/loop{}", number), O_RDONLY);
    if (!device) return device;
    struct loop_config config {};
    config.fd = static_cast<uint32_t>(file);
    config.block_size = limits::page_bytes;
    config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
    if (::ioctl(device->get(), LOOP_CONFIGURE, &config) == 0) return device;
    if (errno != EBUSY) return errno_error(errno, fmt::format("{} gets no loop device", path));
  }
  return Error{Errc::unavailable, fmt::format("{} gets no loop device", path),
               "each one that was free was taken meanwhile", "try again"};
}

std::vector<std::string> own_server() {
  std::error_code none;
  return {std::filesystem::read_symlink("/proc/self/exe", none).string(), "serve-files"};
}

int mount_erofs(const std::string& image, const std::string& blocks, const std::string& target) {
  auto options = "device=" + blocks;
  constexpr unsigned long flags = MS_RDONLY | MS_NODEV | MS_NOSUID;
  return ::mount(image.c_str(), target.c_str(), "erofs", flags, options.c_str()) == 0 ? 0 : errno;
}

}  // namespace

Result<void> mount_files(const SealedPaths& paths, const std::string& target, MountMethod method,
                         const std::vector<std::string>& fuse_program) {
  if (method == MountMethod::plain_copy)
    return Error{Errc::invalid, fmt::format("{} cannot be mounted", target),
                 "copies are written, not mounted", "export the files"};
  // By descriptors: what was checked is what is mounted.
  auto image = open_file(paths.image(), O_RDONLY);
  if (!image) return std::move(image).error();
  auto blocks = open_file(paths.blocks(), O_RDONLY);
  if (!blocks) return std::move(blocks).error();
  TROUPE_TRY(check_length(image->get(), blocks->get(), paths));
  if (method == MountMethod::fuse)
    return mount_by_process(fuse_program.empty() ? own_server() : fuse_program, paths.folder,
                            target);
  int failed = 0;
  if (method == MountMethod::erofs) {
    failed = mount_erofs(path_of(image->get()), path_of(blocks->get()), target);
  } else {
    auto image_device = loop_device(image->get(), paths.image());
    if (!image_device) return std::move(image_device).error();
    auto blocks_device = loop_device(blocks->get(), paths.blocks());
    if (!blocks_device) return std::move(blocks_device).error();
    failed = mount_erofs(path_of(image_device->get()), path_of(blocks_device->get()), target);
  }
  if (failed != 0) return mount_error(failed, target, method);
  return ok();
}

bool is_mount(const std::string& path) {
  struct statx info {};
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &info) != 0) return false;
  if ((info.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0)
    return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  struct stat own {
  }, parent{};  // before Linux 5.8
  return ::stat(path.c_str(), &own) == 0 && ::stat((path + "/..").c_str(), &parent) == 0 &&
         own.st_dev != parent.st_dev;
}

Result<void> unmount_files(const std::string& target, bool lazily) {
  if (::umount2(target.c_str(), UMOUNT_NOFOLLOW | (lazily ? MNT_DETACH : 0)) == 0) return ok();
  auto what = fmt::format("{} cannot be unmounted", target);
  if (errno == EBUSY)
    return Error{Errc::conflict, what, "somebody has a file of it open",
                 "wait for the jobs that use it"};
  return errno_error(errno, what);
}

namespace {

class NoSink final : public BlockSink {
 public:
  Result<void> put(const ContentId&, std::string_view payload) override {
    payload_ = payload;
    return ok();
  }
  const std::string& payload() const { return payload_; }

 private:
  std::string payload_;
};

constexpr std::string_view probe_text = "a dataset of one file\n";

Result<SealedPaths> probe_version(const std::string& dir) {
  NoSink sink;
  Packer packer{{}, sink};
  TROUPE_TRY(packer.begin_file("probe", false));
  TROUPE_TRY(packer.write(probe_text));
  TROUPE_TRY(packer.end_file());
  auto manifest = packer.finish();
  if (!manifest) return std::move(manifest).error();
  auto writer = SealedWriter::begin(dir, std::make_shared<const Manifest>(std::move(*manifest)));
  if (!writer) return std::move(writer).error();
  auto block = VerifiedBlock::check((*writer)->manifest(), 0, sink.payload());
  if (!block) return std::move(block).error();
  TROUPE_TRY((*writer)->put(*block));
  return (*writer)->seal();
}

/// Served by a thread of this process, which ends with the mount.
class ProbeServer {
 public:
  Result<void> mount(const SealedPaths& paths, const std::string& target) {
    auto file = SealedFile::open(paths.folder);
    if (!file) return std::move(file).error();
    auto server = FuseServer::mount(std::move(*file), target);
    if (!server) return std::move(server).error();
    thread_ = std::thread{[served = std::move(*server)]() mutable { (void)served.serve(1); }};
    return ok();
  }
  ~ProbeServer() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::thread thread_;
};

Result<void> try_method(const SealedPaths& paths, const std::string& target, MountMethod method) {
  ProbeServer server;
  TROUPE_TRY(method == MountMethod::fuse ? server.mount(paths, target)
                                         : mount_files(paths, target, method));
  auto text = read_file(target + "/probe", 4096);
  // Lazily: the thread that serves must end, whoever has a file open.
  TROUPE_TRY(unmount_files(target, method == MountMethod::fuse));
  if (!text) return std::move(text).error();
  if (*text == probe_text) return ok();
  return Error{Errc::unavailable, fmt::format("{} does not work here", to_string(method)),
               "a file that was mounted had other bytes", "use another way to mount"};
}

}  // namespace

std::vector<MountProbe> probe_mounts(const std::string& scratch) {
  auto dir = fmt::format("{}/mount-probe-{}", scratch, ::getpid());
  auto target = dir + "/files";
  auto prepare = [&]() -> Result<SealedPaths> {
    TROUPE_TRY(make_dirs(target, 0700));
    return probe_version(dir);
  };
  auto paths = prepare();
  std::vector<MountProbe> probes;
  for (auto method : {MountMethod::erofs, MountMethod::erofs_loop, MountMethod::fuse}) {
    auto tried = paths ? try_method(*paths, target, method) : Result<void>{paths.error()};
    probes.push_back({method, tried ? std::nullopt : std::optional{std::move(tried).error()}});
  }
  // Not where a mount could not be taken back: what is below it is not ours to remove.
  ::umount2(target.c_str(), MNT_DETACH);
  if (auto removed = remove_tree(dir); !removed)
    for (auto& probe : probes)
      if (!probe.error) probe.error = removed.error();
  return probes;
}

}  // namespace troupe::dataset
