#include "gpu/comm/segment.hpp"

#include "gpu/comm/segment_layout.hpp"
#include "runtime/core/digest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace troupe::comm {

namespace {

constexpr uint64_t segment_magic = 0x316d6d6f63707274;  // "trpcomm1"
enum Presence : uint32_t { absent, joined, left };

uint64_t this_process() {
  // Made once a process; a forked child has another pid beside it.
  static const uint64_t token = [] {
    uint64_t value = 0;
    std::memcpy(&value, random_bytes(sizeof value).data(), sizeof value);
    return value;
  }();
  return token ^ static_cast<uint64_t>(::getpid());
}

/// Held by the kernel for as long as the process lives, and no longer.
struct flock lock_of(uint32_t local) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = local;
  lock.l_len = 1;
  return lock;
}

}  // namespace

SegmentShape shape_for(uint32_t ranks) {
  SegmentShape shape;
  shape.ranks = ranks;
  // 256 KiB a slot was the quickest from 1 to 64 MiB; with many ranks less, as all stages' slots
  // should stay in a cache of 32 MiB.
  uint64_t slot = 256u << 10;
  while (slot > (32u << 10) && slot * (ranks + 1) * shape.stages > (24u << 20)) slot /= 2;
  shape.slot_bytes = slot;
  if (ranks > 16) shape.channel_bytes = 16384;
  return shape;
}

