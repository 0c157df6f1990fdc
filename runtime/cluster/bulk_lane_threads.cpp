#include "runtime/cluster/bulk_lane_threads.hpp"

#include "runtime/core/log.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/socket.h>
#include <thread>

namespace troupe::cluster {

Result<std::string> admit_worker(const AdmitWorker& admit, const std::string& common_name,
                                 const std::string& hello, const LinkHello& ours) {
  auto name = admit ? admit(common_name) : Result<std::string>{common_name};
  if (!name) return name;
  if (!admit) TROUPE_TRY(check_node_name(*name));
  auto worker = parse_link_hello(hello);
  if (!worker) return std::move(worker).error();
  TROUPE_TRY(check_protocol(*worker, *name, ours));
  return name;
}

Result<std::unique_ptr<BulkLaneThreads>> BulkLaneThreads::start(BulkLaneThreadsOptions options) {
  auto settings = TlsSettings::make(TlsSettings::Side::server, options.authority, options.identity);
  if (!settings) return std::move(settings).error();
  std::unique_ptr<BulkLaneThreads> threads{new BulkLaneThreads{std::move(options)}};
  threads->settings_ = std::move(*settings);
  return threads;
}

BulkLaneThreads::~BulkLaneThreads() {
  std::unique_lock lock{mutex_};
  stopping_ = true;
  for (auto& [number, lane] : lanes_) ::shutdown(lane.socket.get(), SHUT_RDWR);
  ended_.wait(lock, [this] { return lanes_.empty(); });
}

bool BulkLaneThreads::take(UniqueFd& fd) {
  std::lock_guard guard{mutex_};
  if (stopping_ || lanes_.size() >= options_.threads_max) return false;
  auto number = next_++;
  lanes_[number].socket = UniqueFd{::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)};
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
  keep_alive(fd.get());
  std::thread{[this, number, fd = std::move(fd)]() mutable {
    run(number, std::move(fd));
  }}.detach();  // waited for by lanes_, which it leaves last
  return true;
}

void BulkLaneThreads::drop(const std::string& worker) {
  std::lock_guard guard{mutex_};
  for (auto& [number, lane] : lanes_)
    if (lane.worker == worker) ::shutdown(lane.socket.get(), SHUT_RDWR);
}

void BulkLaneThreads::run(uint64_t number, UniqueFd fd) {
  serve(number, std::move(fd));
  std::lock_guard guard{mutex_};
  lanes_.erase(number);
  ended_.notify_all();
}

/// False where it must end: everything stops, or that worker has enough.
bool BulkLaneThreads::note(uint64_t number, const std::string& worker) {
  std::lock_guard guard{mutex_};
  auto same = std::count_if(lanes_.begin(), lanes_.end(),
                            [&](const auto& one) { return one.second.worker == worker; });
  if (stopping_ || static_cast<size_t>(same) >= options_.peer_max) return false;
  lanes_[number].worker = worker;
  return true;
}

void BulkLaneThreads::serve(uint64_t number, UniqueFd fd) {
  auto socket = TlsSocket::accept(*settings_, std::move(fd), options_.greeting_patience);
  auto worker = socket ? greet(**socket) : Result<std::string>{socket.error()};
  if (!worker)
    log::debug("cluster", "a bulk connection ended: {}", to_string(worker.error()));
  else if (note(number, *worker))
    BulkLane{std::move(*socket)}.serve(options_.open, *worker);
}

/// Who it is, once it has been told that it is welcome.
Result<std::string> BulkLaneThreads::greet(TlsSocket& socket) const {
  auto text = read_text(socket, greeting_bytes_max);
  if (!text) return std::move(text).error();
  auto admitted = admit_worker(options_.admit, socket.peer(), *text, options_.hello);
  auto hello = options_.hello;
  hello.time_us = options_.clock->now().us;
  TROUPE_TRY(write_text(socket, admitted ? to_json(hello) : error_json(admitted.error())));
  return admitted;
}

}  // namespace troupe::cluster
