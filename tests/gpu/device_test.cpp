#include "gpu/device.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

namespace troupe::gpu {
namespace {

class Nvml : public testing::Test {
 protected:
  void TearDown() override { ::unsetenv("TROUPE_FAKE_NVML"); }
  static void tell(const char* what) { ::setenv("TROUPE_FAKE_NVML", what, 1); }

  NvmlDriver driver_{TROUPE_FAKE_NVML_LIBRARY};
};

TEST_F(Nvml, ReadsDevicesFromTheLibrary) {
  auto devices = driver_.devices();
  ASSERT_TRUE(devices) << to_string(devices.error());
  const std::vector<Device> expected{{0, "GPU-a", "NVIDIA H100 80GB HBM3", 85'520'809'984},
                                     {1, "GPU-b", "NVIDIA H100 80GB HBM3", 85'520'809'984}};
  EXPECT_EQ(*devices, expected);
  EXPECT_EQ(*driver_.devices(), expected);
}

TEST_F(Nvml, AMachineWithoutTheLibraryHasNoDriver) {
  NvmlDriver driver{"libnvidia-ml-that-is-not-there.so.1"};
  auto devices = driver.devices();
  ASSERT_FALSE(devices);
  EXPECT_EQ(devices.error().code, Errc::not_found);
  EXPECT_NE(devices.error().detail.find("libnvidia-ml-that-is-not-there"), std::string::npos);
  EXPECT_FALSE(devices.error().hint.empty());
}

TEST_F(Nvml, AMachineWithoutTheKernelModuleHasNoDriver) {
  tell("no_module");
  auto devices = driver_.devices();
  ASSERT_FALSE(devices);
  EXPECT_EQ(devices.error().code, Errc::not_found);
  ::unsetenv("TROUPE_FAKE_NVML");
  EXPECT_TRUE(driver_.devices());  // loaded meanwhile: no restart of ours is needed
}

TEST_F(Nvml, ABrokenDriverIsAFault) {
  tell("broken");
  auto devices = driver_.devices();
  ASSERT_FALSE(devices);
  EXPECT_EQ(devices.error().code, Errc::io);
  EXPECT_NE(devices.error().detail.find("999"), std::string::npos);
}

TEST_F(Nvml, ALostDeviceLeavesTheOthers) {
  tell("lost");
  auto devices = driver_.devices();
  ASSERT_TRUE(devices) << to_string(devices.error());
  ASSERT_EQ(devices->size(), 1u);
  EXPECT_EQ(devices->front().uuid, "GPU-a");
}

TEST_F(Nvml, ALibraryThatIsAnotherIsRefused) {
  NvmlDriver driver{"libm.so.6"};
  auto devices = driver.devices();
  ASSERT_FALSE(devices);
  EXPECT_EQ(devices.error().code, Errc::unavailable);
  EXPECT_NE(devices.error().detail.find("nvmlInit_v2"), std::string::npos);
}

TEST(NvmlOnThisMachine, AgreesWithItself) {
  NvmlDriver driver;
  auto devices = driver.devices();
  if (!devices) GTEST_SKIP() << to_string(devices.error());
  std::set<std::string> uuids;
  for (const auto& device : *devices) {
    EXPECT_GT(device.mem_bytes, 1u << 30);
    EXPECT_FALSE(device.name.empty());
    uuids.insert(device.uuid);
  }
  EXPECT_EQ(uuids.size(), devices->size());
}

TEST(FakeGpuDriver, DoesAsItIsTold) {
  auto driver = FakeGpuDriver::alike(4, "H100", 80);
  ASSERT_EQ(driver.devices()->size(), 4u);
  EXPECT_EQ(driver.devices()->at(3).index, 3u);
  driver.lose(2);
  EXPECT_EQ(driver.devices()->size(), 3u);
  driver.fail_with(Error{Errc::io, "x", "", ""});
  EXPECT_FALSE(driver.devices());
  driver.fail_with({});
  EXPECT_TRUE(driver.devices());
  EXPECT_TRUE(FakeGpuDriver{}.devices()->empty());
}

}  // namespace
}  // namespace troupe::gpu
