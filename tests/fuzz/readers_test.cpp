// What processes of ours read back: metrics and logs that jobs wrote, orders and frames.
#include "actors/worker/metric_reader.hpp"
#include "actors/worker/stager.hpp"
#include "mutator.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/process/line_splitter.hpp"
#include "runtime/process/log_store.hpp"
#include "runtime/process/protocol.hpp"

#include <caf/binary_serializer.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace troupe::fuzz {
namespace {

TEST(FuzzReaders, MetricFile) {
  Corpus corpus{
      {"{\"step\": 3, \"loss\": 0.25, \"accuracy\": 0.9}\n{\"loss\": NaN}\n",
       "{\"metric\": \"loss\", \"value\": -Infinity, \"step\": 1}\n\n{\"epoch\": 2, \"a\": 1}",
       "{\"time\": 1700000000.5, \"val/acc\": true}\r\n[1]\nnot json\n{}\n"},
      {"NaN", "Infinity", "-Infinity", "\"NaN\"", "{\"a\":", "1e999", "\n",
       "\"step\":", "\"time\":-1e300,", std::string(70'000, 'x'), "\"a\":{\"b\":[1]}"},
      200u << 10};
  for_mutations(corpus, 20'000, [](const std::string& input, Mutator& mutator) {
    uint64_t line = 0;
    auto offset = mutator.number(1u << 20);
    auto first = actors::scan_metric_file(input, offset, line, 5, false);
    ASSERT_LE(first.consumed, input.size());
    // Nothing is left but the beginning of one line, and that is bounded.
    EXPECT_EQ(input.find('\n', first.consumed), std::string::npos);
    EXPECT_LE(input.size() - first.consumed, limits::metric_line_bytes_max);
    auto rest = actors::scan_metric_file(std::string_view{input}.substr(first.consumed),
                                         offset + first.consumed, line, 5, true);
    EXPECT_EQ(first.consumed + rest.consumed, input.size());
    auto end = offset;
    for (const auto* scan : {&first, &rest})
      for (const auto& point : scan->points) {
        EXPECT_FALSE(point.name.empty());
        EXPECT_GE(point.end, end);
        EXPECT_LE(point.end, offset + input.size());
        end = point.end;
      }
  });
}

TEST(FuzzReaders, MetricsInLogs) {
  const std::string time = "2026-11-21T01:29:00.123456Z";
  Corpus corpus{{time + " 0o F {\"metric\": \"loss\", \"value\": 0.1, \"step\": 3}\n" + time +
                     " 0o P half\n" + time + " 0e F {\"metric\": \"a\", \"value\": 1}\n",
                 time + " 1o F x\n" + time + " -t F note\n"},
                {time, " 0o F {", "\"metric\"", "\"value\":", "NaN", "\n", " ", "\"step\":1e999"}};
  for_mutations(corpus, 20'000, [](const std::string& input, Mutator&) {
    auto scan = actors::scan_log(input, 7, 0);
    auto newline = input.rfind('\n');
    EXPECT_EQ(scan.consumed, newline == std::string::npos ? 0 : newline + 1);
    for (const auto& point : scan.points) EXPECT_LE(point.end, 7 + input.size());
  });
}

TEST(FuzzReaders, JobOrder) {
  JobOrder order;
  order.key = {JobId{{42, 7}, "worker", 0}, 9};
  order.phases = {{{"/bin/sh", "-c", "echo"}, true}, {{"python3", "train.py"}, false}};
  order.env = {{"A", "b"}, {"TROUPE_ID", "42.7"}};
  order.gpus = {0, 1, 2};
  order.hosts = {{"a", "127.0.0.1", 20000}};
  order.code_digest = std::string(64, 'a');
  std::vector<char> bytes;
  caf::binary_serializer sink{nullptr, bytes};
  ASSERT_FALSE(sink(order));
  Corpus corpus{{std::string(bytes.begin(), bytes.end())},
                {std::string(4, '\xff'), std::string(9, '\x7f'), "\xff\xff\xff\xff\x0f",
                 std::string(8, '\0')}};
  UniqueFd file{::memfd_create("order", MFD_CLOEXEC)};
  ASSERT_TRUE(file);
  auto path = "/proc/self/fd/" + std::to_string(file.get());
  for_mutations(corpus, 20'000, [&](const std::string& input, Mutator&) {
    ASSERT_EQ(::ftruncate(file.get(), 0), 0);
    ASSERT_EQ(::pwrite(file.get(), input.data(), input.size(), 0), ssize_t(input.size()));
    auto read = actors::read_order(path);
    if (!read) return expect_good_error(read.error());
    EXPECT_LE(read->phases.size(), input.size());
  });
}

