// A rank on its way to its command: finds the server of its node, or becomes its parent.
#include "actors/worker/pmi_server.hpp"
#include "actors/worker/pmix_server.hpp"
#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::actors {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// The first rank of a node makes the server, and may start later than the others.
constexpr auto server_patience = 60s;
constexpr auto ask_again = 5ms;

std::string text_of(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<uint32_t> number_of(const char* name) {
  auto text = text_of(name);
  uint32_t number = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || code != std::errc{} || end != text.data() + text.size())
    return Error{Errc::invalid, fmt::format("{} is \"{}\"", name, text), "no number",
                 "leave the variables of Troupe as they are"};
  return number;
}

/// One host a line, with more words behind it. Workers of one machine have one address, but are
/// nodes of their own: ranks of different ones do not see each other's memory.
Result<std::vector<std::string>> hosts_of(const std::string& path) {
  auto text = read_file(path, 16u << 20);
  if (!text) return std::move(text).error();
  std::vector<std::string> hosts;
  std::istringstream lines{*text};
  for (std::string line; std::getline(lines, line);)
    if (auto host = line.substr(0, line.find(' ')); !host.empty()) {
      bool again = std::find(hosts.begin(), hosts.end(), host) != hosts.end();
      hosts.push_back(again ? fmt::format("{}-{}", host, hosts.size()) : host);
    }
  return hosts;
}

Result<PmixWorld> world_of(const std::string& pmi, const std::string& name,
                           const std::string& store) {
  PmixWorld world;
  world.pmi = pmi;
  world.name = name;
  auto hosts = hosts_of(text_of("TROUPE_HOSTFILE"));
  auto node = number_of("TROUPE_NODE_RANK");
  auto processes = number_of("LOCAL_WORLD_SIZE");
  for (const auto* problem : {hosts ? nullptr : &hosts.error(), node ? nullptr : &node.error(),
                              processes ? nullptr : &processes.error()})
    if (problem != nullptr) return *problem;
  world.hosts = std::move(*hosts);
  world.node = *node;
  world.processes = *processes;
  world.folder = text_of("TMPDIR").empty() ? "/tmp" : text_of("TMPDIR");
  if (store == "-") return world;
  auto at = comm::parse_endpoint(store);
  auto secret = read_file(text_of("TROUPE_TOKEN_FILE"), 4096);
  if (!at) return std::move(at).error();
  if (!secret) return std::move(secret).error();
  while (!secret->empty() && secret->back() == '\n') secret->pop_back();
  world.store = *at;
  world.secret = std::move(*secret);
  return world;
}

/// In a session of its own: it has to outlive the first rank, whose processes are ended with it.
Result<void> start_server(const PmixWorld& world) {
  auto listener = comm::listen_local(world.pmi + "/pmix");
  if (!listener) return std::move(listener).error();
  auto pid = ::fork();
  if (pid < 0) return errno_error(errno, "PMIx cannot be served");
  if (pid > 0) return ok();
  ::setsid();
  ::prctl(PR_SET_NAME, "troupe-pmix");
  // A job that is told to stop says so to its ranks, which may need the server to end in order.
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
  // Nobody reads what it would say, and whoever reads the job's output would wait for its end.
  if (int null = ::open("/dev/null", O_RDWR | O_CLOEXEC); null >= 0)
    for (int stream : {0, 1, 2}) ::dup2(null, stream);
  serve_pmix(world, std::move(*listener));
  ::_exit(0);
}

/// The variables by which PMIx finds the server; the connection stays open as long as the rank
/// lives, so that the server sees its end.
Result<std::vector<std::string>> ask_server(const std::string& pmi, uint32_t rank) {
  auto until = Clock::now() + server_patience;
  auto fd = comm::connect_local(pmi + "/pmix");
  while (!fd && Clock::now() < until) {
    // tidy: allow sleep: the server is another process, which may not have begun
    ::usleep(std::chrono::microseconds{ask_again}.count());
    fd = comm::connect_local(pmi + "/pmix");
  }
  if (!fd) return std::move(fd).error();
  if (auto user = comm::peer_user(fd->get()); !user || *user != ::geteuid())
    return Error{Errc::refused, "PMIx is served by somebody else", "not by this user", ""};
  TROUPE_TRY(comm::send_fully(fd->get(), &rank, sizeof rank, until));
  uint32_t bytes = 0;
  TROUPE_TRY(comm::receive_fully(fd->get(), &bytes, sizeof bytes, until));
  std::string text(std::min(bytes, 1u << 20), '\0');
  TROUPE_TRY(comm::receive_fully(fd->get(), text.data(), text.size(), until));
  if (text.starts_with("!"))
    return Error{Errc::unavailable, "PMIx cannot be served here", text.substr(1),
                 "leave `launch: [pmix]` out, or install libpmix2 on this node"};
  if (::fcntl(fd->release(), F_SETFD, 0) != 0)
    return errno_error(errno, "the connection to PMIx cannot be handed on");
  std::vector<std::string> variables;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line, '\0');) variables.push_back(line);
  return variables;
}

/// Of Open MPI 4, and of 5. What the user says goes before it; without the folder Open MPI takes
/// what it would have taken.
void share_memory(const std::string& pmi) {
  auto folder = shared_folder(pmi);
  struct stat there {};
  if ((::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) ||
      ::lstat(folder.c_str(), &there) != 0 || !S_ISDIR(there.st_mode) ||
      there.st_uid != ::geteuid())
    return;
  for (const char* name :
       {"OMPI_MCA_btl_vader_backing_directory", "OMPI_MCA_btl_sm_backing_directory"})
    ::setenv(name, folder.c_str(), 0);
}

}  // namespace

Error become_pmix_rank(const std::string& pmi, const std::string& name, const std::string& store,
                       const std::vector<std::string>& command) {
  auto world = world_of(pmi, name, store);
  if (!world) return std::move(world).error();
  auto local = number_of("LOCAL_RANK");
  if (!local) return std::move(local).error();
  if (*local == 0)
    if (auto started = start_server(*world); !started) return std::move(started).error();
  auto variables = ask_server(pmi, *local);
  if (!variables) return std::move(variables).error();
  for (const auto& variable : *variables)
    if (auto middle = variable.find('='); middle != std::string::npos)
      ::setenv(variable.substr(0, middle).c_str(), variable.c_str() + middle + 1, 1);
  share_memory(pmi);
  return become_command(command);
}

}  // namespace troupe::actors
