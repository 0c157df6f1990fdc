/* The header in plain C: a communicator of one rank, a call, and an error. */
#include "client/comm/troupe_comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  float data[3] = {1, 2, 3};
  troupe_comm* comm;
  if (getenv("WORLD_SIZE") != NULL || troupe_comm_abi() != TROUPE_COMM_ABI) return 2;
  comm = troupe_comm_open(NULL);
  if (comm == NULL || troupe_comm_size(comm) != 1 || troupe_comm_rank(comm) != 0) return 3;
  if (troupe_comm_all_reduce(comm, data, data, 3, TROUPE_FLOAT32, TROUPE_SUM) != 0) return 4;
  if (troupe_comm_all_reduce(comm, data, data, 3, TROUPE_INT32, TROUPE_AVG) != -1) return 5;
  if (strcmp(troupe_comm_last_error()->name, "invalid") != 0) return 6;
  printf("%g\n", (double)data[2]);
  troupe_comm_close(comm);
  return 0;
}
