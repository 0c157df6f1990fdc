// files_server FOLDER TARGET: what `troupe serve-files` does, without the rest of the program.
#include "storage/dataset/fuse_process.hpp"

int main(int argc, char** argv) {
  return argc == 3 ? troupe::dataset::serve_files(argv[1], argv[2]) : 2;
}
