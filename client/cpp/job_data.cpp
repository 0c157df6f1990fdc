#include "client/cpp/job_data.hpp"

#include "runtime/core/variable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <unistd.h>

namespace troupe::job {

namespace {

constexpr std::string_view prefix = "TROUPE_RECORDS_";

/// "mnist, prices": the datasets of this job.
std::string names_here() {
  std::string names;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    std::string_view text{*variable};
    if (!text.starts_with(prefix)) continue;
    std::string name{text.substr(prefix.size(), text.find('=') - prefix.size())};
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

Result<uint32_t> number_of(const char* variable, uint32_t otherwise) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return otherwise;
  std::string_view all{text};
  uint32_t value = 0;
  auto [end, code] = std::from_chars(all.data(), all.data() + all.size(), value);
  if (code == std::errc{} && end == all.data() + all.size()) return value;
  return Error{Errc::invalid, "this rank's share of the records is not known",
               fmt::format("{} is \"{}\", which is no number", variable, all.substr(0, 100)),
               "leave RANK and WORLD_SIZE as the job has them, or unset both"};
}

}  // namespace

Result<std::shared_ptr<const dataset::SealedFile>> open_dataset(std::string_view name) {
  auto variable = std::string{prefix} + variable_part(name);
  if (const char* folder = std::getenv(variable.c_str())) return dataset::SealedFile::open(folder);
  auto names = names_here();
  return Error{Errc::not_found, fmt::format("there is no dataset {} here", name),
               names.empty() ? "this is no job, or one without datasets" : "the job has " + names,
               fmt::format("submit with --data {}", name)};
}

Result<dataset::Shard> open_shard(uint64_t count, uint64_t seed, std::string_view cursor,
                                  bool shuffle) {
  auto rank = number_of("RANK", 0);
  if (!rank) return std::move(rank).error();
  auto ranks = number_of("WORLD_SIZE", 1);
  if (!ranks) return std::move(ranks).error();
  dataset::Cursor from{.seed = seed};
  if (!cursor.empty()) {
    auto parsed = dataset::parse_cursor(cursor);
    if (!parsed) return std::move(parsed).error();
    from = *parsed;
  }
  return dataset::Shard::open({count, *rank, *ranks, shuffle}, from);
}

}  // namespace troupe::job
