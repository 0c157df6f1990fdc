// A library with NVML's functions and two invented devices, to test the loader without a GPU.
// TROUPE_FAKE_NVML=no_module|broken|lost chooses what goes wrong.
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

bool told(std::string_view text) {
  const char* value = std::getenv("TROUPE_FAKE_NVML");
  return value != nullptr && text == value;
}

struct Memory {
  unsigned long long total, free, used;
};
int boards[2] = {0, 1};

int put(const char* text, char* out, unsigned size) {
  if (std::strlen(text) >= size) return 7;  // NVML_ERROR_INSUFFICIENT_SIZE
  std::strcpy(out, text);
  return 0;
}

}  // namespace

extern "C" {

int nvmlInit_v2() {
  return told("no_module") ? 9 : told("broken") ? 999 : 0;
}
int nvmlShutdown() {
  return 0;
}
const char* nvmlErrorString(int code) {
  return code == 15 ? "GPU is lost" : "Unknown Error";
}
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 2;
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (told("lost") && index == 1) return 15;
  *device = &boards[index];
  return 0;
}
int nvmlDeviceGetName(void*, char* out, unsigned size) {
  return put("NVIDIA H100 80GB HBM3", out, size);
}
int nvmlDeviceGetUUID(void* device, char* out, unsigned size) {
  return put(device == &boards[0] ? "GPU-a" : "GPU-b", out, size);
}
int nvmlDeviceGetMemoryInfo(void*, Memory* memory) {
  *memory = {85'520'809'984, 0, 0};
  return 0;
}

}  // extern "C"
