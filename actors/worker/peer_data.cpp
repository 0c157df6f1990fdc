#include "actors/worker/peer_data.hpp"

#include "actors/bulk_words.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <sstream>

namespace troupe::actors {

namespace {

using dataset::Block;
using dataset::ContentId;
using std::chrono::milliseconds;

constexpr size_t sources_max = 8;
constexpr size_t sources_bytes_max = 64u << 10;
constexpr auto sources_limit = std::chrono::seconds{5};
constexpr auto manifest_limit = std::chrono::minutes{5};
// Blocks on their way from one worker; before the first has come, one: it may be dead.
constexpr uint32_t in_flight_max = 4;
// Who is so many times slower than the fastest, measured over so many blocks, is given up.
constexpr double slower_max = 8;
constexpr uint32_t measured_min = 8;

struct Source {
  std::string name;
  std::shared_ptr<cluster::BulkPort> port;
  bool is_head = false;
  bool left = false;
  uint32_t in_flight = 0;
  uint32_t blocks = 0;
  double seconds_a_byte = 0;  // a running mean
};
using SourceRef = std::shared_ptr<Source>;

class PeerVersion final : public VersionSource {
 public:
  PeerVersion(std::shared_ptr<cluster::BulkPort> head, const OpenPeer& open_peer,
              const OpenHead& open_head, std::shared_ptr<Clock> clock, PeerPatience patience,
              const ContentId& id)
      : clock_{std::move(clock)}, patience_{patience}, id_{id} {
    find_sources(*head, open_peer);
    if (open_head)
      if (auto quick = open_head(); quick) head_blocks_ = std::move(*quick);
    sources_.push_back(std::make_shared<Source>(
        Source{.name = "the head", .port = std::move(head), .is_head = true}));
  }

  Result<std::string> manifest() override;
  Result<void> block(uint32_t number, const Block& block, char* to) override;
  bool refused(uint32_t number) override;
  Givers givers() const override;

 private:
  void find_sources(cluster::BulkPort& head, const OpenPeer& open_peer);
  SourceRef take(std::unique_lock<std::mutex>& lock);
  Result<void> fetch(const Source& source, uint32_t number, const Block& block, char* to) const;
  SourceRef free_peer() const;
  bool has_peers() const;
  void leave(Source& source, std::string why);
  void measure(Source& source, size_t bytes, double seconds);
  milliseconds limit_of(const Source& source, size_t bytes) const;

