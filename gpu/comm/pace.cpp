#include "gpu/comm/pace.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace troupe::comm {

namespace {

/// That one communicator of this process tells.
std::atomic_flag taken;

std::optional<uint32_t> number(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  uint32_t value = 0;
  const auto* end = text + std::strlen(text);
  auto [rest, code] = std::from_chars(text, end, value);
  if (code != std::errc{} || rest != end) return std::nullopt;
  return value;
}

}  // namespace

std::optional<PaceSeen> seen_pace(std::string_view bytes, uint32_t local_rank) {
  if (bytes.size() / sizeof(PaceRecord) <= local_rank) return std::nullopt;
  uint64_t words[3];
  std::memcpy(words, bytes.data() + local_rank * sizeof(PaceRecord), sizeof words);
  auto [begun, waited, ended] = words;
  if (begun == 0 || begun != ended) return std::nullopt;
  return PaceSeen{begun, std::chrono::nanoseconds{waited}};
}

std::unique_ptr<Pace> Pace::open(uint32_t size) {
  const char* path = std::getenv("TROUPE_PACE");
  auto local = number("LOCAL_RANK");
  if (path == nullptr || !local || number("WORLD_SIZE") != size || size < 2) return nullptr;
  constexpr uint32_t local_ranks_max = 1u << 16;
  if (*local >= local_ranks_max || taken.test_and_set()) return nullptr;
  auto bytes = (*local + 1) * sizeof(PaceRecord);
  UniqueFd fd{::open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  // Grown by a byte that nobody reads: others may be further.
  void* base = MAP_FAILED;
  if (fd && ::pwrite(fd.get(), "", 1, static_cast<off_t>(bytes - 1)) == 1)
    base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (base == MAP_FAILED) {
    taken.clear();
    return nullptr;
  }
  auto* record = static_cast<PaceRecord*>(base) + *local;
  for (auto* word : {&record->begun, &record->waited_ns, &record->ended}) word->store(0);
  return std::unique_ptr<Pace>{new Pace{base, bytes, record}};
}

std::unique_ptr<Pace> Pace::open_of_environment() {
  return open(number("WORLD_SIZE").value_or(0));
}

Pace::~Pace() {
  ::munmap(base_, bytes_);
  taken.clear();
}

void Pace::note(std::chrono::nanoseconds waited) {
  auto calls = record_->ended.load(std::memory_order_relaxed) + 1;
  record_->begun.store(calls, std::memory_order_relaxed);
  // Not before the store above.
  record_->waited_ns.store(static_cast<uint64_t>(waited.count()), std::memory_order_release);
  record_->ended.store(calls, std::memory_order_release);
}

}  // namespace troupe::comm
