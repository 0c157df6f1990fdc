/* reader_in_c FOLDER TABLE: the header from plain C. Prints how many records the table has, the sum of their bytes found in
 * three ways, and what the error is where there is no such table. */
#include "client/reader/troupe_reader.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t sum_of(const unsigned char* at, uint64_t bytes) {
  uint64_t sum = 0, i;
  for (i = 0; i < bytes; ++i) sum += at[i];
  return sum;
}

int main(int argc, char** argv) {
  if (argc < 3 || troupe_reader_abi() != TROUPE_READER_ABI) return 2;
  troupe_dataset* dataset = troupe_dataset_open(argv[1]);
  troupe_records* records = dataset ? troupe_records_open_table(dataset, argv[2]) : NULL;
  if (!records) {
    const troupe_error* error = troupe_last_error();
    printf("%s: %s: %s\n", error->name, error->what, error->detail);
    troupe_dataset_close(dataset);
    return 1;
  }
  const void* begin = NULL;
  uint64_t mapped = 0;
  troupe_dataset_mapping(dataset, &begin, &mapped);
  troupe_dataset_close(dataset); /* the records keep it */

  uint64_t count = troupe_records_count(records), total = 0, in_place = 0, gathered = 0, i;
  troupe_order* order = troupe_order_open(count, 0, 1, 1, 7, NULL);
  uint64_t* indexes = malloc(sizeof *indexes * (count + 1));
  if (!order || !indexes || troupe_order_next(order, indexes, count + 1) != count) return 3;
  total = troupe_records_total(records, indexes, count);
  unsigned char* copies = malloc(total + 1);
  if (!copies || troupe_records_gather(records, indexes, count, copies, total, 3) != 0) return 4;
  gathered = sum_of(copies, total);
  if (total > 0 && troupe_records_gather(records, indexes, count, copies, total - 1, 3) != -1) return 5;
  for (i = 0; i < count; ++i) {
    uint64_t offset = 0, size = 0;
    if (troupe_records_locate(records, &i, 1, &offset, &size) != 0) return 6;
    if (offset == UINT64_MAX) {
      if (troupe_records_gather(records, &i, 1, copies, size, 1) != 0) return 7;
      in_place += sum_of(copies, size);
    } else {
      if (offset + size > mapped) return 8;
      in_place += sum_of((const unsigned char*)begin + offset, size);
    }
  }
  if (troupe_records_locate(records, &count, 1, &i, &i) != -1) return 9;
  printf("%llu %llu %llu\n", (unsigned long long)count, (unsigned long long)gathered, (unsigned long long)in_place);
  free(indexes);
  free(copies);
  troupe_order_close(order);
  troupe_records_close(records);
  return 0;
}
