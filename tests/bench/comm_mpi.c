/* What comm_loop.cpp does, by an MPI: the peer in the bench `comm`. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rising(const void* a, const void* b) {
  double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

int main(int argc, char** argv) {
  int rank = 0;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  for (int i = 1; i < argc; ++i) {
    char* rest = NULL;
    size_t bytes = strtoul(argv[i], &rest, 10);
    size_t calls = *rest == ':' ? strtoul(rest + 1, NULL, 10) : 100;
    size_t first = calls / 5 + 2;
    float* data = malloc(bytes);
    double* times = malloc(calls * sizeof *times);
    memset(data, 0, bytes);
    for (size_t call = 0; call < first + calls; ++call) {
      double begin = MPI_Wtime();
      MPI_Allreduce(MPI_IN_PLACE, data, (int)(bytes / sizeof *data), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
      if (call >= first) times[call - first] = (MPI_Wtime() - begin) * 1e6;
    }
    qsort(times, calls, sizeof *times, rising);
    if (rank == 0) printf("%zu %.3f %.3f\n", bytes, times[calls / 2], times[calls - 1]);
    free(times);
    free(data);
  }
  MPI_Finalize();
  return 0;
}
