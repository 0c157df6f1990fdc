/* Collective calls and messages among the processes of a job, for programs in any language: a C
 * interface over gpu/comm/communicator.hpp, as libtroupe_comm.so.
 *
 * All ranks make the same collective calls in the same order, with the same types and counts; one
 * that differs is an error on every rank. A call that fails ends the communicator: the calls of the
 * other ranks end too, with the same cause, and every later call gives it again. A rank whose
 * process ends is noticed at once; one that stays away, within the deadline.
 *
 * Errors: functions give NULL or -1, and troupe_comm_last_error() says why. What they were to fill
 * in is then undefined. No function throws or ends the process.
 *
 * Threads: a communicator belongs to one thread at a time, different ones to any threads. Errors
 * are a thread's own. fork(): the child must not use it.
 *
 * Data may lie anywhere, aligned or not. Counts are of elements. Input and output may be the same
 * array where it says so, and never overlap otherwise. */
#ifndef TROUPE_COMM_H
#define TROUPE_COMM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TROUPE_COMM_API __attribute__((visibility("default")))

/* Grows by one with what is added; what is there stays as it is. */
#define TROUPE_COMM_ABI 3
TROUPE_COMM_API unsigned troupe_comm_abi(void);

/* The numbers of codes are those of docs/reference/errors.md. */
typedef struct troupe_comm_error {
  int code;
  const char* name;   /* of the code */
  const char* what;   /* what failed, on which object */
  const char* detail; /* why */
  const char* hint;   /* what to do about it; may be empty */
} troupe_comm_error;

/* Of this thread's last call that failed; good until its next call that fails. */
TROUPE_COMM_API const troupe_comm_error* troupe_comm_last_error(void);

typedef enum troupe_comm_type {
  TROUPE_FLOAT32 = 0,
  TROUPE_FLOAT64,
  TROUPE_FLOAT16,
  TROUPE_BFLOAT16,
  TROUPE_INT8,
  TROUPE_UINT8,
  TROUPE_INT16,
  TROUPE_UINT16,
  TROUPE_INT32,
  TROUPE_UINT32,
  TROUPE_INT64,
  TROUPE_UINT64
} troupe_comm_type;

/* TROUPE_AVG is for floats alone. */
typedef enum troupe_comm_op {
  TROUPE_SUM = 0,
  TROUPE_MIN,
  TROUPE_MAX,
  TROUPE_PROD,
  TROUPE_AVG
} troupe_comm_op;

typedef struct troupe_comm troupe_comm;

/* Waits for all ranks. What the environment of a job says is enough: RANK, WORLD_SIZE, MASTER_ADDR,
 * MASTER_PORT and the job's token; without WORLD_SIZE it is one rank alone. `name` tells several
 * communicators of one job apart; NULL or "" for the only one. */
TROUPE_COMM_API troupe_comm* troupe_comm_open(const char* name);
TROUPE_COMM_API void troupe_comm_close(troupe_comm* comm);

TROUPE_COMM_API uint32_t troupe_comm_rank(const troupe_comm* comm);
TROUPE_COMM_API uint32_t troupe_comm_size(const troupe_comm* comm);
/* How many hosts the ranks are on. */
TROUPE_COMM_API uint32_t troupe_comm_hosts(const troupe_comm* comm);

TROUPE_COMM_API int troupe_comm_barrier(troupe_comm* comm);
/* Every rank gets op over all ranks' `in`, in the same bits. In place where in == out. */
TROUPE_COMM_API int troupe_comm_all_reduce(troupe_comm* comm, const void* in, void* out,
                                           size_t count, int type, int op);
/* Every rank gets what `root` has. */
TROUPE_COMM_API int troupe_comm_broadcast(troupe_comm* comm, void* data, size_t count, int type,
                                          uint32_t root);
/* `in` has a block of `count` for each rank; rank r gets op over all ranks' block r. */
TROUPE_COMM_API int troupe_comm_reduce_scatter(troupe_comm* comm, const void* in, void* out,
                                               size_t count, int type, int op);
/* Block r of `out` is what rank r has. `in` may be this rank's block of `out`. */
TROUPE_COMM_API int troupe_comm_all_gather(troupe_comm* comm, const void* in, void* out,
                                           size_t count, int type);
/* Block s of `in` becomes this rank's block of rank s's `out`. In place where in == out. */
TROUPE_COMM_API int troupe_comm_all_to_all(troupe_comm* comm, const void* in, void* out,
                                           size_t count, int type);
/* A message, taken by the other's receive with the same count and type, in order. May wait until it
 * is taken. */
