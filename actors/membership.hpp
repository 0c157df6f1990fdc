// How a worker came to its cluster: the certificate it got with a join token, kept below
// <dir>/cluster, and the head it dials. Called from main alone.
#pragma once

#include "actors/foreground.hpp"
#include "actors/worker_process.hpp"
#include "runtime/cluster/link_client.hpp"

#include <string>

namespace troupe::actors {

struct Membership {
  std::string name;
  cluster::Address head;
  cluster::Joined joined;
};

/// From the folder; at the first start with the join token, waiting for a head that is away. Ends
/// with `unavailable` where a signal to stop came meanwhile.
Result<Membership> find_membership(const WorkerProcessOptions& options,
                                   const cluster::LinkHello& hello, Clock& clock,
                                   const StopSignals& signals);

/// The address of this machine on the way to another; empty where none can be found.
std::string address_towards(const cluster::Address& peer);
/// The network interface that has this address; empty where none has, or it is a loopback one.
std::string interface_of(const std::string& address);

}  // namespace troupe::actors
