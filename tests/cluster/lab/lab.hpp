// A network of hosts on a switch, each a set of namespaces on this machine (host.hpp), and what can
// go wrong with it. The thread that makes it stands at the switch, with an address of its own: what
// it starts itself is a client elsewhere on the network. Needs root, ip, tc and nft; names and
// addresses are seen inside alone, so labs run side by side.
//
//   thread, 10.77.0.1 ── br0 ──┬── head 10.77.0.10
//                              ├── w1   10.77.0.11
//                              └── w2   10.77.0.12 ...
#pragma once

#include "runtime/core/fd.hpp"
#include "tests/cluster/lab/host.hpp"

#include <map>
#include <memory>
#include <string>

namespace troupe::cluster {

class Lab {
 public:
  Lab();
  ~Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  /// Why there can be none on this machine; "" where there can.
  static std::string why_not();

  /// The host of that name, booted and plugged in at the first call.
  Host& host(const std::string& name);
  const std::string& address(const std::string& name);
  /// Its power is cut: the network sees no farewell. `host` boots it again, with the same address.
  void cut_power(const std::string& name);

  /// Its cable.
  void unplug(const std::string& name) { link(name, "down"); }
  void plug(const std::string& name) { link(name, "up"); }
  /// Hosts so marked hear the rest of the network but not one another.
  void isolate(const std::string& name, bool isolated);
  /// `name` no longer hears `from`; the other way is as before.
  void deafen(const std::string& name, const std::string& from);
  /// That share of what comes in and goes out is lost.
  void lose(const std::string& name, int percent);
  /// Every TCP packet that reaches it is answered with a reset.
  void reset(const std::string& name);
  /// TCP to this port is dropped without a word, so that connections stay half open.
  void swallow(const std::string& name, int port);
  /// What it sends has to pass a narrow and long pipe.
  void narrow(const std::string& name, const std::string& rate, const std::string& latency);
  /// Undoes deafen, lose, reset, swallow and narrow.
  void calm(const std::string& name);

 private:
  struct Place {
    int number = 0;  // of its addresses, which it keeps
    std::string address;
    std::string port;  // its interface at the switch
    std::unique_ptr<Host> host;
  };
  void boot(Place& place, const std::string& name);
  void link(const std::string& name, const char* state);
  void filter(const std::string& name, const std::string& rules);

  UniqueFd home_;  // the network namespace this thread came from
  std::map<std::string, Place> places_;
  int boots_ = 0;
};

}  // namespace troupe::cluster
