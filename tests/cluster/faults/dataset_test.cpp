// Data under fire: whoever is killed, at whatever step, no mount, no half version and no temporary
// file is left, and no job reads other bytes than were pushed.
#include "runtime/core/fd.hpp"
#include "storage/dataset/sealed_writer.hpp"
#include "tests/cluster/many.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

namespace troupe::cluster {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

size_t mounts_below(const std::string& folder) {
  auto mounts = read_file("/proc/self/mountinfo", 8 << 20).value_or("");
  size_t count = 0;
  for (size_t at = 0; (at = mounts.find(" " + folder, at)) != std::string::npos; ++at) ++count;
  return count;
}

size_t living_in(const std::string& space) {
  size_t count = 0;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator{"/proc"}) {
    auto pid = std::atoi(entry.path().filename().c_str());
    if (pid > 0 && is_alive(pid) && fs::read_symlink(entry.path() / "ns/mnt", none) == space)
      ++count;
  }
  return count;
}

class DatasetFaults : public ::testing::Test {
 protected:
  void start(size_t bytes) {
    ASSERT_TRUE(many.start_head());
    ASSERT_TRUE(many.start_worker("w1"));
    fs::create_directories(many.path("data/sub"));
    std::mt19937_64 random{7};
    std::ofstream file{many.path("data/sub/large"), std::ios::binary};
    for (size_t done = 0; done < bytes; done += sizeof(uint64_t)) {
      auto number = random();
      file.write(reinterpret_cast<const char*>(&number), sizeof number);
    }
    file.close();
    auto pushed = many.cli({"data", "push", "large", many.path("data")});
    ASSERT_EQ(pushed.code, 0) << pushed.err;
    sum = many_sum(many.path("data/sub/large"));
  }
  std::string many_sum(const std::string& path) {
    auto out = many.path("sum");
    EXPECT_EQ(std::system(fmt::format("cksum < {} > {}", path, out).c_str()), 0);
    return read_file(out).value_or("");
  }
  std::string submit(const std::string& script, const std::string& more = {}) {
    return many.submit_shell(script, R"(,"data":["large"])" + more);
  }
  std::string worker(const std::string& name) const { return many.path("w1/" + name); }

  /// Versions of the node, whole or not: nothing but whole ones, and these are good.
  void expect_whole_versions() {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator{worker("cache"), none}) {
      if (entry.path().filename().string().size() != 64) continue;
      auto check = dataset::check_sealed(entry.path().string());
      ASSERT_TRUE(check) << to_string(check.error());
      EXPECT_TRUE(check->good()) << entry.path();
    }
  }
  /// When all has ended: the books of the node.
  void expect_balance() {
    expect_whole_versions();
    std::error_code none;
    for (const auto* folder : {"cache", "trees/copy"})
      for (const auto& entry : fs::directory_iterator{worker(folder), none}) {
        // Names with an ending are on their way.
        auto name = entry.path().filename().string();
        EXPECT_TRUE(!fs::is_directory(entry) || name.find('.') == std::string::npos) << name;
      }
    EXPECT_EQ(mounts_below(worker("slots")), 0u);
    many.worker("w1").signal(SIGTERM);
    EXPECT_EQ(many.worker("w1").wait(60s), 0);
    EXPECT_EQ(mounts_below(many.root()), 0u);
  }

  ManyMachines many;
  std::string sum;
};

TEST_F(DatasetFaults, OfWhoeverIsKilledNoMountIsLeft) {
  ASSERT_NO_FATAL_FAILURE(start(3 << 20));
  struct Victim {
    const char* name;
    const char* ends_as;
    std::function<void(const std::string& id)> kill;
  };
  auto signal_first = [&](const std::vector<pid_t>& pids) {
    ASSERT_FALSE(pids.empty());
    ::kill(pids.front(), SIGKILL);
  };
  auto all = {
      Victim{"job", "FAILED",
             [&](const std::string& id) {
               signal_first({std::atoi(many.read("w1/outputs/" + id + "/pid").c_str())});
             }},
      Victim{"launcher", "FINISHED",
             [&](const std::string&) { signal_first(many.launchers_of("w1")); }},
      Victim{"worker", "FINISHED",
             [&](const std::string&) {
               many.kill_worker("w1");
               EXPECT_EQ(mounts_below(worker("slots")), 0u);
               ASSERT_TRUE(many.start_worker("w1"));
             }},
      Victim{"head", "FINISHED",
             [&](const std::string&) {
               many.kill9();
               ASSERT_TRUE(many.start_head());
             }},
  };
  for (const auto& victim : all) {
    SCOPED_TRACE(victim.name);
    // It leaves another behind, in a session of its own.
    auto id = submit(
        "echo $$ > $TROUPE_OUTPUT/pid; (setsid sleep 1000 &); readlink /proc/self/ns/mnt > "
        "$TROUPE_OUTPUT/.space; mv $TROUPE_OUTPUT/.space $TROUPE_OUTPUT/space; until test -e " +
        many.path(victim.name) +
        "; do head -c 1 $TROUPE_DATA_LARGE/sub/large > /dev/null || exit 9; sleep 0.01; done; "
        "cksum < $TROUPE_DATA_LARGE/sub/large");
    auto spaces = many.path("w1/outputs/" + id + "/space");
    ASSERT_TRUE(await([&] { return fs::exists(spaces); }));
    auto space = read_file(spaces).value_or("");
    space.resize(space.find('\n'));
    auto own = space != fs::read_symlink("/proc/self/ns/mnt").string();
    victim.kill(id);
    std::ofstream{many.path(victim.name)};
    EXPECT_EQ(many.await_end(id), victim.ends_as);
    auto read = std::string{victim.ends_as} == "FINISHED";
    EXPECT_THAT(many.log_text(id), HasSubstr(read ? sum : ""));
    EXPECT_TRUE(!own || await([&] { return living_in(space) == 0; }));
    EXPECT_EQ(mounts_below(worker("slots")), 0u);
  }
  expect_balance();
}

