#include "actors/worker/world_check.hpp"

#include "actors/worker/job_ports.hpp"
#include "runtime/launch/ports.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

constexpr std::chrono::seconds look_every{5};
// MPI is initialised in the first lines of a program, mostly.
constexpr std::chrono::seconds mpi_patience{10};
// Scripts read data and build models before they call init_process_group.
constexpr std::chrono::seconds torch_patience{60};

}  // namespace

WorldCheck::WorldCheck(const JobOrder& order, std::vector<int32_t> pids, Time now)
    : size_{order.world_size},
      port_{launch::port_at(first_port(order), launch::Port::master)},
      pids_{std::move(pids)},
      next_{now + look_every} {
  // Of one rank there is one world; and where nobody looks for all, nobody can say.
  formed_ = order.world_size < 2 || order.node_rank != 0 || first_port(order) == 0;
}

bool WorldCheck::look(Time now, const Look& look) {
  if (formed_ || now < next_) return false;
  next_ = now + look_every;
  auto seen = look(pids_, port_);
  auto before = warning_.what;
  if (seen.listens) {
    formed_ = true;
    warning_ = {};
    return warning_.what != before;
  }
  if (seen.mpi && mpi_since_.count() == 0) mpi_since_ = now;
  if (seen.torch && torch_since_.count() == 0) torch_since_ = now;
  if (mpi_since_.count() != 0 && now - mpi_since_ >= mpi_patience)
    warning_ =
        Error{Errc::failed, fmt::format("its ranks run as {} worlds of one", size_),
              "they have loaded MPI, and nothing has told them of each other",
              "of MPICH: --launch pmi1; of Open MPI: --launch pmix, or start them with mpirun"};
  else if (torch_since_.count() != 0 && now - torch_since_ >= torch_patience)
    warning_ =
        Error{Errc::failed, fmt::format("its ranks run as {} worlds of one", size_),
              fmt::format("they have loaded PyTorch, and nobody listens at MASTER_PORT {}", port_),
              "call torch.distributed.init_process_group(), or start one process alone"};
  return warning_.what != before;
}

Error WorldCheck::nobody_asked(const JobOrder& order) {
  return Error{Errc::failed, fmt::format("its ranks ran as {} worlds of one", order.world_size),
               "none of them asked PMI for its world, as `launch` says they do",
               "pmi1 is for MPICH, pmix for Open MPI"};
}

}  // namespace troupe::actors
