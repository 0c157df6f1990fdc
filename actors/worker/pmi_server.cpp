#include "actors/worker/pmi_server.hpp"

#include "actors/worker/run_request.hpp"
#include "actors/worker/store_patience.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/log.hpp"
#include "runtime/launch/pmi1.hpp"
#include "runtime/launch/ports.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::actors {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t line_bytes_max = 8u << 10;  // several times what PMI-1 allows
constexpr std::chrono::milliseconds look_again{5}, step_time_max{500};

struct Client {
  UniqueFd fd;
  std::string text;  // not a whole line yet
};

bool send_line(int fd, const std::string& line) {
  return comm::send_fully(fd, line.data(), line.size(), Clock::now() + std::chrono::seconds{5})
      .has_value();
}

/// The barriers of one line, as the nodes of the gang share them.
class PmiExchange {
 public:
  PmiExchange(const JobOrder& order, uint32_t phase) : order_{order}, phase_{phase} {}

  /// Tells the others what this node has; takes what they have told. False: not all have, yet.
  Result<bool> step(launch::Pmi1& pmi) {
    // Anew each time, for a moment: a thread that waits for another machine cannot be ended.
    auto opened =
        comm::TcpStore::open(store_of(order_), order_.token, false, Clock::now() + step_time_max);
    if (!opened) return std::move(opened).error();
    auto& store = **opened;
    if (next_ == 0) TROUPE_TRY(store.set(key(order_.node_rank), "=" + pmi.puts()));
    for (; next_ < order_.nodes; ++next_) {
      if (next_ == order_.node_rank) continue;
      auto told = store.get(key(next_));
      if (!told) return std::move(told).error();
      if (!*told) return false;
      pmi.merge(std::string_view{**told}.substr(1));
    }
    next_ = 0;
    ++barrier_;
    return true;
  }

 private:
  std::string key(uint32_t job) const {
    return fmt::format("pmi1/{}/{}/{}", phase_, barrier_, job);
  }

  const JobOrder& order_;
  uint32_t phase_;
  uint64_t barrier_ = 0;
  uint32_t next_ = 0;  // job that is to be asked
};

bool has(const JobOrder& order, std::string_view contract) {
  return std::find(order.contracts.begin(), order.contracts.end(), contract) !=
         order.contracts.end();
}

/// Where the processes of that line connect.
std::string pmi_name(const std::string& dir, const JobKey& key, uint32_t phase) {
  return fmt::format("troupe/pmi/{}/{}", sha256_hex(dir).substr(0, 12), run_key(key, phase));
}

}  // namespace

comm::Endpoint store_of(const JobOrder& order) {
  const auto& first = order.hosts.front();
  return {first.address.empty() ? "127.0.0.1" : first.address,
          launch::port_at(first.first_port, launch::Port::store)};
}

bool serves_pmi(const JobOrder& order, uint32_t phase) {
  const auto& line = order.phases[phase];
  return !line.setup && !line.receipt && (has(order, "pmi1") || has(order, "pmix"));
}

std::vector<std::string> pmi_command(const std::string& program, const std::string& dir,
                                     const JobOrder& order, uint32_t phase) {
  auto name = pmi_name(dir, order.key, phase);
  if (has(order, "pmi1")) return {program, "pmi-rank", name, "--"};
  auto store = order.nodes > 1 ? comm::to_string(store_of(order)) : "-";
  auto world = fmt::format("{}.{}.{}", to_string(order.key.job.experiment), order.key.epoch, phase);
  return {program, "pmix-rank", name, world, store, "--"};
}

std::string shared_folder(const std::string& pmi) {
  auto name = pmi;
  std::replace(name.begin(), name.end(), '/', '-');
  return "/dev/shm/" + name;
}

Result<std::unique_ptr<PmiServer>> PmiServer::start(const std::string& dir, const JobOrder& order,
                                                    uint32_t phase) {
  auto name = pmi_name(dir, order.key, phase);
  auto listener = comm::listen_local(name);
  if (!listener) return std::move(listener).error();
  std::unique_ptr<PmiServer> server{new PmiServer};
  server->order_ = order;
  server->phase_ = phase;
  server->shared_folder_ = shared_folder(name);
  server->stop_ = UniqueFd{::eventfd(0, EFD_CLOEXEC)};
  if (!server->stop_) return errno_error(errno, "PMI cannot be served");
  server->thread_ =
      std::thread{[self = server.get(), fd = listener->release()] { self->serve(UniqueFd{fd}); }};
  return server;
}