  std::shared_ptr<Clock> clock_;
  PeerPatience patience_;
  ContentId id_;
  mutable std::mutex mutex_;
  std::condition_variable came_back_;
  std::shared_ptr<cluster::BulkPort> head_blocks_;  // may be null
  std::vector<SourceRef> sources_;                  // the nearest first, the head last
  std::map<uint32_t, SourceRef> given_by_;
  std::vector<std::string> left_;
};

void PeerVersion::find_sources(cluster::BulkPort& head, const OpenPeer& open_peer) {
  auto text = ask_and_wait(head, ask_sources(to_string(id_)), sources_bytes_max, sources_limit);
  if (!text) {
    log::info("cache", "no other workers are known that have {}: {}", to_string(id_),
              to_string(text.error()));
    return;
  }
  std::istringstream lines{*text};
  std::string name, address;
  while (sources_.size() < sources_max && lines >> name >> address) {
    auto port = open_peer(name, address);
    if (!port) {
      left_.push_back(fmt::format("node {}: {}", name, to_string(port.error())));
      continue;
    }
    sources_.push_back(
        std::make_shared<Source>(Source{.name = "node " + name, .port = std::move(*port)}));
  }
}

/// From the head, which is asked first: it has it, and it is small. From others where it cannot.
Result<std::string> PeerVersion::manifest() {
  Result<std::string> first = Error{};
  for (auto at = sources_.rbegin(); at != sources_.rend(); ++at) {
    auto& source = **at;
    auto bytes = ask_and_wait(*source.port, ask_manifest(to_string(id_)),
                              dataset::limits::manifest_bytes_max, manifest_limit);
    bool good = bytes && dataset::content_id_of(*bytes) == id_;
    if (good) return bytes;
    if (source.is_head)
      first = std::move(bytes);
    else
      leave(source, bytes ? "it sent another manifest" : to_string(bytes.error()));
  }
  return first;
}

bool PeerVersion::has_peers() const {
  return std::any_of(sources_.begin(), sources_.end(),
                     [](const SourceRef& one) { return !one->is_head && !one->left; });
}

/// The one with the fewest blocks on their way, then the nearest; null where all have enough.
SourceRef PeerVersion::free_peer() const {
  SourceRef best;
  for (const auto& one : sources_) {
    if (one->is_head || one->left) continue;
    if (one->in_flight >= (one->blocks == 0 ? 1 : in_flight_max)) continue;
    if (!best || one->in_flight < best->in_flight) best = one;
  }
  return best;
}

/// Waits where all workers are busy. Null: nobody is left.
SourceRef PeerVersion::take(std::unique_lock<std::mutex>& lock) {
  auto& head = sources_.back();
  SourceRef found;
  auto ready = [&] {
    found = free_peer();
    return found || !has_peers();
  };
  if (!ready() && !came_back_.wait_for(lock, patience_.first, ready) && !head->left) found = head;
  while (!found && has_peers()) came_back_.wait(lock, ready);
  if (!found && !head->left) found = head;
  if (found) ++found->in_flight;
  return found;
}

milliseconds PeerVersion::limit_of(const Source& source, size_t bytes) const {
  if (source.is_head) return std::chrono::minutes{50};  // there is nobody behind it
  return patience_.block + milliseconds{bytes * 1000 / patience_.bytes_a_second_min};
}

Result<void> PeerVersion::fetch(const Source& source, uint32_t number, const Block& block,
                                char* to) const {
  auto limit = limit_of(source, block.bytes());
  if (!source.is_head)
    return ask_into(*source.port, ask_worker_block(to_string(id_), number, to_string(block.id)), to,
                    block.bytes(), limit);
  auto request = ask_block(to_string(block.id));
  if (head_blocks_) {
    auto done = ask_into(*head_blocks_, request, to, block.bytes(), limit);
    if (done || done.error().code != Errc::unavailable) return done;
  }
  return ask_into(*source.port, request, to, block.bytes(), limit);  // waits until it is there
}

Result<void> PeerVersion::block(uint32_t number, const Block& block, char* to) {
  Result<void> last = Error{Errc::unavailable, "a block was not fetched",
                            "nobody is left who has it", "is the head up?"};
  for (;;) {
    std::unique_lock lock{mutex_};
    auto source = take(lock);
    if (!source) return last;
    lock.unlock();
    auto asked = clock_->monotonic();
    auto done = fetch(*source, number, block, to);
    auto seconds = std::chrono::duration<double>(clock_->monotonic() - asked).count();
    lock.lock();
    --source->in_flight;
    came_back_.notify_all();
    if (done) {
      ++source->blocks;
      given_by_[number] = source;
      measure(*source, block.bytes(), seconds);
      return ok();
    }
    leave(*source, to_string(done.error()));
    last = std::move(done);
  }
}

/// Under the mutex.
void PeerVersion::leave(Source& source, std::string why) {
  if (std::exchange(source.left, true)) return;
  left_.push_back(fmt::format("{} was left: {}", source.name, why));
}

void PeerVersion::measure(Source& source, size_t bytes, double seconds) {
  auto now = seconds / static_cast<double>(bytes);
  constexpr double weight = 0.2;
  source.seconds_a_byte =
      source.blocks <= 1 ? now : (1 - weight) * source.seconds_a_byte + weight * now;
  if (source.is_head || source.blocks < measured_min) return;
  for (const auto& other : sources_)
    if (!other->left && !other->is_head && other->blocks >= measured_min &&
        source.seconds_a_byte > slower_max * other->seconds_a_byte)
      return leave(source, fmt::format("it is {:.0f} times slower than {}",
                                       source.seconds_a_byte / other->seconds_a_byte, other->name));
}

/// What the head itself has wrong nobody can make good.
bool PeerVersion::refused(uint32_t number) {
  std::lock_guard guard{mutex_};
  auto by = given_by_.extract(number);
  if (!by) return false;
  leave(*by.mapped(), fmt::format("what it sent for block {} has another digest", number));
  came_back_.notify_all();
  return std::any_of(sources_.begin(), sources_.end(),
                     [](const SourceRef& one) { return !one->left; });
}

VersionSource::Givers PeerVersion::givers() const {
  std::lock_guard guard{mutex_};
  Givers givers;
  for (const auto& one : sources_)
    if (one->blocks != 0) givers.gave.push_back(one->name);
  givers.left = left_;
  return givers;
}

}  // namespace

std::unique_ptr<VersionSource> PeerData::version(const ContentId& id) {
  return std::make_unique<PeerVersion>(head_, open_peer_, open_head_, clock_, patience_, id);
}

}  // namespace troupe::actors
