// A small MPI program whose ranks say how many they are and what they add up to, compiled where a
// compiler for it is installed.
#pragma once

#include "runtime/core/fd.hpp"
#include "tests/cluster/many.hpp"

#include <string>

namespace troupe::cluster {

inline constexpr const char* mpi_program = R"(
#include <mpi.h>
#include <stdio.h>
int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0, size = 0, sum = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  int own = rank + 1;
  MPI_Allreduce(&own, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  printf("rank %d of %d, sum %d\n", rank, size, sum);
  return MPI_Finalize();
}
)";

/// The program's path. Where that compiler ("mpicc.mpich") is not there: empty.
inline std::string compiled(ManyMachines& many, const std::string& compiler) {
  EXPECT_TRUE(replace_file(many.path("mpi.c"), mpi_program, 0644, false));
  auto program = many.path(compiler);
  Child child{{"/usr/bin/" + compiler, "-o", program, many.path("mpi.c")},
              {"PATH=/usr/bin:/bin"},
              many.root(),
              "/dev/null",
              many.path("compiler.err")};
  return child.wait(120s) == 0 ? program : "";
}

}  // namespace troupe::cluster