PmiServer::~PmiServer() {
  if (thread_.joinable()) {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }
  if (!shared_folder_.empty()) (void)remove_tree(shared_folder_);
}

/// The processes of one line, and what they say.
class PmiServer::House {
 public:
  House(const JobOrder& order, uint32_t phase)
      : order_{order}, pmi_{order.nodes, order.processes}, exchange_{order, phase} {}

  uint32_t begun() const { return pmi_.begun(); }
  /// Waits for something to do; false where it is `stop` that came.
  bool wait(int stop, int listener) {
    fds_ = {{stop, POLLIN, 0}, {listener, POLLIN, 0}};
    numbers_.clear();
    for (auto& [number, client] : clients_) {
      fds_.push_back({client.fd.get(), POLLIN, 0});
      numbers_.push_back(number);
    }
    ::poll(fds_.data(), fds_.size(), pmi_.at_barrier() ? static_cast<int>(look_again.count()) : -1);
    return fds_[0].revents == 0;
  }
  void hear(int listener) {
    if ((fds_[1].revents & POLLIN) != 0) let_in(listener);
    for (size_t i = 0; i < numbers_.size(); ++i)
      if (fds_[i + 2].revents != 0) hear_one(numbers_[i]);
  }
  /// Where all wait in a barrier, goes on with it. False: the other nodes cannot be reached.
  bool pass_barrier() {
    if (!pmi_.at_barrier()) return true;
    Result<bool> over = order_.nodes == 1 ? Result<bool>{true} : exchange_.step(pmi_);
    if (over) {
      patience_.answered();
      if (*over) tell(pmi_.release());
      return true;
    }
    if (patience_.lasts()) return true;
    log::warning("pmi", "{}: {}", to_string(order_.key.job), to_string(over.error()));
    return false;
  }

 private:
  void let_in(int listener) {
    UniqueFd fd{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!fd) return;
    if (auto user = comm::peer_user(fd.get()); user && *user == ::geteuid())
      clients_.emplace(next_++, Client{std::move(fd), {}});
  }

  void hear_one(uint32_t number) {
    auto at = clients_.find(number);
    if (at == clients_.end()) return;
    auto& text = at->second.text;
    char bytes[4096];
    auto got = ::read(at->second.fd.get(), bytes, sizeof bytes);
    if (got > 0) text.append(bytes, static_cast<size_t>(got));
    if (got == 0 || (got < 0 && errno != EAGAIN) || text.size() > line_bytes_max) {
      clients_.erase(at);
      return;
    }
    std::vector<launch::Pmi1::Answer> answers;
    for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      auto more = pmi_.line(number, std::string_view{text}.substr(0, end));
      answers.insert(answers.end(), more.begin(), more.end());
      text.erase(0, end + 1);
    }
    tell(answers);
  }

  void tell(const std::vector<launch::Pmi1::Answer>& answers) {
    for (const auto& answer : answers)
      if (auto at = clients_.find(answer.client); at != clients_.end())
        if (!send_line(at->second.fd.get(), answer.line)) clients_.erase(at);
  }

  const JobOrder& order_;
  launch::Pmi1 pmi_;
  PmiExchange exchange_;
  std::map<uint32_t, Client> clients_;
  uint32_t next_ = 0;
  StorePatience patience_;
  std::vector<pollfd> fds_;
  std::vector<uint32_t> numbers_;  // of the clients in these, behind the first two
};

void PmiServer::serve(UniqueFd listener) {
  House house{order_, phase_};
  while (house.wait(stop_.get(), listener.get())) {
    house.hear(listener.get());
    begun_ = house.begun();
    if (!house.pass_barrier()) return;
  }
}

Error become_command(const std::vector<std::string>& command) {
  std::vector<char*> words;
  for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  return errno_error(errno, fmt::format("command cannot be run: {}", command[0]));
}

Error become_pmi_rank(const std::string& name, const std::vector<std::string>& command) {
  auto fd = comm::connect_local(name);
  if (!fd) return std::move(fd).error();
  // The process reads and writes it as a plain file, and gets it by exec.
  auto flags = ::fcntl(fd->get(), F_GETFL);
  if (::fcntl(fd->get(), F_SETFL, flags & ~O_NONBLOCK) != 0 || ::fcntl(fd->get(), F_SETFD, 0) != 0)
    return errno_error(errno, "the connection to PMI cannot be handed on");
  ::setenv("PMI_FD", fmt::to_string(fd->get()).c_str(), 1);
  return become_command(command);
}

}  // namespace troupe::actors
