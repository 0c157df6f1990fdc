#include "actors/worker/job_slots.hpp"

#include "actors/worker/environment.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/log.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::actors {

namespace {

Result<void> make_dir(const std::string& path, unsigned mode = 0755) {
  if (::mkdir(path.c_str(), mode) == 0) return ok();
  if (errno == ENOENT) return make_dirs(path, mode);
  if (errno == EEXIST) return ok();
  return errno_error(errno, fmt::format("folder {} could not be made", path));
}

/// Over what is there and without emptying the file first, which ext4 answers by writing the new
/// content to the disk at once.
Result<void> overwrite_file(const std::string& path, std::string_view bytes, unsigned mode) {
  auto file = open_file(path, O_WRONLY | O_CREAT | O_NOFOLLOW, mode);
  if (!file) return std::move(file).error();
  TROUPE_TRY(write_all(file->get(), bytes));
  struct stat info {};
  if (::fstat(file->get(), &info) == 0 && info.st_size > static_cast<off_t>(bytes.size()) &&
      ::ftruncate(file->get(), static_cast<off_t>(bytes.size())) != 0)
    return errno_error(errno, fmt::format("{} could not be shortened", path));
  return ok();
}

/// What is in a folder, unless it is gone, somebody else's, closed to us, or no folder.
std::optional<std::vector<std::string>> usable_folder(const std::string& path) {
  auto folder = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  struct stat info {};
  if (!folder || ::fstat(folder->get(), &info) != 0 || info.st_uid != ::geteuid() ||
      (info.st_mode & 0700) != 0700)
    return std::nullopt;
  // Not readdir(): it asks the kernel four more times, and five folders are looked at for each job.
  alignas(dirent64) char entries[4096];
  std::vector<std::string> names;
  while (true) {
    auto bytes = ::getdents64(folder->get(), entries, sizeof entries);
    if (bytes < 0) return std::nullopt;
    if (bytes == 0) return names;
    for (ssize_t at = 0; at < bytes;) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries + at);
      std::string_view file{entry->d_name};
      if (file != "." && file != "..") names.emplace_back(file);
      at += entry->d_reclen;
    }
  }
}

bool is_usable_and_empty(const std::string& path) {
  auto names = usable_folder(path);
  return names && names->empty();
}

bool is_untouched_output(const std::string& path) {
  auto names = usable_folder(path);
  return names && names->size() == 1 && names->front() == "checkpoints" &&
         is_usable_and_empty(path + "/checkpoints");
}

