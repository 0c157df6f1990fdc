/* Records of a dataset version on this machine, for programs in any language: a C interface over
 * storage/dataset/record_reader.hpp, as libtroupe_reader.so. Nothing is copied unless it is asked
 * for, nothing is written, and no other process is talked to.
 *
 * Who owns what: what an _open function gives is the caller's, who gives it back to the _close
 * function of its kind, once (NULL does nothing). Records keep the dataset they came from open; so
 * pointers into its mapping are good until the dataset and all records of it are closed. Texts
 * belong to the object they were asked of, and are UTF-8 with a NUL behind them.
 *
 * Errors: functions that can fail give NULL or -1 (UINT64_MAX where they give a number), and
 * troupe_last_error() says why. They leave what they were to fill in undefined. No function throws
 * or ends the process.
 *
 * Threads: datasets and records may be used by any number of threads at once, as long as none of
 * them closes them. An order belongs to one thread at a time. Errors are a thread's own.
 *
 * fork(): all of it may be used, and closed, in the child as well; parent and child share the
 * mapping. No threads outlive a call.
 *
 * Sizes are in bytes, indexes count from 0. */
#ifndef TROUPE_READER_H
#define TROUPE_READER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TROUPE_READER_API __attribute__((visibility("default")))

/* Grows by one with what is added; what is there stays as it is. */
#define TROUPE_READER_ABI 1
TROUPE_READER_API unsigned troupe_reader_abi(void);

/* The numbers of codes are those of docs/reference/errors.md. */
typedef struct troupe_error {
  int code;
  const char* name;   /* of the code */
  const char* what;   /* what failed, on which object */
  const char* detail; /* why */
  const char* hint;   /* what to do about it; may be empty */
} troupe_error;

/* Of this thread's last call that failed; good until its next call that fails. */
TROUPE_READER_API const troupe_error* troupe_last_error(void);

/* --- a version ------------------------------------------------------------------------------ */

typedef struct troupe_dataset troupe_dataset;

/* `folder` is what TROUPE_RECORDS_<NAME> says in a job. Takes milliseconds and a little memory for
 * each file of the version; its bytes are read when they are touched. */
TROUPE_READER_API troupe_dataset* troupe_dataset_open(const char* folder);
TROUPE_READER_API void troupe_dataset_close(troupe_dataset* dataset);
/* The digest that is the version's identity: 64 hexadecimal digits. */
TROUPE_READER_API const char* troupe_dataset_version(const troupe_dataset* dataset);
/* The mapping that all records lie in. `*data` is NULL where the version has no bytes. */
TROUPE_READER_API void troupe_dataset_mapping(const troupe_dataset* dataset, const void** data,
                                              uint64_t* bytes);
/* Files that have records: how many, and their paths in rising order. */
TROUPE_READER_API uint64_t troupe_dataset_tables(const troupe_dataset* dataset);
TROUPE_READER_API const char* troupe_dataset_table(const troupe_dataset* dataset, uint64_t number);
/* Brings all of it into memory and waits for it: then the first pass is as fast as the second. */
TROUPE_READER_API int troupe_dataset_populate(const troupe_dataset* dataset);

/* --- records -------------------------------------------------------------------------------- */

typedef struct troupe_records troupe_records;

/* The records in the file `path`: rows of a CSV or JSONL file, items of an IDX file. */
TROUPE_READER_API troupe_records* troupe_records_open_table(const troupe_dataset* dataset,
                                                            const char* path);
/* All files below the folder `prefix` ("": all there are), by path; each is a record. */
TROUPE_READER_API troupe_records* troupe_records_open_files(const troupe_dataset* dataset,
                                                            const char* prefix);
TROUPE_READER_API void troupe_records_close(troupe_records* records);

TROUPE_READER_API uint64_t troupe_records_count(const troupe_records* records);
/* Bytes of each record; 0 where they differ. */
TROUPE_READER_API uint64_t troupe_records_stride(const troupe_records* records);
/* What is known of the table, as JSON: kind, columns, type, shape. "{}" for files. */
TROUPE_READER_API const char* troupe_records_about(const troupe_records* records);
/* Of records that are files: the path. NULL for others. */
TROUPE_READER_API const char* troupe_records_path(const troupe_records* records, uint64_t index);
/* UINT64_MAX for an index that is none. */
TROUPE_READER_API uint64_t troupe_records_bytes(const troupe_records* records, uint64_t index);

/* Where these records lie: offsets from the begin of the mapping and sizes. A record in two parts
 * has no such place (about one in 1,300 of 784 bytes): its offset is UINT64_MAX, and
 * troupe_records_gather copies it. */
TROUPE_READER_API int troupe_records_locate(const troupe_records* records, const uint64_t* indexes,
                                            size_t count, uint64_t* offsets, uint64_t* sizes);
/* The bytes of these records together; UINT64_MAX where an index is none. */
TROUPE_READER_API uint64_t troupe_records_total(const troupe_records* records,
                                                const uint64_t* indexes, size_t count);
/* Copies these records to `to`, one behind the other, with up to so many threads (more than one
 * only where each has a MiB to copy). `room` is what `to` has; too little is an error. */
TROUPE_READER_API int troupe_records_gather(const troupe_records* records, const uint64_t* indexes,
                                            size_t count, void* to, uint64_t room,
                                            unsigned threads);
/* Asks the kernel for these records' pages, without waiting. */
TROUPE_READER_API int troupe_records_will_need(const troupe_records* records,
                                               const uint64_t* indexes, size_t count);

/* --- in which order ------------------------------------------------------------------------- */

typedef struct troupe_order troupe_order;

/* The way of rank `rank` of `ranks` through the epochs over `count` records. Each epoch visits each
 * record once: in an order that follows from seed and epoch alone or, without `shuffle`, as they
 * lie. `cursor` is NULL, or what troupe_order_cursor gave, and then `seed` is not looked at: it may
 * come from another number of ranks. */
TROUPE_READER_API troupe_order* troupe_order_open(uint64_t count, uint32_t rank, uint32_t ranks,
                                                  int shuffle, uint64_t seed, const char* cursor);
TROUPE_READER_API void troupe_order_close(troupe_order* order);
/* The next indexes, at most `count`; how many. 0: the epoch has ended. */
TROUPE_READER_API size_t troupe_order_next(troupe_order* order, uint64_t* indexes, size_t count);
TROUPE_READER_API void troupe_order_next_epoch(troupe_order* order);
TROUPE_READER_API uint64_t troupe_order_epoch(const troupe_order* order);
/* How many indexes are left of this rank's epoch. */
TROUPE_READER_API uint64_t troupe_order_left(const troupe_order* order);
/* Where it stands if every rank has got as many as this one; good until the next call with this
 * order. At most 50 characters. */
TROUPE_READER_API const char* troupe_order_cursor(troupe_order* order);

#ifdef __cplusplus
}
#endif

#endif
