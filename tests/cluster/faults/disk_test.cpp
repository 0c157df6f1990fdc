// Disks of the head that fail: cut off from power, without room for another file, damaged.
#include "tests/cluster/faults/faults.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

namespace troupe::cluster {
namespace {

/// A file system in a file. Its power can be cut: what was not written to it by then is gone.
class LoopDisk {
 public:
  LoopDisk(const std::string& image, const std::string& path) : image_{image}, path_{path} {
    std::filesystem::create_directories(path);
    // Hosts of other tests copy the mounts they see, and would hold on to this one.
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      why_not_ = "no mount namespace";
      return;
    }
    why_not_ = run_command(
        {"/bin/sh", "-c", fmt::format("truncate -s 96M {0} && mkfs.ext4 -q -F {0}", image)});
    if (why_not_.empty()) mount();
  }
  ~LoopDisk() {
    if (why_not_.empty()) unmount();
  }
  const std::string& why_not() const { return why_not_; }
  void cut_power() {
    UniqueFd fd{::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    uint32_t without_flushing_the_journal = 2;
    constexpr unsigned long shutdown = 0x8004587d;  // FS_IOC_SHUTDOWN
    EXPECT_EQ(::ioctl(fd.get(), shutdown, &without_flushing_the_journal), 0);
  }
  void mount() { why_not_ = run_command({"/bin/mount", "-o", "loop", image_, path_}); }
  void unmount() { EXPECT_EQ(run_command({"/bin/umount", path_}), ""); }

 private:
  std::string image_, path_, why_not_;
};

TEST(HeadDisk, PowerCutsLoseNothingThatWasAcknowledged) {
  ManyMachines many;
  LoopDisk disk{many.path("image"), many.dir()};
  if (!disk.why_not().empty()) GTEST_SKIP() << "no disk in a file here: " << disk.why_not();
  Recorder recorder{many};
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(many.start_head());
    for (int i = 0; i < 25; ++i)
      recorder.submit(fmt::format("r{}n{}", round, i), recorder.mark(20, 1));
    disk.cut_power();
    many.kill9();
    disk.unmount();
    disk.mount();
    ASSERT_EQ(disk.why_not(), "");
  }
  ASSERT_TRUE(many.start_head());
  for (const auto& [id, name] : recorder.acknowledged()) {
    EXPECT_EQ(many.state(id), "QUEUED");
    EXPECT_EQ(text_of(many.show(id), "name"), name);
  }
  EXPECT_EQ(recorder.acknowledged().size(), 100u);
  EXPECT_EQ(many.stop(), 0);
}

TEST(HeadDisk, WithoutRoomForAFileTheJobSaysSoAndTheHeadGoesOn) {
  UpProcess up;
  std::filesystem::create_directories(up.dir());
  if (::mount("troupe-test", up.dir().c_str(), "tmpfs", 0, "size=64m,nr_inodes=200") != 0)
    GTEST_SKIP() << "nothing can be mounted here";
  struct Unmount {
    std::string path;
    ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
  } unmount{up.dir()};
  ASSERT_TRUE(up.start());
  auto before = up.submit_shell("echo kept");
  EXPECT_EQ(up.await_end(before), "FINISHED");
  auto hog = up.dir() + "/hog";
  std::filesystem::create_directories(hog);
  for (int i = 0; std::ofstream{fmt::format("{}/{}", hog, i)}; ++i) {
  }
  // Its folders are there already; it asks for a new file of its own.
  auto refused = up.submit_shell("echo more > $TROUPE_OUTPUT/a && echo more > $TROUPE_OUTPUT/b");
  EXPECT_EQ(up.await_end(refused), "FAILED");
  EXPECT_NE(text_of(up.show(refused), "reason"), "");
  EXPECT_EQ(up.log_text(before), "kept\n");
  EXPECT_EQ(up.cli({"ls", "-a"}).code, 0);
  std::filesystem::remove_all(hog);
  auto after = up.submit_shell("echo again");
  EXPECT_EQ(up.await_end(after), "FINISHED");
  EXPECT_EQ(up.stop(), 0);
}

TEST(HeadDisk, ADamagedLedgerIsRefusedByItsName) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  EXPECT_EQ(up.await_end(up.submit_shell("true")), "FINISHED");
  EXPECT_EQ(up.stop(), 0);
  std::string ledger;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{up.dir()})
    if (entry.path().filename() == "data.mdb" &&
        entry.path().string().find("ledger") != std::string::npos)
      ledger = entry.path().string();
  ASSERT_NE(ledger, "");
  std::filesystem::resize_file(ledger, 5000);
  auto again = up.cli({"up", "--port", "0", "--dir", up.dir()});
  EXPECT_EQ(again.code, 1);
  EXPECT_NE(again.err.find("ledger"), std::string::npos) << again.err;
  EXPECT_NE(again.err.find("hint: "), std::string::npos) << again.err;
}

}  // namespace
}  // namespace troupe::cluster
