// CUDA's runtime, invented: devices whose memory is the host's, streams that are threads.
#include "tests/gpu/comm/fake_nccl/script.hpp"

#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace {

class Stream {
 public:
  Stream() : thread_{[this] { run(); }} {}
  ~Stream() {
    {
      std::lock_guard lock{mutex_};
      ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  void add(std::function<void()> work) {
    std::lock_guard lock{mutex_};
    work_.push_back(std::move(work));
    changed_.notify_all();
  }
  bool is_idle() {
    std::lock_guard lock{mutex_};
    return work_.empty();
  }

 private:
  void run() {
    std::unique_lock lock{mutex_};
    while (true) {
      changed_.wait(lock, [&] { return ends_ || !work_.empty(); });
      if (work_.empty()) return;
      auto work = work_.front();
      lock.unlock();
      work();
      lock.lock();
      work_.pop_front();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  bool ends_ = false;
  std::thread thread_;
};

thread_local int device = 0;
thread_local int last = 0;

int answer(int code) {
  if (code != 0) last = code;
  return code;
}

}  // namespace

void fake::enqueue(void* stream, void (*work)(void*), void* argument) {
  static_cast<Stream*>(stream)->add([work, argument] { work(argument); });
}

extern "C" {

int cudaDriverGetVersion(int* version) {
  *version = fake::told("driver", 13000);
  return 0;
}
int cudaRuntimeGetVersion(int* version) {
  *version = fake::told("runtime", 13000);
  return 0;
}
int cudaGetDeviceCount(int* count) {
  if (fake::told("driver", 13000) < fake::told("runtime", 13000)) return answer(35);
  *count = fake::told("devices", 16);
  return answer(*count == 0 ? 100 : 0);
}
int cudaSetDevice(int number) {
  if (number == fake::told("dead_device", -1)) return answer(46);
  device = number;
  return 0;
}
int cudaDeviceGetPCIBusId(char* text, int size, int number) {
  std::snprintf(text, static_cast<size_t>(size), "0000:%02x:00.0",
                fake::told("one_gpu", 0) != 0 ? 0 : number);
  return 0;
}
int cudaStreamCreateWithFlags(void** stream, unsigned) {
  *stream = new Stream;
  return 0;
}
int cudaStreamDestroy(void* stream) {
  delete static_cast<Stream*>(stream);
  return 0;
}
int cudaStreamQuery(void* stream) {
  if (device == fake::told("lost_device", -1)) return answer(719);
  return answer(static_cast<Stream*>(stream)->is_idle() ? 0 : 600);
}
int cudaMalloc(void** memory, size_t bytes) {
  *memory = std::malloc(bytes);
  return 0;
}
int cudaFree(void* memory) {
  std::free(memory);
  return 0;
}
int cudaMemcpy(void* to, const void* from, size_t bytes, int) {
  std::memcpy(to, from, bytes);
  return 0;
}
int cudaGetLastError() {
  auto code = last;
  last = 0;
  return code;
}
const char* cudaGetErrorString(int code) {
  return code == 719  ? "unspecified launch failure"
         : code == 46 ? "all CUDA-capable devices are busy or unavailable"
                      : "unknown error";
}

}  // extern "C"
