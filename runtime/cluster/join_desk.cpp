#include "runtime/cluster/join_desk.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"

#include <sstream>

namespace troupe::cluster {

namespace {

constexpr size_t file_bytes_max = 1u << 20;
constexpr size_t removed_bytes_max = 64u << 20;  // a million names

/// What the file holds, or what `make` makes, kept.
template <class Make>
Result<Identity> kept_identity(const std::string& path, Make make) {
  auto kept = read_identity(path);
  if (kept || kept.error().code != Errc::not_found) return kept;
  Result<Identity> made = make();
  if (!made) return made;
  TROUPE_TRY(write_identity(path, *made));
  return made;
}

Result<std::string> kept_secret(const std::string& path) {
  auto kept = read_file(path, file_bytes_max);
  if (kept || kept.error().code != Errc::not_found) return kept;
  auto made = hex(random_bytes(32));
  TROUPE_TRY(replace_file(path, made, 0600));
  return made;
}

}  // namespace

Result<Identity> read_identity(const std::string& path) {
  auto key = read_file(path + ".key", file_bytes_max);
  if (!key) return std::move(key).error();
  auto certificate = read_file(path + ".pem", file_bytes_max);
  if (!certificate) return std::move(certificate).error();
  return Identity{std::move(*key), std::move(*certificate)};
}

Result<void> write_identity(const std::string& path, const Identity& identity) {
  TROUPE_TRY(replace_file(path + ".key", identity.key, 0600));
  return replace_file(path + ".pem", identity.certificate, 0600);
}

JoinDesk::JoinDesk(std::string dir, std::shared_ptr<Clock> clock, Identity authority, Identity head,
                   std::string secret, std::string fingerprint)
    : dir_{std::move(dir)},
      clock_{std::move(clock)},
      authority_{std::move(authority)},
      head_{std::move(head)},
      fingerprint_{std::move(fingerprint)},
      tokens_{std::move(secret)} {}

Result<std::shared_ptr<JoinDesk>> JoinDesk::open(const std::string& dir,
                                                 std::shared_ptr<Clock> clock) {
  auto folder = dir + "/cluster";
  TROUPE_TRY(make_dirs(folder, 0700));
  auto now = clock->now();
  auto authority = kept_identity(folder + "/authority", [&] { return make_authority(now); });
  if (!authority) return std::move(authority).error();
  auto head = kept_identity(folder + "/head", [&] { return make_head_identity(*authority, now); });
  if (!head) return std::move(head).error();
  auto good = verified_name(head->certificate, authority->certificate);
  if (!good) return std::move(good).error();
  auto print = cluster::fingerprint(authority->certificate);
  if (!print) return std::move(print).error();
  auto secret = kept_secret(folder + "/token.secret");
  if (!secret) return std::move(secret).error();
  std::shared_ptr<JoinDesk> desk{new JoinDesk{folder, std::move(clock), std::move(*authority),
                                              std::move(*head), std::move(*secret),
                                              std::move(*print)}};
  auto used = read_file(folder + "/used-tokens", file_bytes_max);
  if (used)
    desk->tokens_.restore(*used);
  else if (used.error().code != Errc::not_found)
    return std::move(used).error();
  auto removed = read_file(folder + "/removed", removed_bytes_max);
  if (!removed && removed.error().code != Errc::not_found) return std::move(removed).error();
  // A line each: "NAME TIMES".
  if (removed) {
    std::istringstream lines{*removed};
    WorkerSubject subject;
    while (lines >> subject.name >> subject.generation)
      desk->removed_[subject.name] = subject.generation;
  }
  return desk;
}

void JoinDesk::set_address(std::string address) {
  std::lock_guard guard{mutex_};
  address_ = std::move(address);
}

std::string JoinDesk::make_token(Duration life) {
  std::lock_guard guard{mutex_};
  return to_string(tokens_.make(address_, fingerprint_, clock_->now(), life));
}

Result<std::string> JoinDesk::join(const JoinRequest& request) {
  std::lock_guard guard{mutex_};
  auto token = parse_join_token(request.token);
  if (!token) return std::move(token).error();
  TROUPE_TRY(check_node_name(request.name));
  auto key = key_digest(request.key_request);
  if (!key) return std::move(key).error();
  auto now = clock_->now();
  TROUPE_TRY(tokens_.redeem(*token, *key, now));
  TROUPE_TRY(replace_file(dir_ + "/used-tokens", tokens_.used(), 0600));
  auto removed = removed_.find(request.name);
  return sign_worker(authority_, request.key_request, request.name, now,
                     removed == removed_.end() ? 0 : removed->second);
}

Result<void> JoinDesk::remove(const std::string& name) {
  TROUPE_TRY(check_node_name(name));
  std::lock_guard guard{mutex_};
  auto removed = removed_;
  ++removed[name];
  std::string lines;
  for (const auto& [each, times] : removed) lines += each + " " + std::to_string(times) + "\n";
  TROUPE_TRY(replace_file(dir_ + "/removed", lines, 0600));
  removed_ = std::move(removed);
  return ok();
}

Result<std::string> JoinDesk::admit(const std::string& common_name) {
  auto subject = parse_common_name(common_name);
  if (!subject) return std::move(subject).error();
  std::lock_guard guard{mutex_};
  auto removed = removed_.find(subject->name);
  if (removed == removed_.end() || subject->generation >= removed->second)
    return std::move(subject->name);
  return Error{Errc::refused, "worker " + subject->name + " may not join",
               "it was removed from the cluster, and its certificate is good for nothing now",
               "to let it back: troupe token join on the head; there, take <dir>/cluster away and "
               "start it with the token"};
}

}  // namespace troupe::cluster
