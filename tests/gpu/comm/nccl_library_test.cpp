// NVIDIA's own libraries and header, as far as this machine has them.
#include "gpu/comm/device_communicator.hpp"

#ifdef TROUPE_NCCL_HEADER
#include <nccl.h>
#endif

#include <gtest/gtest.h>

#include <cstddef>

namespace troupe::comm {
namespace {

TEST(NcclLibrary, PrintsVersions) {
  EXPECT_EQ(nccl_version_text(22809), "2.28.9");
  EXPECT_EQ(cuda_version_text(12080), "12.8");
}

#ifdef TROUPE_NCCL_HEADER
TEST(NcclLibrary, IsDeclaredAsInTheHeader) {
  static_assert(sizeof(NcclId) == sizeof(ncclUniqueId));
  static_assert(offsetof(NcclConfig, blocking) == offsetof(ncclConfig_t, blocking));
  static_assert(sizeof(NcclConfig) <= sizeof(ncclConfig_t));
  ncclConfig_t theirs = NCCL_CONFIG_INITIALIZER;
  NcclConfig ours;
  EXPECT_EQ(ours.magic, theirs.magic);
  EXPECT_EQ(ours.reserved, NCCL_CONFIG_UNDEF_INT);
  static_assert(nccl_in_progress == int{ncclInProgress} &&
                nccl_remote_error == int{ncclRemoteError});
  EXPECT_EQ(nccl_type(DataType::float32), int{ncclFloat32});
  EXPECT_EQ(nccl_type(DataType::float64), int{ncclFloat64});
  EXPECT_EQ(nccl_type(DataType::float16), int{ncclFloat16});
  EXPECT_EQ(nccl_type(DataType::bfloat16), int{ncclBfloat16});
  EXPECT_EQ(nccl_type(DataType::int8), int{ncclInt8});
  EXPECT_EQ(nccl_type(DataType::uint8), int{ncclUint8});
  EXPECT_EQ(nccl_type(DataType::int16), std::nullopt);
  EXPECT_EQ(nccl_type(DataType::int32), int{ncclInt32});
  EXPECT_EQ(nccl_type(DataType::uint32), int{ncclUint32});
  EXPECT_EQ(nccl_type(DataType::int64), int{ncclInt64});
  EXPECT_EQ(nccl_type(DataType::uint64), int{ncclUint64});
  EXPECT_EQ(nccl_op(ReduceOp::sum), int{ncclSum});
  EXPECT_EQ(nccl_op(ReduceOp::prod), int{ncclProd});
  EXPECT_EQ(nccl_op(ReduceOp::max), int{ncclMax});
  EXPECT_EQ(nccl_op(ReduceOp::min), int{ncclMin});
  EXPECT_EQ(nccl_op(ReduceOp::avg), int{ncclAvg});
}
#endif

TEST(NcclLibrary, OfThisMachineMakesIdsWithoutADevice) {
  auto nccl = NcclLibrary::load({"libnccl.so.2"});
  if (!nccl) GTEST_SKIP() << to_string(nccl.error());
  EXPECT_GE((*nccl)->version, 21400);
  NcclId id{};
  EXPECT_EQ((*nccl)->get_id(&id), nccl_success);
}

TEST(NcclLibrary, OfThisMachineSaysWhyItCannotStartWithoutADriver) {
  auto cuda = CudaLibrary::load({"libcudart.so.13", "libcudart.so.12"});
  if (!cuda) GTEST_SKIP() << to_string(cuda.error());
  if ((*cuda)->driver != 0) GTEST_SKIP() << "there is a driver";
  auto opened = DeviceCommunicator::open({});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().what, "there is no NVIDIA driver");
}

}  // namespace
}  // namespace troupe::comm
