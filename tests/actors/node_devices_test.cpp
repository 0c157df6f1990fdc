// What a node gives its jobs of the machine: cores, memory, GPUs, and what it does when a GPU goes
// bad. On the test scheduler, with a fake driver and a launcher without processes.
#include "actors/worker/core_claim.hpp"
#include "tests/actors/node_fixture.hpp"
#include "tests/runtime/topology/machines.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace troupe::actors {
namespace {

using process::RunState;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class NodeDevices : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    context->gpus = 8;
    context->gpu_driver = driver;
    context->binding.cores_are_ours = true;
    context->binding.model = std::make_shared<topology::Model>(topology::a100());
    auto devices = driver->devices();
    for (const auto& device : *devices)
      context->binding.devices[device.index] = {
          device.index, device.uuid, device.bus, device.name, {}};
  }
  static JobOrder order(uint32_t job, int64_t cpus, std::vector<uint32_t> gpus = {}) {
    JobOrder made;
    made.key = JobKey{JobId{{job, 0}, "worker", 0}, 7};
    made.phases = {{{"train"}, false}};
    made.milli_cpus = cpus * 1000;
    made.processes = std::max<uint32_t>(1, static_cast<uint32_t>(gpus.size()));
    made.gpus = std::move(gpus);
    return made;
  }
  void second() { advance(seconds{1}); }
  const process::ProcessSpec& process_of(uint32_t job, size_t rank = 0) const {
    auto key = std::to_string(job) + ".worker.0/7/0";
    for (const auto& run : launcher->started)
      if (run.key == key) return run.processes.at(rank);
    static const process::ProcessSpec none;
    ADD_FAILURE() << key << " was not started";
    return none;
  }
  std::string closed(uint32_t gpu) const {
    return head->devices.empty() ? "" : head->devices.back().devices.at(gpu).closed;
  }

  std::shared_ptr<gpu::FakeGpuDriver> driver =
      std::make_shared<gpu::FakeGpuDriver>(gpu::FakeGpuDriver::alike(8, "A100", 80));
};

TEST_F(NodeDevices, RanksAreBoundNearTheirGpus) {
  start();
  tell(order(1, 8, {4, 5}));
  EXPECT_EQ(topology::to_text(process_of(1, 0).cpus), "48-51");
  EXPECT_EQ(topology::to_text(process_of(1, 1).cpus), "52-55");
  EXPECT_THAT(process_of(1, 1).memory, ElementsAre(2u));
  EXPECT_THAT(process_of(1).env, Contains("CUDA_VISIBLE_DEVICES=GPU-fake-4,GPU-fake-5"));
  EXPECT_THAT(process_of(1).env, Contains("OMP_NUM_THREADS=4"));
  const auto& bound = updates->back().bound;
  EXPECT_EQ(bound.cpus, "48-55");
  EXPECT_TRUE(bound.own);
  EXPECT_THAT(bound.gpus, ElementsAre("GPU-fake-4", "GPU-fake-5"));
  ASSERT_EQ(bound.ranks.size(), 2u);
  EXPECT_EQ(bound.ranks[0].nic, "mlx5_2");
}

TEST_F(NodeDevices, NoCoreHasTwoJobsAndAnEndedOneGivesItsCoresBack) {
  start();
  tell(order(1, 90));
  tell(order(2, 6));
  EXPECT_EQ(process_of(1).cpus.size() + process_of(2).cpus.size(), 96u);
  tell(order(3, 2));
  EXPECT_THAT(process_of(3).cpus, IsEmpty());
  EXPECT_THAT(updates->back().bound.note, HasSubstr("2 whole cores, and 0 are idle"));
  launcher->end("2.worker.0/7/0", 0);
  run();
  tell(order(4, 6));
  EXPECT_EQ(process_of(4).cpus, process_of(2).cpus);
}

TEST_F(NodeDevices, JobsThatRanBeforeTheWorkerKeepTheirCores) {
  start();
  tell(order(1, 2));
  auto kept = process_of(1).cpus;
  leave();
  process::RunStatus found;
  found.key = "1.worker.0/7/0";
  found.started = t0;
  start({found});
  tell(order(2, 2));
  EXPECT_NE(process_of(2).cpus, kept);
  EXPECT_EQ(process_of(2).cpus.size(), 2u);
  EXPECT_EQ(topology::to_text(kept), "0-1");
}

TEST_F(NodeDevices, WhatIsAskedForGoesBeforeWhatTheNodeDoes) {
  context->binding.binding = Binding::off;
  start();
  tell(order(1, 2));
  EXPECT_THAT(process_of(1).cpus, IsEmpty());
  auto wish = order(2, 2);
  wish.binding = "cores";
  tell(wish);
  EXPECT_EQ(process_of(2).cpus.size(), 2u);
  wish = order(3, 2, {7});
  wish.binding = "numa";
  tell(wish);
  EXPECT_EQ(topology::to_text(process_of(3).cpus), "72-95");
}

TEST_F(NodeDevices, OneCpuOrPartOfOneIsNotBound) {
  start();
  auto part = order(1, 0);
  part.milli_cpus = 1500;
  tell(part);
  EXPECT_THAT(process_of(1).cpus, IsEmpty());
  EXPECT_TRUE(updates->back().bound.note.empty());
  tell(order(2, 1));  // what all have who ask for nothing
  EXPECT_THAT(process_of(2).cpus, IsEmpty());
  tell(order(3, 1, {0}));
  EXPECT_EQ(process_of(3).cpus.size(), 1u);
}

