// A system call and nothing else: no errno, no thread-local storage, no code of the C library.
// For a child that runs in our memory while we go on (spawn.hpp): what the library writes there
// would be ours. Returns the kernel's own answer, a negative error number where it failed.
#pragma once

#include <concepts>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    (defined(__x86_64__) || defined(__aarch64__))
#define TROUPE_RAW_SYSCALLS 1
#else
// Another machine, or a sanitizer, whose own books lie in the shared memory: there a child may run
// only while its parent stands still, and then errno is as good as its own.
#define TROUPE_RAW_SYSCALLS 0
#include <cerrno>
#include <unistd.h>
#endif

namespace troupe::process {

/// What a register can hold.
struct Word {
  template <std::integral T>
  Word(T number) : value{static_cast<long>(number)} {}
  Word(const void* pointer) : value{reinterpret_cast<long>(pointer)} {}
  long value;
};

inline long raw_syscall(long number, Word a = 0, Word b = 0, Word c = 0, Word d = 0, Word e = 0) {
#if TROUPE_RAW_SYSCALLS && defined(__x86_64__)
  long result = number;
  register long r10 __asm__("r10") = d.value;
  register long r8 __asm__("r8") = e.value;
  __asm__ volatile("syscall"
                   : "+a"(result)
                   : "D"(a.value), "S"(b.value), "d"(c.value), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
#elif TROUPE_RAW_SYSCALLS && defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a.value;
  register long x1 __asm__("x1") = b.value;
  register long x2 __asm__("x2") = c.value;
  register long x3 __asm__("x3") = d.value;
  register long x4 __asm__("x4") = e.value;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
#else
  auto result = ::syscall(number, a.value, b.value, c.value, d.value, e.value);
  return result == -1 ? -errno : result;
#endif
}

}  // namespace troupe::process
