#include "actors/worker/output_packs.hpp"

#include "actors/worker/checkpoint_look.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace troupe::actors {

namespace {

// A pack has a name and a place for each file: small beside what is remembered of jobs.
constexpr size_t packs_kept = 4;

/// On a thread of its own: without rights a thread that has stepped back cannot come forward again.
template <class Work>
void in_the_background(Work work) {
  std::thread{[&] {
    auto me = static_cast<id_t>(::syscall(SYS_gettid));
    constexpr int least = 19;
    (void)::setpriority(PRIO_PROCESS, me, least);
    // Of ioprio_set(2), whose header C++ cannot read.
    constexpr int of_one_thread = 1, idle = 3 << 13;
    (void)::syscall(SYS_ioprio_set, of_one_thread, me, idle);
    work();
  }}.join();
}

Error not_there(ExperimentId id, const CheckpointSeen& checkpoint) {
  return Error{Errc::not_found,
               fmt::format("checkpoint {} of {} is not there", checkpoint.name, to_string(id)),
               "it was removed or replaced since", "the next one is taken"};
}

std::string name_of(ExperimentId id, const CheckpointSeen& checkpoint) {
  return fmt::format("{}/{}/{}", to_string(id), checkpoint.made_us, checkpoint.name);
}

}  // namespace

std::optional<OutputPacks::Pack> OutputPacks::known(const std::string& name) {
  std::lock_guard guard{mutex_};
  for (const auto& [of, pack] : packs_)
    if (of == name) return pack;
  return std::nullopt;
}

void OutputPacks::remember(std::string name, const Pack& pack) {
  std::lock_guard guard{mutex_};
  std::erase_if(packs_, [&](const auto& one) { return one.first == name; });
  packs_.emplace_front(std::move(name), pack);
  if (packs_.size() > packs_kept) packs_.pop_back();
}

Result<OutputPacks::Pack> OutputPacks::pack(ExperimentId id, const std::string& folder) {
  std::error_code none;
  // An experiment that ended before it was given a folder has no outputs.
  if (!std::filesystem::exists(folder, none)) TROUPE_TRY(make_dirs(folder));
  auto made = dataset::FolderBlocks::pack(folder);
  if (!made) return std::move(made).error();
  for (const auto& note : (*made)->notes())
    log::info("worker", "outputs of {}: {}", to_string(id), note);
  remember(to_string(id), *made);
  return made;
}

Result<OutputPacks::Pack> OutputPacks::last(ExperimentId id, const std::string& folder) {
  if (auto pack = known(to_string(id))) return std::move(*pack);
  return pack(id, folder);
}

Result<OutputPacks::Pack> OutputPacks::pack_checkpoint(ExperimentId id, const std::string& folder,
                                                       const CheckpointSeen& checkpoint) {
  if (!is_there(folder, checkpoint)) return not_there(id, checkpoint);
  Result<Pack> made = Pack{};
  in_the_background([&] { made = dataset::FolderBlocks::pack_one(folder, checkpoint.name); });
  if (!made) return made;
  // What was renamed over it while it was read is another one.
  if (!is_there(folder, checkpoint)) return not_there(id, checkpoint);
  for (const auto& note : (*made)->notes())
    log::info("worker", "checkpoint {} of {}: {}", checkpoint.name, to_string(id), note);
  remember(name_of(id, checkpoint), *made);
  return made;
}

Result<OutputPacks::Pack> OutputPacks::last_checkpoint(ExperimentId id, const std::string& folder,
                                                       const CheckpointSeen& checkpoint) {
  if (auto pack = known(name_of(id, checkpoint))) return std::move(*pack);
  return pack_checkpoint(id, folder, checkpoint);
}

}  // namespace troupe::actors
