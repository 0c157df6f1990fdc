/* Appends the time of its first instruction, in nanoseconds since 1970, to the file it is given. A
   number behind it: so many milliseconds it stays. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char** argv) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (argc < 2) return 2;
  int fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (fd < 0) return 1;
  if (dprintf(fd, "%lld%09ld\n", (long long)now.tv_sec, now.tv_nsec) <= 0) return 1;
  if (argc > 2) usleep((useconds_t)atoi(argv[2]) * 1000);
  return 0;
}
