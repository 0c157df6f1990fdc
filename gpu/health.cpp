#include "gpu/health.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace troupe::gpu {

namespace {

// By NVIDIA's catalogue of Xids: uncorrected memory, a channel or the whole device that hangs, a
// device off the bus, a failed recovery, errors of NVLink and of the GSP.
constexpr std::array<uint64_t, 8> broken_xids{46, 48, 64, 74, 79, 95, 119, 140};
constexpr std::array<uint64_t, 1> restart_xids{94};

std::string version_text(int cuda) {
  return fmt::format("{}.{}", cuda / 1000, cuda % 1000 / 10);
}

}  // namespace

XidMeaning meaning_of(uint64_t xid) {
  if (std::find(broken_xids.begin(), broken_xids.end(), xid) != broken_xids.end())
    return XidMeaning::broken;
  if (std::find(restart_xids.begin(), restart_xids.end(), xid) != restart_xids.end())
    return XidMeaning::restart;
  return XidMeaning::own;
}

void Health::event(const DeviceEvent& event) {
  auto text = event.xid == 0 ? std::string{"its driver reports an uncorrected memory error"}
                             : fmt::format("its driver reports Xid {}", event.xid);
  bool breaks = event.xid == 0 || meaning_of(event.xid) == XidMeaning::broken;
  if (!breaks)
    note_ = text;
  else if (broken_.empty())
    broken_ = text;
}

void Health::state(const DeviceState& state) {
  if (ecc_ && state.ecc_double > *ecc_ && broken_.empty())
    broken_ =
        fmt::format("it had {} uncorrected memory {} while it was watched",
                    state.ecc_double - *ecc_, state.ecc_double - *ecc_ == 1 ? "error" : "errors");
  ecc_ = ecc_ ? std::max(*ecc_, state.ecc_double) : state.ecc_double;
  if (state.hot)
    note_ = state.celsius ? fmt::format("it slows itself down at {} \u00b0C", *state.celsius)
                          : std::string{"it slows itself down for its heat"};
}

void Health::lost(const Error& error) {
  if (broken_.empty())
    broken_ = error.detail.empty() ? error.what : fmt::format("{}: {}", error.what, error.detail);
}

std::string Health::closed() const {
  return broken_.empty() ? left_over_ : broken_;
}

std::string driver_shortcoming(const DriverVersions& driver, int toolkit_cuda) {
  // A driver runs what was made for an older release of the same major version, or older ones.
  if (driver.cuda == 0 || toolkit_cuda == 0 || toolkit_cuda / 1000 <= driver.cuda / 1000) return {};
  return fmt::format("driver {} runs CUDA up to {}, the toolkit is {}", driver.driver,
                     version_text(driver.cuda), version_text(toolkit_cuda));
}

}  // namespace troupe::gpu
