#include "runtime/process/journal.hpp"

#include "runtime/process/protocol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace troupe::process {
namespace {

enum class Entry : uint8_t { boot = 1, run, ended, forgotten };

constexpr uint64_t allocation_step = 2u << 20;
/// Kept free for ends, a few hundred bytes each, of what runs while the disk is full.
constexpr uint64_t reserve_for_ends = 512u << 10;
/// Rewriting less than this would not be felt.
constexpr uint64_t compact_least = 4u << 20;

uint32_t checksum(std::string_view bytes) {
  uint32_t hash = 2166136261u;  // FNV-1a: against torn writes, not against anybody
  for (unsigned char byte : bytes) hash = (hash ^ byte) * 16777619u;
  return hash;
}

std::string framed(const std::string& body) {
  Encoder out;
  out.number(static_cast<uint32_t>(body.size()));
  out.number(checksum(body));
  return out.take() + body;
}

std::string boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id", 256);
  return text ? *text : std::string{};
}

std::string run_body(const JournalRun& run) {
  Encoder out;
  out.number(static_cast<uint8_t>(Entry::run));
  encode(out, run.status);
  out.text(run.log_dir);
  out.number(static_cast<uint32_t>(run.processes.size()));
  for (auto& process : run.processes) {
    out.number(process.pid);
    out.number(process.ticks_min);
    out.number(process.ticks_max);
  }
  return out.take();
}

std::string boot_body() {
  Encoder out;
  out.number(static_cast<uint8_t>(Entry::boot));
  out.text(boot_id());
  return out.take();
}

JournalRun decode_run(Decoder& in) {
  JournalRun run;
  decode(in, run.status);
  run.log_dir = in.text();
  run.processes.resize(in.count(20));
  for (auto& process : run.processes) {
    process.pid = in.number<int32_t>();
    process.ticks_min = in.number<uint64_t>();
    process.ticks_max = in.number<uint64_t>();
  }
  return run;
}

}  // namespace

Result<Journal> Journal::open(const std::string& path) {
  Journal journal{path};
  journal.load();
  if (auto compacted = journal.compact(); !compacted) {
    // A full disk: go on with the old file, whose reserve may be there still.
    auto fd = open_file(path, O_RDWR | O_CREAT, 0600);
    if (!fd) return std::move(fd).error();
    journal.fd_ = std::move(*fd);
    (void)!::ftruncate(journal.fd_.get(), static_cast<off_t>(journal.size_));
    journal.allocated_ = journal.size_;
    journal.compact_at_ = std::max(compact_least, 2 * journal.size_);
    (void)journal.allocate(allocation_step);
  }
  return journal;
}

void Journal::load() {
  auto text = read_file(path_, 1u << 30);
  if (!text) return;
  std::string_view rest{*text};
  while (rest.size() >= 8) {
    Decoder head{rest.substr(0, 8)};
    auto length = head.number<uint32_t>();
    auto sum = head.number<uint32_t>();
    if (length == 0 || length > rest.size() - 8) return;
    auto body = rest.substr(8, length);
    if (checksum(body) != sum) return;
    Decoder in{body};
    switch (static_cast<Entry>(in.number<uint8_t>())) {
      case Entry::boot:
        same_boot_ = in.text() == boot_id();
        break;
      case Entry::run: {
        auto run = decode_run(in);
        if (in.complete()) runs_[run.status.key] = std::move(run);
        break;
      }
      case Entry::ended: {
        RunStatus status;
        decode(in, status);
        auto& run = runs_[status.key];
        if (in.complete()) run.status = std::move(status);
        run.processes.clear();
        break;
      }
      case Entry::forgotten:
        runs_.erase(in.text());
        break;
    }
    if (!in.good()) return;
    rest.remove_prefix(8 + length);
    size_ = text->size() - rest.size();
  }
}

Result<void> Journal::compact() {
  auto bytes = framed(boot_body());
  for (auto& [key, run] : runs_) bytes += framed(run_body(run));
  auto beside = path_ + ".new";
  auto fd = open_file(beside, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (!fd) return std::move(fd).error();
  auto allocated = bytes.size() + allocation_step;
  auto give_up = [&](int number) {
    ::unlink(beside.c_str());
    return errno_error(number, "the launcher's journal could not be rewritten");
  };
  if (::fallocate(fd->get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(allocated)) != 0) {
    if (errno == ENOSPC) return give_up(ENOSPC);
    allocated = UINT64_MAX;  // no such call on this file system: writes find out
  }
  if (auto written = write_all(fd->get(), bytes); !written) return give_up(EIO);
  if (::rename(beside.c_str(), path_.c_str()) != 0) return give_up(errno);
  fd_ = std::move(*fd);
  size_ = bytes.size();
  allocated_ = allocated;
  compact_at_ = std::max(compact_least, 2 * size_);
  return ok();
}

bool Journal::allocate(uint64_t bytes) {
  if (::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size_ + bytes)) != 0) {
    if (errno != EOPNOTSUPP) return false;
    allocated_ = UINT64_MAX;
    return true;
  }
  allocated_ = size_ + bytes;
  return true;
}

Result<void> Journal::append(const std::string& body, uint64_t reserve) {
  auto bytes = framed(body);
  if (size_ > compact_at_) {
    if (!compact()) compact_at_ = size_ + compact_least;  // a full disk: try again later
  }
  // An allocated_ of all ones stands for "not known": never short of it.
  if (allocated_ != UINT64_MAX && size_ + bytes.size() + reserve > allocated_ &&
      !allocate(bytes.size() + reserve + allocation_step) && reserve > 0)
    return Error{Errc::exhausted, "the launcher's journal could not grow", "the disk is full",
                 "free some space"};
  auto n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(size_));
  if (n == static_cast<ssize_t>(bytes.size())) {
    size_ += bytes.size();
    return ok();
  }
  auto number = n < 0 ? errno : ENOSPC;
  (void)!::ftruncate(fd_.get(), static_cast<off_t>(size_));
  return errno_error(number, "the launcher's journal could not be written");
}

Result<void> Journal::has_room() {
  if (size_ > compact_at_ && !compact()) compact_at_ = size_ + compact_least;
  // Twice what append asks for: a start's own record is at most some kilobytes.
  if (allocated_ == UINT64_MAX || size_ + 2 * reserve_for_ends <= allocated_ ||
      allocate(2 * reserve_for_ends + allocation_step))
    return ok();
  return Error{Errc::exhausted, "nothing can be started on this node", "the disk is full",
               "free some space"};
}

Result<void> Journal::started(const JournalRun& run) {
  TROUPE_TRY(append(run_body(run), reserve_for_ends));
  runs_[run.status.key] = run;
  return ok();
}

Result<void> Journal::ended(const RunStatus& status) {
  auto& run = runs_[status.key];
  run.status = status;
  run.processes.clear();
  Encoder out;
  out.number(static_cast<uint8_t>(Entry::ended));
  encode(out, status);
  return append(out.bytes(), 0);
}

Result<void> Journal::forgotten(const std::string& key) {
  if (runs_.erase(key) == 0) return ok();
  Encoder out;
  out.number(static_cast<uint8_t>(Entry::forgotten));
  out.text(key);
  return append(out.bytes(), 0);
}

}  // namespace troupe::process
