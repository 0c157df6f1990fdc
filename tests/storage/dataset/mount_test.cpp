// The files of a version through the kernel, on every way that this machine permits, and written
// out: no difference to what was packed.
#include "storage/dataset/mount.hpp"

#include "storage/dataset/erofs_image.hpp"
#include "tests/storage/dataset/sealed_fixture.hpp"

#include <gmock/gmock.h>

#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::dataset {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// Each file with the bytes that were packed, nothing beside, and zeros behind the end of a
/// mapping.
void expect_tree(const std::string& root, const Files& files, bool mounted) {
  std::set<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator{root}) {
    auto path = fs::relative(entry.path(), root).string();
    if (entry.is_directory()) {
      EXPECT_EQ(files.count(path), 0u);
      continue;
    }
    ASSERT_TRUE(entry.is_regular_file()) << path;
    found.insert(path);
    auto expected = files.find(path);
    ASSERT_NE(expected, files.end()) << path << " was never packed";
    auto bytes = read_file(entry.path(), 1u << 30);
    ASSERT_TRUE(bytes) << to_string(bytes.error());
    EXPECT_TRUE(*bytes == expected->second) << path;
    struct stat info {};
    ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, path.ends_with(".sh") ? 0755u : 0644u) << path;
    auto tail = bytes->size() % 4096;
    if (!mounted || tail == 0) continue;
    int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    auto page = static_cast<off_t>(bytes->size() - tail);
    auto* mapped = static_cast<char*>(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, page));
    ::close(fd);
    ASSERT_NE(mapped, MAP_FAILED);
    EXPECT_EQ(std::string_view(mapped + tail, 4096 - tail), std::string(4096 - tail, '\0'));
    ::munmap(mapped, 4096);
  }
  EXPECT_EQ(found.size(), files.size());
}

const std::vector<std::string> fuse_program{FILES_SERVER};

/// Takes the mount back whatever the test does.
struct Mounted {
  Mounted(const SealedFile& file, const std::string& to, MountMethod method) : target{to} {
    EXPECT_TRUE(make_dirs(target));
    auto mounted = mount_files(file.paths(), target, method, fuse_program);
    EXPECT_TRUE(mounted) << to_string(mounted.error());
  }
  ~Mounted() { EXPECT_TRUE(unmount_files(target)); }
  std::string target;
};

class Mount : public ::testing::TestWithParam<MountMethod> {
 protected:
  void SetUp() override {
    for (const auto& probe : probe_mounts(dir_.path()))
      if (probe.method == GetParam() && probe.error) GTEST_SKIP() << to_string(*probe.error);
    EXPECT_TRUE(fs::is_empty(dir_.path())) << "a probe left something";
  }
  TempDir dir_;
};

TEST_P(Mount, ShowsEveryFileAsItWas) {
  for (uint8_t log2 : {uint8_t{0}, uint8_t{4}, limits::block_log2_default}) {
    auto files = odd_files(size_t{limits::page_bytes} << log2);
    // A directory of many blocks, whose names sort around "." and "..".
    for (int i = 0; log2 == 4 && i < 6000; ++i)
      files["wide/" + std::string(1, "!#$%&'()*+,-.~"[i % 14]) +
            std::string(static_cast<size_t>(i % 120), 'n') + std::to_string(i)] = std::to_string(i);
    std::string deep = "d";
    for (int i = 0; i < 200; ++i) deep += "/d";
    files[deep + "/file"] = "deep";
    files["\xc3\xa4 b/c d"] = "names";
    files[std::string(255, 'x')] = "long";
    Version version{files, log2};
    auto order = version.all_blocks();
    std::shuffle(order.begin(), order.end(), std::mt19937_64{log2});
    auto dir = dir_.path() + "/" + std::to_string(log2);
    ASSERT_TRUE(make_dirs(dir));
    auto file = version.seal_in(dir, order);
    ASSERT_NE(file, nullptr);
    Mounted mounted{*file, dir_.path() + "/mnt" + std::to_string(log2), GetParam()};
    expect_tree(mounted.target, files, true);
    // Names are looked up by the kernel's own search, too.
    for (const auto& [path, bytes] : files)
      ASSERT_TRUE(fs::exists(mounted.target + "/" + path)) << path;
    EXPECT_FALSE(fs::exists(mounted.target + "/wide/none"));
    EXPECT_LT(::open((mounted.target + "/a").c_str(), O_RDWR | O_CLOEXEC), 0);
  }
}

