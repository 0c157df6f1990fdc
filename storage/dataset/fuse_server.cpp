#include "storage/dataset/fuse_server.hpp"

#include "storage/dataset/fuse_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace troupe::dataset {

namespace {

constexpr uint32_t read_bytes_max = 1u << 20;  // of one request: as much as kernels ask for
constexpr uint32_t write_bytes_max = 4096;     // nothing is written; the least that is allowed
constexpr size_t request_bytes_max = 64u << 10;
constexpr uint64_t for_good_s = 365ull * 24 * 3600;  // nothing of a version ever changes
constexpr uint32_t wanted = FUSE_ASYNC_READ | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES |
                            FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT | FUSE_DO_READDIRPLUS |
                            FUSE_READDIRPLUS_AUTO;
constexpr uint32_t needed = FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT;

template <class T>
T part_of(std::string_view bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}

template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// The next request; its length, 0 where it was taken back, -1 where all is over.
ssize_t receive(int device, std::string& buffer) {
  auto got = ::read(device, buffer.data(), buffer.size());
  if (got >= static_cast<ssize_t>(sizeof(fuse_in_header))) return got;
  // ENOENT: the asker was interrupted before we saw it. ENODEV: unmounted.
  bool again = got < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT);
  return again ? 0 : -1;
}

/// What is asked and where the answer goes.
struct Request {
  int device;
  fuse_in_header header;
  std::string_view body;
  std::vector<iovec>& parts;  // [0] is the answer's header

  // An asker that has gone meanwhile (ENOENT) needs no answer.
  void send(int32_t error, size_t bytes) const {
    fuse_out_header out{};
    out.len = static_cast<uint32_t>(sizeof out + bytes);
    out.error = -error;
    out.unique = header.unique;
    parts[0] = {&out, sizeof out};
    [[maybe_unused]] auto sent = ::writev(device, parts.data(), static_cast<int>(parts.size()));
  }
  void fail(int error) const {
    parts.resize(1);
    send(error, 0);
  }
  void reply(std::string_view bytes) const {
    parts.resize(1);
    parts.push_back({const_cast<char*>(bytes.data()), bytes.size()});
    send(0, bytes.size());
  }
};

fuse_entry_out entry_of(const FuseTree& tree, uint64_t node) {
  fuse_entry_out out{};
  out.nodeid = node;
  out.entry_valid = out.attr_valid = for_good_s;  // also that there is no such name
  if (node != 0) out.attr = tree.attributes(node).value_or(fuse_attr{});
  return out;
}

void read_file(const FuseTree& tree, const Request& request) {
  auto read = part_of<fuse_read_in>(request.body);
  request.parts.resize(1);
  if (!tree.extents(request.header.nodeid, read.offset, std::min(read.size, read_bytes_max),
                    request.parts))
    return request.fail(EISDIR);
  size_t bytes = 0;
  for (size_t i = 1; i < request.parts.size(); ++i) bytes += request.parts[i].iov_len;
  request.send(0, bytes);
}

/// As many names as fit, each with its attributes where the kernel asks for them.
void read_folder(const FuseTree& tree, const Request& request, bool plus) {
  auto read = part_of<fuse_read_in>(request.body);
  if (!tree.is_folder(request.header.nodeid)) return request.fail(ENOTDIR);
  std::string names;
  for (auto at = read.offset;; ++at) {
    auto child = tree.child(request.header.nodeid, at);
    if (!child) break;
    fuse_dirent entry{};
    entry.ino = child->node;
    entry.off = at + 1;
    entry.namelen = static_cast<uint32_t>(child->name.size());
    entry.type = child->is_directory ? DT_DIR : DT_REG;
    auto bytes = FUSE_NAME_OFFSET + child->name.size();
    auto padded = FUSE_DIRENT_ALIGN((plus ? sizeof(fuse_entry_out) : 0) + bytes);
    if (names.size() + padded > read.size) break;
    auto end = names.size() + padded;
    // Node 0: the kernel keeps nothing of "." and "..".
    if (plus) names += bytes_of(entry_of(tree, at < 2 ? 0 : child->node));
    names.append(bytes_of(entry).substr(0, FUSE_NAME_OFFSET)).append(child->name);
    names.resize(end, '\0');
  }
  request.reply(names);
}