std::optional<uint32_t> slot_number(std::string_view name) {
  uint32_t number = 0;
  auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (code != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return number;
}

std::vector<uint32_t> numbered_folders(const std::string& path) {
  std::vector<uint32_t> numbers;
  for (const auto& name : usable_folder(path).value_or(std::vector<std::string>{}))
    if (auto number = slot_number(name)) numbers.push_back(*number);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

uint32_t take_lowest(std::set<uint32_t>& numbers) {
  return numbers.extract(numbers.begin()).value();
}

/// Neither synced nor renamed into place: it matters only to a restarted worker, whose launcher
/// knows what still runs; a machine that lost power runs no jobs. The digest tells a whole order.
Result<void> write_order(const std::string& path, const JobOrder& order) {
  std::vector<char> buffer;
  caf::binary_serializer sink{nullptr, buffer};
  if (auto error = sink(order))
    return Error{Errc::bug, "a job order could not be written",
                 fmt::format("code {}", error.code()), "please report"};
  std::string_view bytes{buffer.data(), buffer.size()};
  return overwrite_file(path, fmt::format("{}\n{}", sha256_hex(bytes), bytes), 0600);
}

}  // namespace

Result<JobOrder> read_order(const std::string& path) {
  auto text = read_file(path);
  if (!text) return std::move(text).error();
  auto line = text->find('\n');
  JobOrder order;
  if (line != std::string::npos) {
    auto bytes = std::string_view{*text}.substr(line + 1);
    caf::binary_deserializer source{nullptr, bytes.data(), bytes.size()};
    bool whole = sha256_hex(bytes) == std::string_view{*text}.substr(0, line);
    if (whole && !source(order)) return order;
    // One of a version that knew no leases lacks the last member.
    auto longer = std::string{bytes} + '\0';
    caf::binary_deserializer older{nullptr, longer.data(), longer.size()};
    order = {};
    if (whole && !older(order)) return order;
  }
  return Error{Errc::corrupt, fmt::format("{} could not be read", path),
               "it is not a whole job order", "the job is stopped and started afresh"};
}

std::vector<std::pair<uint32_t, JobOrder>> read_orders(const WorkerPaths& paths) {
  std::vector<std::pair<uint32_t, JobOrder>> orders;
  for (auto number : numbered_folders(paths.slots()))
    if (auto order = read_order(paths.order(number)))
      orders.emplace_back(number, std::move(*order));
  return orders;
}

JobSlots::JobSlots(WorkerPaths paths, std::string worker)
    : paths_{std::move(paths)}, spares_{paths_.spares(worker)}, trash_{paths_.trash()} {
  recover();
}

void JobSlots::recover() {
  for (auto number : numbered_folders(paths_.slots())) {
    next_ = number + 1;
    if (auto order = read_order(paths_.order(number))) {
      held_[order->key] = Slot{number, order->nodes > 1};
    } else {
      Slot slot{number};
      empty(slot);
      if (slot.good) free_.insert(number);
    }
  }
  for (auto number : numbered_folders(spares_)) {
    next_spare_ = number + 1;
    if (is_untouched_output(spare(number))) spare_outputs_.insert(number);
  }
}

Result<uint32_t> JobSlots::take(const JobOrder& order) {
  auto held = held_.find(order.key);
  if (held == held_.end()) {
    auto number = free_.empty() ? next_++ : take_lowest(free_);
    held = held_.emplace(order.key, Slot{number, order.nodes > 1}).first;
  } else {
    empty(held->second);
  }
  held->second.clean = false;
  TROUPE_TRY(fill(held->second.number, order));
  return held->second.number;
}

Result<void> JobSlots::fill(uint32_t number, const JobOrder& order) {
  TROUPE_TRY(make_dir(paths_.scratch(number)));
  if (order.code_digest.empty())
    TROUPE_TRY(make_dir(paths_.work(number)));
  else
    ::rmdir(paths_.work(number).c_str());  // of a job without code
  TROUPE_TRY(make_output(order));
  TROUPE_TRY(write_order(paths_.order(number), order));
  if (order.world_size > 1) {
    auto text = launch::hostfile_text(world_of({}, paths_, order, number));
    TROUPE_TRY(overwrite_file(paths_.hostfile(number), text, 0644));
  }
  return overwrite_file(paths_.token(number), order.token, 0600);
}

Result<void> JobSlots::make_output(const JobOrder& order) {
  auto experiment = order.key.job.experiment;
  auto output = paths_.output(experiment);
  // What is there of an earlier attempt, or of another job of the gang, stays.
  if (order.attempt == 1 && order.nodes == 1 && !spare_outputs_.empty()) {
    auto number = take_lowest(spare_outputs_);
    if (::rename(spare(number).c_str(), output.c_str()) == 0) return ok();
    if (errno != ENOENT) spare_outputs_.insert(number);
  }
  TROUPE_TRY(make_dir(output));
  return make_dir(paths_.checkpoints(experiment));
}

void JobSlots::clean(const JobKey& key) {
  auto held = held_.find(key);
  if (held == held_.end() || held->second.clean) return;
  empty(held->second);
  spare_output(key, held->second);
}

void JobSlots::release(const JobKey& key) {
  clean(key);
  auto held = held_.find(key);
  if (held == held_.end()) return;
  if (held->second.good) free_.insert(held->second.number);
  held_.erase(held);
}

void JobSlots::empty(Slot& slot) {
  slot.clean = true;
  auto emptied = empty_folders(slot.number);
  slot.good = emptied.has_value();
  if (!emptied) log::warning("job", "{}", to_string(emptied.error()));
}

Result<void> JobSlots::empty_folders(uint32_t number) {
  auto names = usable_folder(paths_.slot(number));
  if (!names) return trash_.discard(paths_.slot(number));
  for (const auto& name : *names) {
    auto path = paths_.slot(number) + "/" + name;
    if (name == "order" || name == "token") continue;
    if ((name == "work" || name == "scratch") && is_usable_and_empty(path)) continue;
    if (::unlink(path.c_str()) == 0) continue;
    TROUPE_TRY(trash_.discard(path));
  }
  return ok();
}

/// An output folder that nothing was written to serves the next experiment.
void JobSlots::spare_output(const JobKey& key, const Slot& slot) {
  if (slot.gang || paths_.outputs_are_shared) return;
  for (auto other = held_.lower_bound(JobKey{JobId{key.job.experiment, "", 0}, 0});
       other != held_.end() && other->first.job.experiment == key.job.experiment; ++other)
    if (!other->second.clean) return;  // its next attempt has begun already
  auto output = paths_.output(key.job.experiment);
  if (!is_untouched_output(output)) return;
  auto target = spare(next_spare_);
  if (::rename(output.c_str(), target.c_str()) != 0 &&
      (!make_dirs(spares_, 0755) || ::rename(output.c_str(), target.c_str()) != 0))
    return;
  spare_outputs_.insert(next_spare_++);
}

}  // namespace troupe::actors