Result<UniqueFd> Segment::create(const SegmentShape& shape, const std::string& name) {
  static_assert(sizeof(Header) <= SegmentLayout::header_bytes);
  UniqueFd fd{::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!fd) return errno_error(errno, "cannot make memory for the ranks of this host");
  auto bytes = static_cast<off_t>(SegmentLayout{shape}.total);
  if (::ftruncate(fd.get(), bytes) != 0)
    return errno_error(errno, fmt::format("cannot make {} bytes of memory to share", bytes));
  // Nobody can take memory away from under the others.
  ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  auto* base =
      ::mmap(nullptr, SegmentLayout::header_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (base == MAP_FAILED) return errno_error(errno, "cannot map memory for the ranks of this host");
  write_header(static_cast<std::byte*>(base), shape);
  ::munmap(base, SegmentLayout::header_bytes);
  return fd;
}

Result<Segment> Segment::attach(UniqueFd fd, const SegmentShape& shape, uint32_t local,
                                uint32_t rank, const Patience& patience) {
  struct stat status {};
  auto bytes = SegmentLayout{shape}.total;
  if (::fstat(fd.get(), &status) != 0 || static_cast<uint64_t>(status.st_size) != bytes)
    return Error{Errc::invalid, "the ranks of this host cannot share memory",
                 fmt::format("it has {} bytes, not {}", status.st_size, bytes),
                 "run one version of troupe on all ranks"};
  auto* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (base == MAP_FAILED)
    return errno_error(errno, fmt::format("cannot map {} bytes to share", bytes));
  Segment segment{std::move(fd), static_cast<std::byte*>(base), shape, local, patience};
  if (segment.header().magic != segment_magic || !(segment.header().shape == shape))
    return Error{Errc::invalid, "the ranks of this host cannot share memory",
                 "it is laid out otherwise than this rank expects",
                 "run one version of troupe on all ranks"};
  TROUPE_TRY(segment.join(rank));
  return segment;
}

Result<Segment> Segment::attach_mapped(std::byte* base, const SegmentShape& shape, uint32_t local,
                                       uint32_t rank, const Patience& patience) {
  Segment segment{UniqueFd{}, base, shape, local, patience};
  TROUPE_TRY(segment.join(rank));
  return segment;
}

uint64_t Segment::layout_bytes(const SegmentShape& shape) {
  return SegmentLayout{shape}.total;
}

void Segment::write_header(std::byte* base, const SegmentShape& shape) {
  auto* header = new (base) Header;
  header->magic = segment_magic;
  header->shape = shape;
}

Result<void> Segment::join(uint32_t rank) {
  if (fd_) {
    auto lock = lock_of(local_);
    if (::fcntl(fd_.get(), F_SETLK, &lock) != 0)
      return errno_error(errno, "cannot mark this rank as living");
  }
  mine().rank = rank;
  mine().pid = ::getpid();
  mine().process = this_process();
  mine().presence.store(joined);
  return ok();
}

Segment::Segment(UniqueFd fd, std::byte* base, const SegmentShape& shape, uint32_t local,
                 const Patience& patience)
    : fd_{std::move(fd)},
      base_{base},
      shape_{shape},
      patience_{patience},
      budget_{patience.spins},
      local_{local},
      states_{reinterpret_cast<RankState*>(base + SegmentLayout{shape}.states)} {}

Segment::Segment(Segment&& other) noexcept
    : fd_{std::move(other.fd_)},
      base_{std::exchange(other.base_, nullptr)},
      shape_{other.shape_},
      patience_{other.patience_},
      budget_{other.budget_},
      local_{other.local_},
      states_{other.states_},
      watch_{std::move(other.watch_)} {}

Segment::~Segment() {
  if (base_ == nullptr) return;
  if (states_ != nullptr && mine().process == this_process()) {
    mine().presence.store(left);
    wake_all();
  }
  if (fd_) ::munmap(base_, SegmentLayout{shape_}.total);
}

Segment::Header& Segment::header() const {
  return *reinterpret_cast<Header*>(base_);
}

std::byte* Segment::slot(uint64_t stage, uint32_t local) const {
  auto place = (stage % shape_.stages) * (shape_.ranks + 1) + local;
  return base_ + SegmentLayout{shape_}.slots + place * shape_.slot_bytes;
}

std::byte* Segment::result(uint64_t stage) const {
  return slot(stage, shape_.ranks);
}

std::byte* Segment::small(uint64_t call, uint32_t local) const {
  auto place = (call & 1) * shape_.ranks + local;
  return base_ + SegmentLayout{shape_}.small + place * shape_.small_bytes;
}

Channel& Segment::channel(uint32_t from, uint32_t to) const {
  SegmentLayout layout{shape_};
  auto place = uint64_t{from} * shape_.ranks + to;
  return *reinterpret_cast<Channel*>(base_ + layout.channels + place * layout.channel_stride);
}

std::byte* Segment::channel_data(uint32_t from, uint32_t to) const {
  return reinterpret_cast<std::byte*>(&channel(from, to)) + sizeof(Channel);
}

Error Segment::fail(const Error& cause) {
  auto& shared = header();
  uint32_t expected = 0;
  if (shared.failed.compare_exchange_strong(expected, 1)) {
    auto put = [](auto& to, const std::string& text) {
      auto bytes = std::min(text.size(), sizeof to - 1);
      std::memcpy(to, text.data(), bytes);
      to[bytes] = '\0';
    };
    shared.cause.code = static_cast<uint8_t>(cause.code);
    put(shared.cause.what, cause.what);
    put(shared.cause.detail, cause.detail);
    put(shared.cause.hint, cause.hint);
    shared.failed.store(2);
    wake_all();
    return cause;
  }
  return failure().value_or(cause);
}

std::optional<Error> Segment::failure() const {
  const auto& shared = header();
  // Between 1 and 2 somebody writes the cause, and may have died of it: then it is seen as lost.
  if (shared.failed.load(std::memory_order_acquire) != 2) return std::nullopt;
  return Error{static_cast<Errc>(shared.cause.code), shared.cause.what, shared.cause.detail,
               shared.cause.hint};
}

std::optional<Error> Segment::loss_of(uint32_t local) const {
  const auto& peer = state(local);
  auto error = [&](std::string detail, std::string hint) {
    return Error{Errc::unavailable, fmt::format("rank {} is gone", peer.rank), std::move(detail),
                 std::move(hint)};
  };
  auto presence = peer.presence.load();
  if (presence == left)
    return error("it has closed its communicator", "all ranks must make the same calls");
  if (presence == absent || peer.process == this_process()) return std::nullopt;
  auto lock = lock_of(local);
  if (::fcntl(fd_.get(), F_GETLK, &lock) != 0 || lock.l_type != F_UNLCK) return std::nullopt;
  return error(fmt::format("its process {} has ended", peer.pid), "look at the log of that rank");
}

bool Segment::has_left(uint32_t local) const {
  return state(local).presence.load() == left;
}

}  // namespace troupe::comm