TROUPE_COMM_API int troupe_comm_send(troupe_comm* comm, const void* data, size_t count, int type,
                                     uint32_t to);
TROUPE_COMM_API int troupe_comm_receive(troupe_comm* comm, void* data, size_t count, int type,
                                        uint32_t from);
/* Reduces arrays rather than ranks: this rank has `parts` of `parts_in_all`, its first is number
 * `first_part`. The result depends on the arrays alone, in every bit, and not on how many ranks
 * have them. */
TROUPE_COMM_API int troupe_comm_all_reduce_parts(troupe_comm* comm, const void* const* arrays,
                                                 uint64_t parts, uint64_t first_part,
                                                 uint64_t parts_in_all, void* out, size_t count,
                                                 int type, int op);
/* Ends it for all ranks: their calls fail with this text. */
TROUPE_COMM_API void troupe_comm_abort(troupe_comm* comm, const char* why);

/* The same over memory of GPUs, by NCCL: since ABI 2. One device a rank: the one whose number is
 * LOCAL_RANK, among those that the process sees. NCCL and CUDA's runtime are loaded when the first
 * is opened; without them, or without a driver, opening fails. gpu/comm/device_communicator.hpp says
 * more.
 *
 * Calls put work on a stream (a cudaStream_t; NULL is the communicator's own) and return. Wait for
 * it with troupe_comm_device_wait, which ends when another rank is lost, or at the deadline; CUDA's
 * own functions would wait for ever. Pointers are to memory of the device. Integers of 16 bits
 * can be moved, and not reduced. */
typedef struct troupe_comm_device troupe_comm_device;

TROUPE_COMM_API troupe_comm_device* troupe_comm_device_open(const char* name);
TROUPE_COMM_API void troupe_comm_device_close(troupe_comm_device* comm);
TROUPE_COMM_API uint32_t troupe_comm_device_rank(const troupe_comm_device* comm);
TROUPE_COMM_API uint32_t troupe_comm_device_size(const troupe_comm_device* comm);
/* CUDA's number of its device. */
TROUPE_COMM_API int troupe_comm_device_number(const troupe_comm_device* comm);

TROUPE_COMM_API int troupe_comm_device_all_reduce(troupe_comm_device* comm, const void* in,
                                                  void* out, size_t count, int type, int op,
                                                  void* stream);
TROUPE_COMM_API int troupe_comm_device_broadcast(troupe_comm_device* comm, void* data, size_t count,
                                                 int type, uint32_t root, void* stream);
TROUPE_COMM_API int troupe_comm_device_reduce_scatter(troupe_comm_device* comm, const void* in,
                                                      void* out, size_t count, int type, int op,
                                                      void* stream);
TROUPE_COMM_API int troupe_comm_device_all_gather(troupe_comm_device* comm, const void* in,
                                                  void* out, size_t count, int type, void* stream);
/* Never in place. */
TROUPE_COMM_API int troupe_comm_device_all_to_all(troupe_comm_device* comm, const void* in,
                                                  void* out, size_t count, int type, void* stream);
TROUPE_COMM_API int troupe_comm_device_send(troupe_comm_device* comm, const void* data,
                                            size_t count, int type, uint32_t to, void* stream);
TROUPE_COMM_API int troupe_comm_device_receive(troupe_comm_device* comm, void* data, size_t count,
                                               int type, uint32_t from, void* stream);
/* Until all that was put on the stream is done; barrier: and all ranks have come. */
TROUPE_COMM_API int troupe_comm_device_wait(troupe_comm_device* comm, void* stream);
TROUPE_COMM_API int troupe_comm_device_barrier(troupe_comm_device* comm, void* stream);
/* A communicator without those ranks, made by all others; `comm` has ended then, and is still to be
 * closed. */
TROUPE_COMM_API troupe_comm_device* troupe_comm_device_shrink(troupe_comm_device* comm,
                                                              const uint32_t* without,
                                                              size_t count);
TROUPE_COMM_API void troupe_comm_device_abort(troupe_comm_device* comm, const char* why);

/* For a rank that meets the others in another library: it has ended one more collective call, or
 * one more step, and waited for the others in it for so long. All ranks are to count the same.
 * Troupe compares them and names the rank that the others wait for. Does nothing outside of a job
 * of several ranks, or where a troupe_comm of all ranks counts already. Any thread; a few stores in
 * memory. Since ABI 3. */
TROUPE_COMM_API void troupe_comm_waited(uint64_t nanoseconds);

#ifdef __cplusplus
}
#endif

#endif
