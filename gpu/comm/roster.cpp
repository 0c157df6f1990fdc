#include "gpu/comm/roster.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <poll.h>
#include <sstream>
#include <unistd.h>

namespace troupe::comm {

namespace {

using Clock = std::chrono::steady_clock;

// Of what is written in the store, and of how ranks talk.
constexpr int protocol = 1;
constexpr size_t named_max = 8;
constexpr std::chrono::milliseconds write_again{500};

std::string member_key(const Options& options, uint32_t rank) {
  return fmt::format("{}/member/{}", options.name, rank);
}

std::string member_text(const Options& options, const Member& member) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n", protocol, options.size, member.host,
                     to_string(member.address), member.doorbell);
}

Result<Member> parse_member(const Options& options, uint32_t rank, std::istream& lines) {
  std::string version, size, address;
  Member member;
  std::getline(lines, version);
  std::getline(lines, size);
  std::getline(lines, member.host);
  std::getline(lines, address);
  std::getline(lines, member.doorbell);
  if (version != std::to_string(protocol))
    return Error{Errc::invalid, fmt::format("rank {} is of another version", rank),
                 fmt::format("it speaks {}, this rank {}", version, protocol),
                 "run one version of troupe on all ranks"};
  if (size != std::to_string(options.size))
    return Error{
        Errc::invalid, "the ranks disagree how many they are",
        fmt::format("rank {} counts {}, rank {} counts {}", rank, size, options.rank, options.size),
        "give all ranks the same WORLD_SIZE"};
  auto endpoint = parse_endpoint(address);
  if (!endpoint) return std::move(endpoint).error();
  member.address = *endpoint;
  return member;
}

/// Who has not come, and who waits for them.
std::string missing_ranks(const Options& options) {
  std::vector<uint32_t> missing, waiting;
  for (uint32_t rank = 0; rank < options.size && missing.size() <= named_max; ++rank) {
    auto found = options.store->get(member_key(options, rank));
    if (!found) return "the store does not answer";
    (*found ? waiting : missing).push_back(rank);
  }
  auto seconds = std::chrono::ceil<std::chrono::seconds>(options.join_deadline).count();
  // Rank 0 tells the others once all have come.
  if (missing.empty()) return fmt::format("rank 0 has not told of all within {} s", seconds);
  return fmt::format("{} {} not come within {} s; {} {}", name_ranks(missing),
                     missing.size() == 1 ? "has" : "have", seconds, name_ranks(waiting),
                     waiting.size() == 1 ? "waits" : "wait");
}

/// Until the key is written; an error where a rank has said that it will not be. `own` is what this
/// rank has written: a store that was begun anew meanwhile gets it again.
Result<std::string> await_key(const Options& options, const std::string& key,
                              const std::string& own, Moment until) {
  auto wait = 1;
  for (auto written = Clock::now();;) {
    if (Clock::now() - written > write_again) {
      TROUPE_TRY(options.store->set(member_key(options, options.rank), own));
      written = Clock::now();
    }
    auto found = options.store->get(key);
    if (!found) return std::move(found).error();
    if (*found) return std::move(**found);
    auto failure = options.store->get(options.name + "/failure");
    if (failure && *failure) {
      std::istringstream lines{**failure};
      Error error{Errc::invalid, "", "", ""};
      std::string code;
      std::getline(lines, code);
      std::getline(lines, error.what);
      std::getline(lines, error.detail);
      std::getline(lines, error.hint);
      error.code = errc_from_string(code);
      return error;
    }
    if (Clock::now() >= until)
      return Error{Errc::timed_out, "not all ranks have come", missing_ranks(options),
                   "look at the logs of those ranks; all need the same MASTER_ADDR, MASTER_PORT "
                   "and WORLD_SIZE"};
    ::poll(nullptr, 0, wait);
    wait = std::min(wait * 2, 20);
  }
}

}  // namespace

std::string name_ranks(const std::vector<uint32_t>& ranks) {
  auto shown = std::min(ranks.size(), named_max);
  return fmt::format("{} {}{}", ranks.size() == 1 ? "rank" : "ranks",
                     fmt::join(ranks.begin(), ranks.begin() + static_cast<long>(shown), ", "),
                     shown < ranks.size() ? " and others" : "");
}

std::string this_host() {
  auto boot = read_file("/proc/sys/kernel/random/boot_id");
  char network[64] = {};
  auto bytes = ::readlink("/proc/self/ns/net", network, sizeof network - 1);
  return fmt::format("{} {} {}", boot ? boot->substr(0, 36) : "no boot id",
                     bytes > 0 ? network : "net", ::geteuid());
}

Result<std::vector<Member>> gather_roster(const Options& options, const Member& own, Moment until) {
  auto written = member_text(options, own);
  TROUPE_TRY(options.store->set(member_key(options, options.rank), written));
  auto roster_key = options.name + "/roster";
  if (options.rank == 0) {
    std::string roster;
    for (uint32_t rank = 0; rank < options.size; ++rank) {
      auto text = await_key(options, member_key(options, rank), written, until);
      if (!text) return std::move(text).error();
      std::istringstream lines{*text};
      auto member = parse_member(options, rank, lines);
      if (!member) return std::move(member).error();
      roster += *text;
    }
    TROUPE_TRY(options.store->set(roster_key, roster));
  }
  auto text = await_key(options, roster_key, written, until);
  if (!text) return std::move(text).error();
  std::istringstream lines{*text};
  std::vector<Member> members;
  for (uint32_t rank = 0; rank < options.size; ++rank) {
    auto member = parse_member(options, rank, lines);
    if (!member) return std::move(member).error();
    members.push_back(std::move(*member));
  }
  return members;
}

void cancel_roster(const Options& options, const Error& cause) {
  // Who cannot be told will see it by the deadline.
  (void)options.store->set(
      options.name + "/failure",
      fmt::format("{}\n{}\n{}\n{}\n", to_string(cause.code), cause.what, cause.detail, cause.hint));
}

}  // namespace troupe::comm