void answer(const FuseTree& tree, const Request& request) {
  switch (request.header.opcode) {
    case FUSE_LOOKUP: {
      std::string_view name{request.body.data(),
                            ::strnlen(request.body.data(), request.body.size())};
      return request.reply(bytes_of(entry_of(tree, tree.lookup(request.header.nodeid, name))));
    }
    case FUSE_GETATTR: {
      auto attributes = tree.attributes(request.header.nodeid);
      if (!attributes) return request.fail(ENOENT);
      fuse_attr_out out{};
      out.attr_valid = for_good_s;
      out.attr = *attributes;
      return request.reply(bytes_of(out));
    }
    case FUSE_READ:
      return read_file(tree, request);
    case FUSE_READDIR:
      return read_folder(tree, request, false);
    case FUSE_READDIRPLUS:
      return read_folder(tree, request, true);
    case FUSE_STATFS: {
      fuse_statfs_out out{};
      out.st.bsize = out.st.frsize = limits::page_bytes;
      out.st.blocks = tree.file_bytes() / limits::page_bytes + 1;
      out.st.files = tree.nodes();
      out.st.namelen = limits::name_bytes_max;
      return request.reply(bytes_of(out));
    }
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:  // answers take microseconds: the one that is meant is on its way
      return;
    default:
      // Of OPEN, OPENDIR, FLUSH, GETXATTR and others this says: never ask again.
      return request.fail(ENOSYS);
  }
}

}  // namespace

FuseServer::FuseServer(UniqueFd device, std::unique_ptr<FuseTree> tree)
    : device_{std::move(device)}, tree_{std::move(tree)} {}
FuseServer::FuseServer(FuseServer&&) noexcept = default;
FuseServer::~FuseServer() = default;

Result<FuseServer> FuseServer::mount(std::shared_ptr<const SealedFile> file,
                                     const std::string& target) {
  auto device = open_file("/dev/fuse", O_RDWR);
  if (!device) return std::move(device).error();
  auto tree = std::make_unique<FuseTree>(std::move(file));
  auto options = fmt::format(
      "fd={},rootmode=40755,user_id={},group_id={},allow_other,default_permissions,max_read={}",
      device->get(), ::getuid(), ::getgid(), read_bytes_max);
  constexpr unsigned long flags = MS_RDONLY | MS_NODEV | MS_NOSUID;
  if (::mount("troupe", target.c_str(), "fuse.troupe", flags, options.c_str()) != 0)
    return errno_error(errno, fmt::format("{} cannot be mounted by fuse", target));
  return FuseServer{std::move(*device), std::move(tree)};
}

/// The first request: what the kernel can, and what we want of it.
Result<void> FuseServer::greet() {
  std::string buffer(request_bytes_max, '\0');
  ssize_t got = 0;
  while (got == 0) got = receive(device_.get(), buffer);
  if (got < 0) return Error{Errc::unavailable, "no files are served", "they were unmounted", ""};
  std::string_view bytes{buffer.data(), static_cast<size_t>(got)};
  std::vector<iovec> parts(1);
  Request request{device_.get(), part_of<fuse_in_header>(bytes),
                  bytes.substr(sizeof(fuse_in_header)), parts};
  auto asked = part_of<fuse_init_in>(request.body);
  if (request.header.opcode != FUSE_INIT || asked.major != FUSE_KERNEL_VERSION ||
      (asked.flags & needed) != needed) {
    request.fail(EPROTO);
    return Error{Errc::unavailable, "no files are served by fuse",
                 "this kernel asks for each file that is opened", "use Linux 5.1 or newer"};
  }
  fuse_init_out out{};
  out.major = FUSE_KERNEL_VERSION;
  out.minor = std::min<uint32_t>(asked.minor, FUSE_KERNEL_MINOR_VERSION);
  out.max_readahead = std::min(asked.max_readahead, read_bytes_max);
  out.flags = asked.flags & wanted;
  out.max_background = 64;
  out.congestion_threshold = 48;
  out.max_write = write_bytes_max;
  out.time_gran = 1;
  out.max_pages = read_bytes_max / limits::page_bytes;
  request.reply(bytes_of(out));
  return ok();
}

void FuseServer::answer_all(int device) const {
  std::string buffer(request_bytes_max, '\0');
  std::vector<iovec> parts(1);
  for (;;) {
    auto got = receive(device, buffer);
    if (got < 0) return;
    if (got == 0) continue;
    std::string_view bytes{buffer.data(), static_cast<size_t>(got)};
    answer(*tree_,
           {device, part_of<fuse_in_header>(bytes), bytes.substr(sizeof(fuse_in_header)), parts});
  }
}

Result<void> FuseServer::serve(unsigned threads) {
  TROUPE_TRY(greet());
  std::vector<UniqueFd> devices;
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) {
    // A descriptor of its own has a queue of its own; where it cannot be had, they share one.
    auto device = open_file("/dev/fuse", O_RDWR);
    auto original = static_cast<uint32_t>(device_.get());
    bool own = device && ::ioctl(device->get(), FUSE_DEV_IOC_CLONE, &original) == 0;
    if (own) devices.push_back(std::move(*device));
    others.emplace_back(&FuseServer::answer_all, this, own ? devices.back().get() : device_.get());
  }
  answer_all(device_.get());
  for (auto& thread : others) thread.join();
  return ok();
}

}  // namespace troupe::dataset
