// A disk that is full: a small one of our own, mounted for the test.
#include "bad_input.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <sys/mount.h>

namespace troupe::cluster {
namespace {

/// A file system of a few mebibytes, in memory.
class SmallDisk {
 public:
  SmallDisk(const std::string& path, const std::string& size) : path_{path} {
    std::filesystem::create_directories(path);
    mounted_ = ::mount("troupe-test", path.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
    if (!mounted_) reason_ = std::strerror(errno);
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }
  const std::string& reason() const { return reason_; }

 private:
  std::string path_, reason_;
  bool mounted_ = false;
};

TEST(FullDisk, TheJobFailsByItsNameAndTheLedgerStaysWhole) {
  UpProcess up;
  SmallDisk disk{up.dir(), "40m"};
  if (!disk.mounted()) GTEST_SKIP() << "nothing can be mounted here: " << disk.reason();
  ASSERT_TRUE(up.start());
  auto before = up.submit_shell("echo kept");
  EXPECT_EQ(up.await_end(before), "FINISHED");

  auto filler = up.submit_shell("dd if=/dev/zero of=$TROUPE_OUTPUT/all bs=64k; exit $?");
  EXPECT_EQ(up.await_end(filler), "FAILED");
  auto record = up.show(filler);
  EXPECT_NE(text_of(record, "reason").find("disk was full"), std::string::npos)
      << text_of(record, "reason");
  auto error = *record.find("error");
  EXPECT_NE(text_of(error, "detail").find(up.dir()), std::string::npos) << text_of(error, "detail");
  EXPECT_NE(text_of(error, "hint").find("free space"), std::string::npos);

  // All that was there is served, and what cannot be stored is refused or stored, never half.
  EXPECT_EQ(up.log_text(before), "kept\n");
  EXPECT_EQ(up.cli({"ls", "-a"}).code, 0);
  EXPECT_EQ(up.transitions(before).back(), "RUNNING->FINISHED");
  std::vector<std::string> accepted;
  for (int i = 0; i < 20; ++i) {
    auto answer = up.post("/api/v1/experiments",
                          fmt::format(R"({{"project":"p","name":"n{}","run":"true"}})", i));
    if (answer)
      accepted.push_back(text_of(*answer, "id"));
    else
      EXPECT_EQ(answer.error().code, Errc::exhausted) << to_string(answer.error());
  }
  for (const auto& id : accepted) EXPECT_FALSE(up.await_end(id).empty());

  ASSERT_TRUE(std::filesystem::remove(fmt::format("{}/outputs/{}/all", up.dir(), filler)));
  auto later = up.submit_shell("echo again");
  EXPECT_EQ(up.await_end(later), "FINISHED");
  EXPECT_EQ(up.log_text(later), "again\n");

  // The same after a restart: nothing acknowledged is gone.
  EXPECT_EQ(up.stop(), 0);
  ASSERT_TRUE(up.start());
  EXPECT_EQ(up.state(before), "FINISHED");
  EXPECT_EQ(up.state(filler), "FAILED");
  for (const auto& id : accepted) EXPECT_FALSE(up.state(id).empty()) << id;
  EXPECT_EQ(up.state(later), "FINISHED");
  EXPECT_EQ(up.stop(), 0);
}

}  // namespace
}  // namespace troupe::cluster
