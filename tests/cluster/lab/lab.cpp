#include "tests/cluster/lab/lab.hpp"

#include <fmt/format.h>

#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <thread>
#include <unistd.h>

namespace troupe::cluster {

namespace {

void must(const std::string& said) {
  EXPECT_EQ(said, "");
}

std::vector<std::string> shell(const std::string& line) {
  return {"/bin/sh", "-c", line};
}

}  // namespace

std::string Lab::why_not() {
  if (::geteuid() != 0) return "network namespaces need root";
  std::string why;
  std::thread{[&] {
    if (::unshare(CLONE_NEWNET) != 0)
      why = fmt::format("no network namespace: {}", std::strerror(errno));
    else
      why =
          run_command(shell("ip link add br0 type bridge && ip link add e0 type veth peer name e1 "
                            "&& tc qdisc show && nft 'add table inet f'"));
  }}.join();
  if (!why.empty()) return why;
  Host host{"trial"};
  return host.running() ? "" : "no process or mount namespaces here";
}

Lab::Lab() : home_{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)} {
  EXPECT_EQ(::unshare(CLONE_NEWNET), 0);
  must(
      run_command(shell("ip link add br0 type bridge && ip link set br0 up && ip link set lo up "
                        "&& ip addr add 10.77.0.1/24 dev br0")));
}

Lab::~Lab() {
  places_.clear();
  EXPECT_EQ(::setns(home_.get(), CLONE_NEWNET), 0);
}

Host& Lab::host(const std::string& name) {
  auto [it, fresh] = places_.try_emplace(name);
  if (fresh) {
    it->second.number = static_cast<int>(9 + places_.size());
    it->second.address = fmt::format("10.77.0.{}", it->second.number);
  }
  if (!it->second.host) boot(it->second, name);
  return *it->second.host;
}

const std::string& Lab::address(const std::string& name) {
  (void)host(name);
  return places_[name].address;
}

void Lab::boot(Place& place, const std::string& name) {
  place.host = std::make_unique<Host>(name);
  // The kernel takes its time with the interfaces of a host that is gone: a new name each time.
  place.port = fmt::format("e{}", ++boots_);
  must(
      run_command(shell(fmt::format("ip link add {0} type veth peer name eth0 address "
                                    "02:00:0a:4d:00:{2:02x} netns {1} && "
                                    "ip link set {0} master br0 up",
                                    place.port, place.host->init(), place.number))));
  must(place.host->run(shell(fmt::format(
      "ip addr add {}/24 dev eth0 && ip link set eth0 up && ip link set lo up", place.address))));
}

void Lab::cut_power(const std::string& name) {
  auto& place = places_[name];
  if (!place.host) return;
  unplug(name);
  place.host.reset();
}

void Lab::link(const std::string& name, const char* state) {
  must(run_command({"/bin/sh", "-c", fmt::format("ip link set {} {}", places_[name].port, state)}));
}

void Lab::isolate(const std::string& name, bool isolated) {
  must(run_command(shell(fmt::format("bridge link set dev {} isolated {}", places_[name].port,
                                     isolated ? "on" : "off"))));
}

void Lab::filter(const std::string& name, const std::string& rules) {
  must(host(name).run({"/bin/sh", "-c", "exec nft \"$0\"",
                       "add table inet f; add chain inet f i { type filter hook input priority 0; "
                       "}; add chain inet f o { type filter hook output priority 0; }; " +
                           rules}));
}

void Lab::deafen(const std::string& name, const std::string& from) {
  filter(name, fmt::format("add rule inet f i ip saddr {} drop", address(from)));
}

void Lab::lose(const std::string& name, int percent) {
  filter(name, fmt::format("add rule inet f i numgen random mod 100 < {0} drop; add rule inet f o "
                           "numgen random mod 100 < {0} drop",
                           percent));
}

void Lab::reset(const std::string& name) {
  filter(name, "add rule inet f i meta l4proto tcp reject with tcp reset");
}

void Lab::swallow(const std::string& name, int port) {
  filter(name, fmt::format("add rule inet f i tcp dport {0} drop; add rule inet f o tcp sport {0} "
                           "drop",
                           port));
}

void Lab::narrow(const std::string& name, const std::string& rate, const std::string& latency) {
  must(host(name).run(shell(fmt::format(
      "tc qdisc add dev eth0 root tbf rate {} burst 32kbit latency {}", rate, latency))));
}

void Lab::calm(const std::string& name) {
  must(host(name).run(shell("nft flush ruleset; tc qdisc del dev eth0 root 2>/dev/null; true")));
}

}  // namespace troupe::cluster
