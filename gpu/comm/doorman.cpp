#include "gpu/comm/doorman.hpp"

#include "runtime/core/digest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>

namespace troupe::comm {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t nonce_bytes = 32;
constexpr size_t proof_bytes = 64;
constexpr size_t pending_max = 256;
// A rank answers within a millisecond; a network may lose a packet or two.
constexpr std::chrono::seconds patience{5};

/// The same on all machines that can be ranks of one job: x86-64 and arm64 are little-endian.
struct HelloFrame {
  char magic[8];
  uint32_t purpose, from, to, reserved;
  char nonce[nonce_bytes];
};
static_assert(sizeof(HelloFrame) == 56);
constexpr char magic[8] = {'T', 'R', 'P', 'C', 'O', 'M', 'M', '1'};

/// `side` keeps an answer of one side from being used as one of the other.
std::string proof(const std::string& secret, const char* side, const std::string& hello,
                  const std::string& nonce) {
  return hmac_sha256_hex(secret, std::string{side} + hello + nonce);
}

/// A client of HTTP sends its first line at once.
bool speaks_http(int fd) {
  char first[5];
  if (::recv(fd, first, sizeof first, MSG_PEEK | MSG_DONTWAIT) != sizeof first) return false;
  std::string_view text{first, sizeof first};
  return text == "GET /" || text == "PUT /" || text == "DELET";
}

}  // namespace

Result<void> introduce(int fd, const std::string& secret, const Hello& hello, Moment until) {
  HelloFrame frame{};
  std::memcpy(frame.magic, magic, sizeof magic);
  frame.purpose = static_cast<uint32_t>(hello.purpose);
  frame.from = hello.from;
  frame.to = hello.to;
  std::memcpy(frame.nonce, random_bytes(nonce_bytes).data(), nonce_bytes);
  std::string said{reinterpret_cast<const char*>(&frame), sizeof frame};
  TROUPE_TRY(send_fully(fd, said.data(), said.size(), until));
  std::string answer(nonce_bytes + proof_bytes, '\0');
  TROUPE_TRY(receive_fully(fd, answer.data(), answer.size(), until));
  auto nonce = answer.substr(0, nonce_bytes);
  if (!equal_constant_time(answer.substr(nonce_bytes), proof(secret, "door", said, nonce)))
    return Error{Errc::refused, "the other side is no rank of this job",
                 "it does not know the job's secret",
                 "give all ranks the same TROUPE_JOB_TOKEN, or free the port"};
  auto mine = proof(secret, "guest", said, nonce);
  return send_fully(fd, mine.data(), mine.size(), until);
}

void Doorman::accept_some() {
  while (pending_.size() < pending_max) {
    UniqueFd fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!fd) return;
    pending_.push_back({std::move(fd), Clock::now() + patience, {}, {}, {}});
  }
}

bool Doorman::advance(Pending& pending, bool& done) const {
  if (http_ && pending.came.empty() && pending.expect.empty() && speaks_http(pending.fd.get())) {
    pending.hello.purpose = Purpose::http;
    done = true;
    return true;
  }
  while (true) {
    auto whole = pending.expect.empty() ? sizeof(HelloFrame) : proof_bytes;
    char buffer[sizeof(HelloFrame) + proof_bytes];
    auto came = ::recv(pending.fd.get(), buffer, whole - pending.came.size(), 0);
    if (came < 0) return errno == EAGAIN || errno == EINTR;
    if (came == 0) return false;
    pending.came.append(buffer, static_cast<size_t>(came));
    if (pending.came.size() < whole) continue;
    if (!pending.expect.empty()) {
      done = equal_constant_time(pending.came, pending.expect);
      return done;
    }
    HelloFrame frame{};
    std::memcpy(&frame, pending.came.data(), sizeof frame);
    if (std::memcmp(frame.magic, magic, sizeof magic) != 0) return false;
    pending.hello = {static_cast<Purpose>(frame.purpose), frame.from, frame.to};
    auto nonce = random_bytes(nonce_bytes);
    auto answer = nonce + proof(secret_, "door", pending.came, nonce);
    // A new socket's buffer takes so few bytes at once.
    if (::send(pending.fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(answer.size()))
      return false;
    pending.expect = proof(secret_, "guest", pending.came, nonce);
    pending.came.clear();
  }
}

std::optional<Doorman::Visitor> Doorman::step() {
  accept_some();
  for (size_t i = 0; i < pending_.size();) {
    bool done = false;
    bool stays = advance(pending_[i], done) && Clock::now() < pending_[i].until;
    if (!done && stays) {
      ++i;
      continue;
    }
    auto pending = std::move(pending_[i]);
    pending_.erase(pending_.begin() + static_cast<ptrdiff_t>(i));
    if (done) return Visitor{pending.hello, std::move(pending.fd)};
  }
  return std::nullopt;
}

void Doorman::watch(std::vector<pollfd>& entries, Moment& until) const {
  // Those outside wait their turn while so many are at the door.
  if (pending_.size() < pending_max) entries.push_back({listener_.get(), POLLIN, 0});
  for (const auto& pending : pending_) {
    entries.push_back({pending.fd.get(), POLLIN, 0});
    until = std::min(until, pending.until);
  }
}

Result<Doorman::Visitor> Doorman::next(Moment until) {
  while (true) {
    if (auto visitor = step()) return std::move(*visitor);
    if (Clock::now() >= until) return Error{Errc::timed_out, "nobody has come", "", ""};
    std::vector<pollfd> entries;
    auto wake = until;
    watch(entries, wake);
    ::poll(entries.data(), entries.size(), milliseconds_until(wake));
  }
}

}  // namespace troupe::comm
