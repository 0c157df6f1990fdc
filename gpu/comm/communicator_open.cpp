#include "gpu/comm/communicator_state.hpp"
#include "gpu/comm/doorman.hpp"
#include "runtime/core/digest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <poll.h>
#include <unistd.h>

namespace troupe::comm {

namespace {

using Clock = std::chrono::steady_clock;

// The store is rank 0's: when it gives up, the others must still be able to read why.
constexpr std::chrono::milliseconds linger{300};

}  // namespace

Result<std::unique_ptr<Communicator>> Communicator::open(const Options& options) {
  if (options.size == 0 || options.rank >= options.size)
    return Error{Errc::invalid, fmt::format("there is no rank {}", options.rank),
                 fmt::format("{} ranks are numbered from 0", options.size), ""};
  auto state = std::make_unique<State>();
  state->options = options;
  if (!state->options.store) {
    if (options.size != 1)
      return Error{Errc::invalid, "the ranks cannot find each other", "there is no store", ""};
    state->options.store = std::make_shared<MemoryStore>();
  }
  auto joined = state->join(Clock::now() + options.join_deadline);
  if (!joined) {
    auto cause = state->fail(joined.error());
    cancel_roster(state->options, cause);
    if (options.rank == 0 && options.size > 1) ::poll(nullptr, 0, static_cast<int>(linger.count()));
    return cause;
  }
  std::unique_ptr<Communicator> communicator{new Communicator{std::move(state)}};
  // When all have come here, nobody needs the store any more.
  TROUPE_TRY(communicator->barrier());
  communicator->state_->options.store.reset();
  communicator->state_->pace = Pace::open(options.size);
  return communicator;
}

Result<void> Communicator::State::join(Moment until) {
  Member own;
  own.host = !options.shared_memory ? fmt::format("rank {} alone", rank())
             : options.host.empty() ? this_host()
                                    : options.host;
  auto address = options.address.empty() ? options.store->own_address() : options.address;
  auto listener = listen_tcp({address, 0});
  if (!listener) return std::move(listener).error();
  own.address = {address, listener->port};
  own.doorbell = "troupe-" + hex(random_bytes(16));
  auto doorbell = listen_local(own.doorbell);
  if (!doorbell) return std::move(doorbell).error();
  auto roster = gather_roster(options, own, until);
  if (!roster) return std::move(roster).error();
  members = std::move(*roster);
  std::map<std::string, uint32_t> ranks_of;
  for (const auto& member : members) ++ranks_of[member.host];
  hosts = static_cast<uint32_t>(ranks_of.size());
  for (const auto& [host, count] : ranks_of) alike = alike && count == ranks_of.begin()->second;
  for (uint32_t other = 0; other < size(); ++other)
    if (members[other].host == own.host) neighbours.push_back(other);
  if (hosts < size() || size() == 1) TROUPE_TRY(share_memory(std::move(*doorbell), until));
  TROUPE_TRY(connect(std::move(listener->fd), until));
  build_groups();
  return ok();
}

Result<void> Communicator::State::share_memory(UniqueFd doorbell, Moment until) {
  auto count = static_cast<uint32_t>(neighbours.size());
  auto shape = shape_for(count);
  auto patience = options.patience;
  // Looking for long takes the processor from the ranks that are looked for.
  if (static_cast<long>(count) > ::sysconf(_SC_NPROCESSORS_ONLN)) patience.spins /= 20;
  options.patience = patience;
  auto leader = neighbours.front();
  UniqueFd memory;
  if (rank() == leader) {
    auto made = Segment::create(shape, "troupe-" + options.name);
    if (!made) return std::move(made).error();
    memory = std::move(*made);
    Doorman door{std::move(doorbell), options.secret};
    for (uint32_t given = 1; given < count;) {
      auto visitor = door.next(until);
      if (!visitor)
        return Error{Errc::timed_out, "not all ranks of this host have come",
                     fmt::format("{} of {} have", given, count), "look at their logs"};
      auto user = peer_user(visitor->fd.get());
      if (!user || (*user != ::geteuid() && *user != 0)) continue;
      TROUPE_TRY(send_descriptor(visitor->fd.get(), memory.get(), until));
      ++given;
    }
  } else {
    auto fd = connect_local(members[leader].doorbell);
    if (!fd) return std::move(fd).error();
    TROUPE_TRY(introduce(fd->get(), options.secret, {Purpose::memory, rank(), leader}, until));
    auto given = receive_descriptor(fd->get(), until);
    if (!given) return std::move(given).error();
    memory = std::move(*given);
  }
  auto place = std::find(neighbours.begin(), neighbours.end(), rank()) - neighbours.begin();
  auto attached =
      Segment::attach(std::move(memory), shape, static_cast<uint32_t>(place), rank(), patience);
  if (!attached) return std::move(attached).error();
  segment.emplace(std::move(*attached));
  segment->also_watch([this] { return controls.check(); });
  // Whose state is not written yet would look like nobody's.
  for (uint32_t other = 0; other < count; ++other)
    while (segment->state(other).presence.load() == 0) {
      if (Clock::now() >= until)
        return Error{Errc::timed_out, fmt::format("rank {} did not come", neighbours[other]), "",
                     ""};
      ::poll(nullptr, 0, 1);
    }
  return ok();
}

Result<void> Communicator::State::connect(UniqueFd listener, Moment until) {
  links.resize(size());
  uint32_t awaited = 0;
  for (uint32_t other = 0; other < size(); ++other) {
    if (other == rank()) continue;
    auto place = std::find(neighbours.begin(), neighbours.end(), other);
    if (place != neighbours.end()) {
      auto at = static_cast<uint32_t>(place - neighbours.begin());
      links[other] = std::make_unique<MemoryLink>(*segment, at);
    } else if (other > rank()) {
      awaited += 2;
    } else {
      for (auto purpose : {Purpose::data, Purpose::control}) {
        auto fd = connect_tcp(members[other].address, until);
        if (!fd) {
          auto error = std::move(fd).error();
          error.what = fmt::format("rank {} cannot reach rank {}: {}", rank(), other, error.what);
          return error;
        }
        tune_stream(fd->get());
        TROUPE_TRY(introduce(fd->get(), options.secret, {purpose, rank(), other}, until));
        if (purpose == Purpose::data)
          links[other] = std::make_unique<TcpLink>(std::move(*fd), other);
        else
          TROUPE_TRY(controls.add(std::move(*fd), other));
      }
    }
  }
  Doorman door{std::move(listener), options.secret};
  std::vector<bool> controlled(size());
  while (awaited != 0) {
    auto visitor = door.next(until);
    if (!visitor)
      return Error{Errc::timed_out, fmt::format("ranks did not connect to rank {}", rank()),
                   fmt::format("{} connections are missing", awaited),
                   fmt::format("see that {} can be reached from the other hosts",
                               to_string(members[rank()].address))};
    auto from = visitor->hello.from;
    if (visitor->hello.to != rank() || from >= size() || from <= rank()) continue;
    tune_stream(visitor->fd.get());
    if (visitor->hello.purpose == Purpose::data && !links[from]) {
      links[from] = std::make_unique<TcpLink>(std::move(visitor->fd), from);
    } else if (visitor->hello.purpose == Purpose::control && !controlled[from]) {
      TROUPE_TRY(controls.add(std::move(visitor->fd), from));
      controlled[from] = true;
    } else {
      continue;
    }
    --awaited;
  }
  return ok();
}

void Communicator::State::build_groups() {
  auto* shared = segment ? &*segment : nullptr;
  if (segment) local.emplace(*segment);
  LinkWaiter waiter{shared, &controls, options.patience};
  std::vector<Link*> all;
  for (const auto& link : links) all.push_back(link.get());
  world.emplace(std::move(all), rank(), waiter);
  if (is_one_host() || !segment) return;
  // One rank of each host: the one with this one's place, or the first where the hosts differ.
  auto place = static_cast<size_t>(std::find(neighbours.begin(), neighbours.end(), rank()) -
                                   neighbours.begin());
  if (!alike && place != 0) return;
  std::map<std::string, size_t> seen;
  std::vector<Link*> column;
  uint32_t me = 0;
  for (uint32_t other = 0; other < size(); ++other) {
    if (seen[members[other].host]++ != place) continue;
    if (other == rank()) me = static_cast<uint32_t>(column.size());
    column.push_back(links[other].get());
  }
  across.emplace(std::move(column), me, waiter);
}

}  // namespace troupe::comm
