#include "actors/worker/output_packs.hpp"

#include "runtime/core/log.hpp"

#include <algorithm>
#include <filesystem>

namespace troupe::actors {

namespace {

// A pack has a name and a place for each file: small beside what is remembered of jobs.
constexpr size_t packs_kept = 4;

}  // namespace

Result<OutputPacks::Pack> OutputPacks::pack(ExperimentId id, const std::string& folder) {
  std::error_code none;
  // An experiment that ended before it was given a folder has no outputs.
  if (!std::filesystem::exists(folder, none)) TROUPE_TRY(make_dirs(folder));
  auto made = dataset::FolderBlocks::pack(folder);
  if (!made) return std::move(made).error();
  for (const auto& note : (*made)->notes())
    log::info("worker", "outputs of {}: {}", to_string(id), note);
  std::lock_guard guard{mutex_};
  std::erase_if(packs_, [&](const auto& one) { return one.first == id; });
  packs_.emplace_front(id, *made);
  if (packs_.size() > packs_kept) packs_.pop_back();
  return made;
}

Result<OutputPacks::Pack> OutputPacks::last(ExperimentId id, const std::string& folder) {
  {
    std::lock_guard guard{mutex_};
    for (const auto& [of, pack] : packs_)
      if (of == id) return pack;
  }
  return pack(id, folder);
}

}  // namespace troupe::actors
