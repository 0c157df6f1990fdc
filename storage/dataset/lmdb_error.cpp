#include "storage/dataset/lmdb_error.hpp"

#include <lmdb.h>

#include <utility>

namespace troupe::dataset {

Error lmdb_error(int code, std::string what) {
  if (code > 0) return errno_error(code, std::move(what), "look at the disk and the system's log");
  bool map_full = code == MDB_MAP_FULL;
  return Error{map_full ? Errc::bug : Errc::corrupt, std::move(what), mdb_strerror(code),
               "remove this version from the node; it is filled again when it is needed"};
}

}  // namespace troupe::dataset
