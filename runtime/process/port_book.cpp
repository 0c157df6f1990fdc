#include "runtime/process/port_book.hpp"

#include "runtime/process/launcher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace troupe::process {

namespace {

/// Empty where somebody else has that name.
UniqueFd name_block(uint16_t first) {
  UniqueFd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto name = fmt::format("troupe/ports/{}", first);
  std::memcpy(address.sun_path + 1, name.data(), name.size());  // behind a NUL: not in any folder
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return {};
  return fd;
}

/// Empty where the port is in use, or was a moment ago: a job that does not say SO_REUSEADDR could
/// not take it either.
UniqueFd bind_port(uint16_t port) {
  UniqueFd fd{::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  int off = 0;
  if (fd && ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) {
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(port);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) == 0) return fd;
    if (errno == EADDRINUSE) return {};
  }
  // A machine without IPv6.
  fd = UniqueFd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(port);
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) return {};
  return fd;
}

}  // namespace

PortBook::PortBook(uint16_t begin, uint16_t end) : begin_{begin}, end_{end} {
  // Books of one machine begin at different places, so they seldom ask for the same.
  auto blocks = static_cast<uint32_t>(std::max(1, (end - begin) / block));
  next_ = static_cast<uint16_t>(begin + static_cast<uint32_t>(::getpid()) * 7919u % blocks * block);
}

bool PortBook::name_blocks(uint16_t first, uint32_t blocks, Taken& out) {
  for (uint32_t i = 0; i < blocks; ++i) {
    auto at = static_cast<uint16_t>(first + i * block);
    auto spare = std::find_if(spare_.begin(), spare_.end(),
                              [&](const auto& entry) { return entry.first == at; });
    UniqueFd name;
    if (spare != spare_.end()) {
      name = std::move(spare->second);
      spare_.erase(spare);
    } else {
      name = name_block(at);
    }
    if (!name) return false;
    out.names.emplace_back(at, std::move(name));
  }
  return true;
}

bool PortBook::hold(uint16_t first, uint32_t count, Taken& out) {
  for (uint32_t i = 0; i < count; ++i) {
    auto fd = bind_port(static_cast<uint16_t>(first + i));
    if (!fd) return false;
    out.held.push_back(std::move(fd));
  }
  return true;
}

void PortBook::give_up(Taken taken) {
  for (auto& name : taken.names)
    if (spare_.size() < spare_max) spare_.push_back(std::move(name));
}

Result<uint16_t> PortBook::take(const std::string& job, uint32_t count, uint32_t held) {
  std::lock_guard lock{mutex_};
  if (auto known = jobs_.find(job); known != jobs_.end()) return known->second.first;
  auto blocks = std::max(1u, (count + block - 1) / block);
  auto attempt = [&](uint16_t first) {
    Taken taken;
    taken.first = first;
    if (name_blocks(first, blocks, taken) && hold(first, std::min(held, count), taken)) {
      jobs_.emplace(job, std::move(taken));
      return true;
    }
    give_up(std::move(taken));
    return false;
  };
  if (blocks == 1)
    for (size_t tries = spare_.size(); tries > 0 && !spare_.empty(); --tries)
      if (auto first = spare_.front().first; attempt(first)) return first;
  uint32_t all = (end_ - begin_) / block;
  for (uint32_t tries = 0; tries < all; ++tries) {
    if (next_ + blocks * block > end_) next_ = begin_;
    if (next_ + blocks * block > end_) break;
    auto first = next_;
    next_ = static_cast<uint16_t>(next_ + block);
    if (attempt(first)) return first;
  }
  return Error{Errc::exhausted, fmt::format("no ports are free for job {}", name_of(job)),
               fmt::format("it needs {} neighbouring ones, and of {} to {} too few are left", count,
                           begin_, end_ - 1),
               "wait for other jobs of that machine to end, or see what uses them: ss -tlnp"};
}

void PortBook::keep(const std::string& job, uint16_t first, uint32_t count) {
  std::lock_guard lock{mutex_};
  if (first < begin_ || first >= end_ || jobs_.contains(job)) return;
  Taken taken;
  taken.first = first;
  // A name that is gone to somebody else meanwhile cannot be had back; the ports are in use.
  (void)name_blocks(first, std::max(1u, (count + block - 1) / block), taken);
  jobs_.emplace(job, std::move(taken));
}

void PortBook::let_go(const std::string& job) {
  std::lock_guard lock{mutex_};
  if (auto known = jobs_.find(job); known != jobs_.end()) known->second.held.clear();
}

void PortBook::let_go(const std::string& job, uint32_t place) {
  std::lock_guard lock{mutex_};
  if (auto known = jobs_.find(job); known != jobs_.end() && place < known->second.held.size())
    known->second.held[place].reset();
}

void PortBook::release(const std::string& job) {
  std::lock_guard lock{mutex_};
  if (auto known = jobs_.extract(job)) give_up(std::move(known.mapped()));
}

}  // namespace troupe::process