TEST_F(DatasetFaults, AFillThatIsKilledIsGoneOnWith) {
  ASSERT_NO_FATAL_FAILURE(start(96 << 20));
  std::error_code none;
  auto fill = [&]() -> std::string {
    for (const auto& entry : fs::directory_iterator{worker("cache"), none})
      if (entry.path().extension() == ".fill") return entry.path().string();
    return {};
  };
  auto filled = [&] {
    auto folder = fill();
    // Written, not only reserved.
    struct stat info {};
    return !folder.empty() && ::stat((folder + "/blocks.mdb").c_str(), &info) == 0
               ? static_cast<size_t>(info.st_blocks) * 512
               : 0;
  };
  auto sealed = [&] {
    for (const auto& entry : fs::directory_iterator{worker("cache"), none})
      if (entry.path().filename().string().size() == 64) return true;
    return false;
  };
  struct Step {
    const char* name;
    std::function<bool()> reached;
    bool head;  // it is the head that is killed then
  };
  auto steps = {
      Step{"ordered", [] { return true; }, false},
      Step{"begun", [&] { return !fill().empty(); }, false},
      Step{"first blocks", [&] { return filled() > 0; }, false},
      Step{"half", [&] { return filled() > (48u << 20); }, false},
      Step{"half, the head", [&] { return filled() > (48u << 20); }, true},
      Step{"image",
           [&] {
             auto folder = fill();
             return !folder.empty() && fs::exists(folder + "/files.erofs", none);
           },
           false},
      Step{"seal",
           [&] {
             auto folder = fill();
             return !folder.empty() && fs::exists(folder + "/seal", none);
           },
           false},
      Step{"sealed", sealed, false},
      Step{"being written out", [&] { return !fs::is_empty(worker("trees/copy"), none); }, false},
  };
  for (const auto& step : steps) {
    SCOPED_TRACE(step.name);
    auto id = submit("cksum < $TROUPE_DATA_LARGE/sub/large", R"(,"mount_method":"copy")");
    // A step that was too short to be seen is as good as the end.
    for (auto until = std::chrono::steady_clock::now() + 30s;
         !step.reached() && std::chrono::steady_clock::now() < until;)
      if (many.state(id) == "FINISHED") break;
    if (step.head) {
      many.kill9();
      ASSERT_TRUE(many.start_head());
    } else {
      many.kill_worker("w1");
      expect_whole_versions();
      ASSERT_TRUE(many.start_worker("w1"));
    }
    EXPECT_EQ(many.await_end(id), "FINISHED");
    EXPECT_THAT(many.log_text(id), HasSubstr(sum));
    expect_whole_versions();
    EXPECT_EQ(fill(), "");
    // From the beginning again.
    many.worker("w1").signal(SIGTERM);
    ASSERT_EQ(many.worker("w1").wait(60s), 0);
    EXPECT_EQ(mounts_below(many.root()), 0u);
    fs::remove_all(worker("cache"));
    fs::remove_all(worker("trees"));
    ASSERT_TRUE(many.start_worker("w1"));
  }
  auto id = submit("cksum < $TROUPE_DATA_LARGE/sub/large");
  EXPECT_EQ(many.await_end(id), "FINISHED");
  expect_balance();
}

/// Turns one bit of the largest file below a folder.
void damage(const std::string& folder) {
  fs::path largest;
  for (const auto& entry : fs::recursive_directory_iterator{folder})
    if (entry.is_regular_file() && (largest.empty() || entry.file_size() > fs::file_size(largest)))
      largest = entry.path();
  fs::permissions(largest, fs::perms::owner_all);
  std::fstream file{largest, std::ios::in | std::ios::out | std::ios::binary};
  file.seekp(static_cast<std::streamoff>(fs::file_size(largest) / 2));
  auto byte = static_cast<char>(file.peek() ^ 4);
  file.put(byte);
}

TEST_F(DatasetFaults, ADamagedBlockIsFetchedAgainAndNeverRead) {
  ASSERT_NO_FATAL_FAILURE(start(3 << 20));
  auto first = submit("cksum < $TROUPE_DATA_LARGE/sub/large");
  ASSERT_EQ(many.await_end(first), "FINISHED");
  damage(worker("cache"));
  auto second = submit("cksum < $TROUPE_DATA_LARGE/sub/large");
  EXPECT_EQ(many.await_end(second), "FINISHED");
  EXPECT_THAT(many.log_text(second), HasSubstr(sum));
  EXPECT_THAT(many.worker_err("w1"), HasSubstr("is damaged"));
  EXPECT_THAT(many.worker_err("w1"), HasSubstr("fetched again"));
  expect_balance();
}

TEST_F(DatasetFaults, ADamagedBlockOfTheHeadComesToNoJob) {
  ASSERT_NO_FATAL_FAILURE(start(3 << 20));
  damage(many.dir() + "/data");
  auto id = submit("cksum < $TROUPE_DATA_LARGE/sub/large");
  EXPECT_EQ(many.await_end(id), "FAILED");
  EXPECT_EQ(many.log_text(id), "");
  EXPECT_FALSE(fs::exists(worker("trees/erofs")) && !fs::is_empty(worker("trees/erofs")));
}

}  // namespace
}  // namespace troupe::cluster