TEST_P(Mount, HoldsFilesLargerThan4GiB) {
  // One block said 66,000 times: 4.3 GB that lie on the disk once.
  MemoryBlocks sink;
  Packer packer{{.block_log2 = 4, .former = nullptr}, sink};
  auto chunk = random_text(1, 65536);
  ASSERT_TRUE(packer.begin_file("large", false));
  for (int i = 0; i < 66'000; ++i) ASSERT_TRUE(packer.write(chunk));
  ASSERT_TRUE(packer.write("the end"));
  ASSERT_TRUE(packer.end_file());
  Version version{{}, 4};
  version.manifest = *packer.finish();
  version.sink = sink;
  ASSERT_EQ(version.manifest.blocks.size(), 2u);
  auto file = version.seal_in(dir_.path());
  Mounted mounted{*file, dir_.path() + "/mnt", GetParam()};
  auto path = mounted.target + "/large";
  EXPECT_EQ(fs::file_size(path), 66'000ull * 65536 + 7);
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  for (off_t at : {off_t{0}, off_t{1} << 32, off_t{65'999} * 65536}) {
    std::string read(65536, ' ');
    EXPECT_EQ(::pread(fd, read.data(), read.size(), at), 65536);
    EXPECT_TRUE(read == chunk) << at;
  }
  char end[16] = {};
  EXPECT_EQ(::pread(fd, end, sizeof end, off_t{66'000} * 65536), 7);
  EXPECT_STREQ(end, "the end");
  ::close(fd);
}

TEST_P(Mount, OutlivesItsFolderAndIsRefusedWhereItIsCut) {
  Version version{{{"a", random_text(1, 200'000)}}, 4};
  auto file = version.seal_in(dir_.path());
  auto folder = file->paths().folder;
  {
    Mounted mounted{*file, dir_.path() + "/mnt", GetParam()};
    file.reset();
    int fd = ::open((mounted.target + "/a").c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(unmount_files(mounted.target).error().code, Errc::conflict);
    ::close(fd);
    fs::copy(folder, dir_.path() + "/copy");
    ASSERT_TRUE(remove_tree(folder));
    EXPECT_EQ(*read_file(mounted.target + "/a"), version.files.at("a"));
  }
  auto blocks = dir_.path() + "/copy/blocks.mdb";
  fs::permissions(blocks, fs::perms::owner_all);
  fs::resize_file(blocks, fs::file_size(blocks) - 4096);
  auto cut = mount_files({dir_.path() + "/copy"}, dir_.path() + "/mnt", GetParam(), fuse_program);
  EXPECT_EQ(cut.error().code, Errc::corrupt);
}

INSTANTIATE_TEST_SUITE_P(Ways, Mount,
                         ::testing::Values(MountMethod::erofs, MountMethod::erofs_loop,
                                           MountMethod::fuse),
                         [](const auto& way) {
                           return way.param == MountMethod::erofs        ? "erofs"
                                  : way.param == MountMethod::erofs_loop ? "erofs_loop"
                                                                         : "fuse";
                         });

TEST(MountMethods, HaveNames) {
  for (auto method :
       {MountMethod::erofs, MountMethod::erofs_loop, MountMethod::fuse, MountMethod::plain_copy})
    EXPECT_EQ(mount_method_from(to_string(method)), method);
  EXPECT_EQ(mount_method_from("nfs"), std::nullopt);
}

TEST(ErofsImage, IsTheSameForTheSameLayout) {
  Version version{odd_files(64u << 10), 4};
  auto payload = [&](uint32_t block) -> std::string_view { return version.payload(block); };
  auto image = [&] {
    return *erofs_image({version.manifest, [](uint32_t block) { return 10 + 20ull * block; },
                         payload, 1u << 30, version_id(version.manifest)});
  };
  EXPECT_EQ(image(), image());
  auto large = erofs_image({version.manifest, [](uint32_t) { return 1; }, payload, 1ull << 45, {}});
  EXPECT_EQ(large.error().code, Errc::invalid);
}

TEST(Export, WritesTheTreeAndNoDamagedByte) {
  auto files = odd_files(64u << 10);
  Version version{files, 4};
  TempDir dir;
  auto file = version.seal_in(dir.path());
  auto target = dir.path() + "/out";
  auto written = export_tree(*file, target);
  ASSERT_TRUE(written) << to_string(written.error());
  expect_tree(target, files, false);
  EXPECT_FALSE(export_tree(*file, target)) << "it exists";
  auto page = file->payload_page(0);
  auto blocks = file->paths().blocks();
  int fd = ::open(blocks.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::fchmod(fd, 0600), 0);
  ::close(fd);
  fd = ::open(blocks.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::pwrite(fd, "rot", 3, static_cast<off_t>(page * 4096)), 3);
  ::close(fd);
  EXPECT_EQ(export_tree(*file, dir.path() + "/bad").error().code, Errc::corrupt);
  EXPECT_FALSE(fs::exists(dir.path() + "/bad"));
}

}  // namespace
}  // namespace troupe::dataset