TEST(FuzzReaders, LogStore) {
  char name[] = "/tmp/troupe-fuzz-XXXXXX";
  std::string folder = ::mkdtemp(name);
  const std::string time = "2026-11-21T01:29:00.123456Z";
  Corpus corpus{{time + " 0o F first\n" + time + " 1e P half\n" + time + " 1e F  rest\n",
                 time + " 0o F " + std::string(20'000, 'l') + "\n" + time + " 0o F x", ""},
                {"\n", time, std::string(40'000, 'y')},
                100u << 10};
  process::LogReader reader{folder};
  for_mutations(corpus, 3'000, [&](const std::string& input, Mutator& mutator) {
    // The same bytes in two segments, which fit together or leave a gap or overlap.
    auto cut = mutator.number(input.size());
    auto start = mutator.chance(3) ? cut + mutator.number(2000) : cut;
    auto head = process::log_segment_path(folder, 0);
    auto tail = process::log_segment_path(folder, start);
    ASSERT_TRUE(replace_file(head, input.substr(0, cut), 0644, false));
    ASSERT_TRUE(start == 0 || replace_file(tail, input.substr(cut), 0644, false));
    ASSERT_TRUE(replace_file(folder + "/dropped", input.substr(0, 30), 0644, false));
    auto offset =
        mutator.chance(4) ? mutator.number(UINT64_MAX) : mutator.number(input.size() + 10);
    for (int rounds = 0;; ++rounds) {
      ASSERT_LT(rounds, 3000);
      auto slice = reader.read(offset, 1 + mutator.number(5000));
      ASSERT_TRUE(slice);
      if (slice->bytes.empty()) break;
      EXPECT_EQ(slice->bytes.back(), '\n');
      ASSERT_GT(slice->next_offset, offset);
      offset = slice->next_offset;
    }
    auto end = reader.end();
    auto last = reader.tail_offset(mutator.number(5));
    ASSERT_TRUE(end && last);
    EXPECT_LE(*last, *end);
    ::unlink(head.c_str());
    ::unlink(tail.c_str());
  });
  (void)remove_tree(folder);
}

TEST(FuzzReaders, LinesOfJobs) {
  Corpus corpus{{"one\ntwo\r\nthree", std::string(40'000, 'a') + "\n", "\n\n\n"},
                {"\n", std::string(16u << 10, 'b'), "\xff\xfe", std::string(1, '\0')},
                200u << 10};
  for_mutations(corpus, 2'000, [](const std::string& input, Mutator& mutator) {
    process::LineSplitter splitter{0, 'o'};
    std::string records;
    for (size_t at = 0; at < input.size();) {
      auto size = 1 + mutator.number(5000);
      splitter.add(std::string_view{input}.substr(at, size), "T", records);
      at += size;
      if (mutator.chance(10)) splitter.flush_part("T", records);
    }
    splitter.finish("T", records);
    // Taken apart again, the records are the very bytes.
    std::string text;
    for (size_t at = 0; at < records.size();) {
      auto newline = records.find('\n', at);
      ASSERT_NE(newline, std::string::npos);
      auto record = std::string_view{records}.substr(at, newline - at);
      ASSERT_GE(record.size(), 7u);
      EXPECT_LE(record.size(), process::log_record_bytes_max);
      text += record.substr(7);
      if (record[5] == 'F') text += '\n';
      at = newline + 1;
    }
    if (!input.empty() && input.back() != '\n') text.pop_back();
    EXPECT_EQ(text, input);
  });
}

TEST(FuzzReaders, LauncherFrames) {
  process::RunRequest request;
  request.key = "42.7.worker.0/9/1";
  request.log_dir = "/tmp/log";
  request.processes = {{{"sh", "-c", "true"}, {"A=b", "C=d"}, "/tmp"}, {{"true"}, {}, ""}};
  process::RunStatus status;
  status.key = request.key;
  status.pids = {1, 2};
  status.exits = {{0, 9, {}}, {1, 0, {}}};
  status.error = Error{Errc::failed, "what", "detail", "hint"};
  Corpus corpus{{process::frame_of(process::FrameType::start, request),
                 process::frame_of(process::FrameType::ended, status) +
                     process::frame_of(process::FrameType::started, status)},
                {std::string(4, '\xff'), std::string("\0\0\0\x01", 4), std::string(8, '\0')}};
  for_mutations(corpus, 20'000, [](const std::string& input, Mutator&) {
    process::FrameSplitter splitter;
    splitter.add(input);
    process::Frame frame;
    while (true) {
      auto more = splitter.next(frame);
      if (!more) return expect_good_error(more.error());
      if (!*more) return;
      process::Decoder as_request{frame.body};
      process::RunRequest got;
      decode(as_request, got);
      if (as_request.complete())
        if (auto good = process::check(got); !good) expect_good_error(good.error());
      process::Decoder as_status{frame.body};
      process::RunStatus end;
      decode(as_status, end);
    }
  });
}

}  // namespace
}  // namespace troupe::fuzz
