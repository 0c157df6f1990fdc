#include "runtime/process/line_splitter.hpp"
#include "tests/runtime/process/harness.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <sys/mount.h>

namespace troupe::process {
namespace {

using testing::HasSubstr;
constexpr auto time_text = "2026-11-21T01:29:00.123456Z";

std::string record(int number) {
  return fmt::format("{} 0o F line {}\n", time_text, number);
}

TEST(LineSplitter, CutsLinesAndParts) {
  LineSplitter splitter{3, 'e'};
  std::string out;
  splitter.add("one\ntw", time_text, out);
  splitter.add("o\n\n", time_text, out);
  EXPECT_EQ(out, fmt::format("{0} 3e F one\n{0} 3e F two\n{0} 3e F \n", time_text));
  out.clear();
  splitter.add(std::string(40'000, 'x'), time_text, out);
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 2);
  splitter.flush_part(time_text, out);
  splitter.finish(time_text, out);
  EXPECT_EQ(std::count(out.begin(), out.end(), 'x'), 40'000);
  EXPECT_TRUE(out.ends_with(" 3e F \n"));
}

TEST(LogStore, ReadsBackFromAnyOffset) {
  auto dir = fresh_dir();
  LogWriter writer{dir, 0};
  std::string all;
  for (int i = 0; i < 1000; ++i) all += record(i);
  writer.append(all, Timestamp{1});
  EXPECT_EQ(writer.end(), all.size());
  LogReader reader{dir};
  EXPECT_EQ(*reader.end(), all.size());
  auto size = record(0).size();
  EXPECT_EQ(reader.read(0, 10)->bytes, record(0));
  EXPECT_EQ(reader.read(size, 2 * size)->bytes, record(1) + record(2));
  EXPECT_EQ(reader.read(size + 5, 1)->bytes, record(2));  // inside record 1
  EXPECT_EQ(reader.read(all.size(), 100)->bytes, "");
  EXPECT_EQ(reader.read(all.size() + 999, 100)->next_offset, all.size() + 999);
  EXPECT_EQ(reader.read(*reader.tail_offset(2), 1000)->bytes, record(998) + record(999));
  EXPECT_EQ(*reader.tail_offset(5000), 0u);
  LogWriter again{dir, 0};
  again.append(record(1000), Timestamp{1});
  EXPECT_EQ(reader.read(all.size(), 1000)->bytes, record(1000));
  (void)remove_tree(dir);
}

TEST(LogStore, DropsTheMiddleAndSaysHowMuch) {
  auto dir = fresh_dir();
  LogWriter writer{dir, log_bytes_least};
  int count = 100'000;
  uint64_t total = 0;
  for (int i = 0; i < count; ++i) {
    writer.append(record(i), Timestamp{1});
    total += record(i).size();
  }
  EXPECT_EQ(writer.end(), total);
  LogReader reader{dir};
  std::string all;
  for (uint64_t at = 0; at < total;) {
    auto slice = reader.read(at, 64u << 10);
    ASSERT_TRUE(slice);
    ASSERT_GT(slice->next_offset, at);
    at = slice->next_offset;
    all += slice->bytes;
  }
  EXPECT_LE(all.size(), log_bytes_least + 200);
  EXPECT_TRUE(all.starts_with(record(0)));
  EXPECT_TRUE(all.ends_with(record(count - 1)));
  auto note = all.find(" -t F ");
  ASSERT_NE(note, std::string::npos);
  auto kept = std::count(all.begin(), all.end(), '\n') - 1;
  EXPECT_THAT(all.substr(note, 100), HasSubstr(fmt::format("({} lines)", count - kept)));
  EXPECT_THAT(all.substr(note, 200), HasSubstr("over the limit of 256 KiB"));
  (void)remove_tree(dir);
}

TEST(LogStore, AReaderBesideTheWriterSeesWholeRecordsInOrder) {
  auto dir = fresh_dir();
  std::atomic<bool> done = false;
  std::thread writing{[&] {
    LogWriter writer{dir, log_bytes_least};
    for (int i = 0; i < 60'000; ++i) writer.append(record(i), Timestamp{1});
    done = true;
  }};
  LogReader reader{dir};
  int last = -1;
  for (uint64_t at = 0;;) {
    bool was_done = done;
    auto slice = reader.read(at, 10'000);
    if (!slice) {
      ADD_FAILURE() << to_string(slice.error());
      break;
    }
    at = slice->next_offset;
    if (slice->bytes.empty() && was_done) break;
    std::string_view rest{slice->bytes};
    while (!rest.empty()) {
      auto line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(line.size() + 1);
      if (line.find(" -t ") != std::string_view::npos) continue;
      auto number = std::atoi(std::string{line.substr(line.rfind(' ') + 1)}.c_str());
      EXPECT_EQ(line.size() + 1, record(number).size());
      EXPECT_GT(number, last);
      last = number;
    }
  }
  EXPECT_EQ(last, 59'999);
  writing.join();
  (void)remove_tree(dir);
}

TEST(LogStore, AFullDiskLosesOutputButNoExit) {
  Harness h;
  auto disk = h.root + "/disk";
  std::filesystem::create_directories(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=8m") != 0)
    GTEST_SKIP() << "no tmpfs may be mounted here";
  h.dir = disk + "/launcher";
  h.launcher_argv[1] = h.dir;
  h.connect();
  auto filler = h.shell("filler", "head -c 20M /dev/zero | tr '\\0' '\\n'; exit 5");
  filler.log_dir = disk + "/logs";
  auto status = h.run(filler);
  EXPECT_EQ(status.exits.at(0).code, 5);
  EXPECT_THAT(status.log_error, HasSubstr("No space left"));
  h.client->shutdown_launcher(true).has_value();
  h.client.reset();
  h.connect();
  EXPECT_EQ(h.end_of("filler").exits.at(0).code, 5);  // it is in the journal
  (void)h.client->shutdown_launcher(true);
  h.client.reset();
  ASSERT_TRUE(await([&] { return ::umount(disk.c_str()) == 0; }));
}

}  // namespace
}  // namespace troupe::process