TEST_F(NodeDevices, WithoutTheMachineForItselfNothingIsBoundUnasked) {
  context->binding.cores_are_ours = false;
  start();
  tell(order(1, 2));
  EXPECT_THAT(process_of(1).cpus, IsEmpty());
}

TEST_F(NodeDevices, TheHeadLearnsWhatTheMachineLooksLike) {
  start();
  const auto& hello = head->hellos.at(0);
  EXPECT_THAT(hello.topology, HasSubstr("0000:10:00.0"));
  ASSERT_EQ(hello.gpu_near.size(), 64u);
  EXPECT_GT(hello.gpu_near[1], hello.gpu_near[2]);
  ASSERT_EQ(hello.devices.devices.size(), 8u);
  EXPECT_EQ(hello.devices.devices[3].uuid, "GPU-fake-3");
}

TEST_F(NodeDevices, AGpuThatGoesEndsItsJobAsTheNodesFault) {
  start();
  tell(order(1, 2, {2}));
  tell(order(2, 2, {3}));
  driver->lose(2);
  second();
  const auto& last = updates->back();
  EXPECT_EQ(last.key, order(1, 2).key);
  EXPECT_EQ(last.step, JobStep::ended);
  EXPECT_TRUE(last.infrastructure);
  EXPECT_FALSE(last.has_exit);
  EXPECT_THAT(last.error.what, HasSubstr("lost a GPU"));
  EXPECT_THAT(last.error.detail, HasSubstr("GPU-fake-2"));
  EXPECT_THAT(closed(2), HasSubstr("is gone"));
  EXPECT_EQ(closed(3), "");
  // Whoever joins anew hears of it, too.
  caf::anon_send(node, linked_atom_v, std::string{"http://head"});
  run();
  EXPECT_THAT(head->hellos.back().devices.devices.at(2).closed, HasSubstr("is gone"));
}

TEST_F(NodeDevices, AJobThatFailsBeforeAnybodyLookedIsNotToBlame) {
  start();
  tell(order(1, 2, {2}));
  driver->lose(2);
  launcher->end("1.worker.0/7/0", 134);
  run();
  EXPECT_TRUE(updates->back().infrastructure);
  EXPECT_THAT(updates->back().error.detail, HasSubstr("GPU-fake-2"));
}

TEST_F(NodeDevices, AJobThatFailsOnAGoodGpuIsToBlame) {
  start();
  tell(order(1, 2, {2}));
  driver->log_xid(2, 31);  // its own: an address that is not there
  launcher->end("1.worker.0/7/0", 134);
  run();
  EXPECT_FALSE(updates->back().infrastructure);
  EXPECT_EQ(updates->back().exit_code, 134);
  EXPECT_EQ(closed(2), "");
}

TEST_F(NodeDevices, XidsAndMemoryErrorsCloseADevice) {
  start();
  driver->log_xid(4, 79);
  driver->log_xid(5, 13);
  second();
  EXPECT_THAT(closed(4), HasSubstr("Xid 79"));
  EXPECT_EQ(closed(5), "");
  gpu::DeviceState errors;
  errors.ecc_double = 2;
  driver->set_state(6, errors);
  second();
  EXPECT_THAT(closed(6), HasSubstr("2 uncorrected memory errors"));
}

TEST_F(NodeDevices, WhatAJobLeavesOnADeviceClosesItUntilItIsGone) {
  start();
  tell(order(1, 2, {0}));
  gpu::DeviceState left;
  left.processes = {4711};
  driver->set_state(0, left);
  launcher->end("1.worker.0/7/0", 0);
  run();
  EXPECT_EQ(closed(0), "");  // it may be on its way out
  for (int i = 0; i < 5; ++i) second();
  EXPECT_THAT(closed(0), HasSubstr("a process is left there"));
  driver->set_state(0, {});
  second();
  EXPECT_EQ(closed(0), "");
  ASSERT_FALSE(head->devices.empty());
  left = {};
  left.mem_used = uint64_t{3} << 30;
  tell(order(2, 2, {0}));
  driver->set_state(0, left);
  for (int i = 0; i < 8; ++i) second();
  EXPECT_EQ(closed(0), "");  // it is in use
  launcher->end("2.worker.0/7/0", 0);
  for (int i = 0; i < 8; ++i) second();
  EXPECT_THAT(closed(0), HasSubstr("3.0 GiB of its memory"));
}

TEST_F(NodeDevices, ADriverThatFailsClosesNothing) {
  start();
  driver->fail_with(Error{Errc::io, "the driver does not answer", "", ""});
  second();
  EXPECT_THAT(head->devices, IsEmpty());
  driver->fail_with({});
  second();
  EXPECT_THAT(head->devices, IsEmpty());
}

TEST(CoreClaim, HasOneHolder) {
  TempDir dir;
  auto first = claim_cores(dir.path() + "/claim");
  ASSERT_TRUE(first);
  EXPECT_FALSE(claim_cores(dir.path() + "/claim"));
  first.reset();
  EXPECT_TRUE(claim_cores(dir.path() + "/claim"));
  EXPECT_FALSE(claim_cores(dir.path() + "/no/such/folder"));
}

}  // namespace
}  // namespace troupe::actors
