// Figures of datasets on one node: records, files through the kernel, cold epochs, fills, packing.
#include "runtime/core/fd.hpp"
#include "storage/dataset/epoch.hpp"
#include "storage/dataset/mount.hpp"
#include "storage/dataset/record_reader.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"
#include "tests/bench/dataset_parts.hpp"

#include <fmt/format.h>
#include <lmdb.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <unistd.h>

namespace troupe::bench {

namespace {

using dataset::RecordReader;

constexpr size_t item_bytes = 784;

/// An IDX file of random items.
std::string write_items(const std::string& path, uint32_t count, uint32_t bytes) {
  std::string text{"\0\0\x08\x02", 4};
  for (auto size : {count, bytes})
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(size >> shift);
  text += random_bytes_of(1, size_t{count} * bytes);
  must(replace_file(path, text, 0644, false));
  return path;
}

/// The same items as values of an LMDB file, the way most programs keep them.
double lmdb_rate(const std::string& dir, std::string_view items, const std::vector<uint32_t>& order,
                 double seconds) {
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi table = 0;
  mdb_env_create(&env);
  mdb_env_set_mapsize(env, items.size() * 2 + (64u << 20));
  auto path = dir + "/plain.mdb";
  if (mdb_env_open(env, path.c_str(), MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK | MDB_NORDAHEAD, 0600))
    std::exit(1);
  mdb_txn_begin(env, nullptr, 0, &txn);
  mdb_dbi_open(txn, nullptr, 0, &table);
  auto key_of = [](uint32_t i) { return __builtin_bswap32(i); };
  for (uint32_t i = 0; i < order.size(); ++i) {
    auto number = key_of(i);
    MDB_val key{4, &number};
    MDB_val value{item_bytes, const_cast<char*>(items.data()) + size_t{i} * item_bytes};
    if (mdb_put(txn, table, &key, &value, MDB_APPEND)) std::exit(1);
  }
  mdb_txn_commit(txn);
  mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn);
  char buffer[item_bytes];
  auto pass = [&] {
    uint64_t sum = 0;
    for (auto i : order) {
      auto number = key_of(i);
      MDB_val key{4, &number}, value{};
      mdb_get(txn, table, &key, &value);
      std::memcpy(buffer, value.mv_data, item_bytes);
      sum += static_cast<unsigned char>(buffer[i % item_bytes]);
    }
    keep(sum);
    return uint64_t{order.size()};
  };
  pass();
  auto rate = rate_of(seconds, pass);
  mdb_txn_abort(txn);
  mdb_env_close(env);
  return rate;
}

double flat_rate(const std::string& path, const std::vector<uint32_t>& order, double seconds,
                 size_t ahead) {
  auto fd = must(open_file(path, O_RDONLY));
  size_t bytes = 12 + order.size() * item_bytes;
  auto* mapped =
      static_cast<const char*>(::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd.get(), 0));
  auto pass = [&] {
    uint64_t sum = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      for (size_t at = 0; ahead > 0 && i + ahead < order.size() && at < item_bytes; at += 64)
        __builtin_prefetch(mapped + 12 + size_t{order[i + ahead]} * item_bytes + at);
      sum += sum_of({mapped + 12 + size_t{order[i]} * item_bytes, item_bytes});
    }
    keep(sum);
    return uint64_t{order.size()};
  };
  pass();
  auto rate = rate_of(seconds, pass);
  ::munmap(const_cast<char*>(mapped), bytes);
  return rate;
}

/// One record at a time, and as visit() does it.
double reader_rate(const RecordReader& reader, const std::vector<uint32_t>& order, double seconds,
                   bool visits) {
  std::vector<uint64_t> indexes(order.begin(), order.end());
  auto pass = [&] {
    uint64_t sum = 0;
    if (visits)
      reader.visit(indexes.data(), indexes.size(),
                   [&](std::string_view bytes) { sum += sum_of(bytes); });
    else
      for (auto i : indexes) sum += sum_of(reader.get(i).bytes());
    keep(sum);
    return uint64_t{order.size()};
  };
  pass();
  return rate_of(seconds, pass);
}

/// As a training would: the order computed as it goes.
double epoch_rate(const RecordReader& reader, double seconds) {
  uint64_t epoch = 0;
  return rate_of(seconds, [&] {
    auto shard = must(dataset::Shard::open({reader.size(), 0, 1, true}, {1, ++epoch, 0}));
    uint64_t sum = 0, count = 0, batch[512];
    while (auto some = shard.next(batch, 512)) {
      reader.visit(batch, some, [&](std::string_view bytes) { sum += sum_of(bytes); });
      count += some;
    }
    keep(sum);
    return count;
  });
}

}  // namespace

void bench_dataset_records(bool quick) {
  auto dir = scratch_folder("records");
  uint32_t count = quick ? 20'000 : 1'280'000;
  double seconds = quick ? 0.05 : 1.5;
  auto source = write_items(dir + "/x.idx", count, item_bytes);
  auto order = shuffled(count);
  auto plain = lmdb_rate(dir, must(read_file(source, 2u << 30)).substr(12), order, seconds);
  auto file = sealed_from(source, dir + "/cache");
  auto reader = must(RecordReader::of_table(file, "x.idx"));
  // Both warm by one read from the disk, as on the second day: not as they happened to be written.
  forget_pages(file->paths().blocks());
  must(reader.populate());
  forget_pages(source);
  must(read_file(source, 2u << 30));
  auto flat = flat_rate(source, order, seconds, 0);
  auto ours = reader_rate(reader, order, seconds, false);
  auto ahead = reader_rate(reader, order, seconds, true);
  auto flat_ahead = flat_rate(source, order, seconds, 12);
  auto epochs = epoch_rate(reader, seconds);
  row(fmt::format("warm random records of 784 B ({} MB), zero-copy, summed, visit() / mdb_get "
                  "+ copy",
                  uint64_t{count} * item_bytes / 1'000'000),
      fmt::format("{:.1f}x ({:.2f} M/s / {:.2f} M/s)", ahead / plain, ahead / 1e6, plain / 1e6),
      "7x");
  row("  / a flat file, mapped; / the same where its reader prefetches by hand",
      fmt::format("{:.2f}x ({:.2f} M/s); {:.2f}x ({:.2f} M/s)", ahead / flat, flat / 1e6,
                  ahead / flat_ahead, flat_ahead / 1e6),
      "0.7x");
  row("  get() one by one: / mdb_get + copy; / the flat file",
      fmt::format("{:.1f}x; {:.2f}x ({:.2f} M/s, {:.2f} M/s)", ours / plain, ours / flat,
                  ours / 1e6, flat / 1e6),
      "0.7x");
  row("  shuffled epochs, order computed as it goes",
      fmt::format("{:.2f} M/s, {:.1f}x mdb_get + copy", epochs / 1e6, epochs / plain), "7x");
  row("  space over payload",
      fmt::format("{:.3f}x", static_cast<double>(disk_bytes(file->paths().folder)) /
                                 static_cast<double>(uint64_t{count} * item_bytes)),
      "1.03x");
}

void bench_dataset_copies(bool quick) {
  constexpr uint32_t bytes = 100'000;
  auto dir = scratch_folder("copies");
  uint32_t count = quick ? 200 : 10'000;
  double seconds = quick ? 0.05 : 1.5;
  auto file = sealed_from(write_items(dir + "/x.idx", count, bytes), dir + "/cache");
  auto reader = must(RecordReader::of_table(file, "x.idx"));
  must(reader.populate());
  auto order = shuffled(count);
  std::string buffer(bytes, '\0');
  auto ours = bytes * rate_of(seconds, [&] {
                for (auto i : order) {
                  reader.copy(i, buffer.data());
                  keep(static_cast<unsigned char>(buffer[i % bytes]));
                }
                return uint64_t{order.size()};
              });
  size_t large = quick ? 64u << 20 : 1u << 30;
  std::string from(large, 'a'), to(large, 'b');
  auto copied = rate_of(seconds, [&] {
    std::memcpy(to.data(), from.data(), large);
    keep(static_cast<unsigned char>(to[large / 2]));
    return uint64_t{large};
  });
  row("warm 100 KB records copied out, random / one-thread memcpy out of cache",
      fmt::format("{:.2f}x ({:.1f} GB/s / {:.1f} GB/s)", ours / copied, ours / 1e9, copied / 1e9),
      "1.2x");
}

namespace {

const std::vector<std::string> fuse_program{TROUPE_PROGRAM, "serve-files"};

/// Mounts by the best of these ways that works here; empty where none does.
std::string mount_by(const dataset::SealedFile& file, const std::string& dir,
                     const std::vector<dataset::MountProbe>& probes) {
  for (const auto& probe : probes) {
    if (probe.error) continue;
    must(make_dirs(dir + "/mnt"));
    auto began = now_seconds();
    must(dataset::mount_files(file.paths(), dir + "/mnt", probe.method, fuse_program));
    row("mount",
        fmt::format("{:.3f} ms by {}", (now_seconds() - began) * 1e3, to_string(probe.method)),
        probe.method == dataset::MountMethod::fuse ? "-" : "1 ms");
    return dir + "/mnt";
  }
  return {};
}

std::string mount_somehow(const dataset::SealedFile& file, const std::string& dir) {
  return mount_by(file, dir, dataset::probe_mounts(dir));
}

/// Through the mount, beside the files that it was made of.
void compare_files(const std::string& mounted, const std::string& loose_root,
                   const std::vector<std::string>& names, unsigned threads, bool quick) {
  int rounds = quick ? 1 : 10;
  double ours = 0, loose = 0;
  for (int turn = 0; turn < (quick ? 1 : 3); ++turn) {
    open_read_close(loose_root, names, threads, 1);
    loose = std::max(loose, open_read_close(loose_root, names, threads, rounds));
    open_read_close(mounted, names, threads, 1);
    ours = std::max(ours, open_read_close(mounted, names, threads, rounds));
  }
  row(fmt::format("warm 4 KB files through the mount, {} thread{} / this disk's file system",
                  threads, threads > 1 ? "s" : ""),
      fmt::format("{:.2f}x ({:.0f} k/s / {:.0f} k/s)", ours / loose, ours / 1e3, loose / 1e3),
      "1.0x");
}

}  // namespace

void bench_dataset_files(bool quick) {
  auto dir = scratch_folder("files");
  uint32_t count = quick ? 500 : 20'000;
  std::vector<std::string> names;
  for (auto i : shuffled(count)) {
    names.push_back(fmt::format("{}/{}", i % 20, i));
    must(make_dirs(fmt::format("{}/loose/{}", dir, i % 20)));
    must(replace_file(dir + "/loose/" + names.back(), random_bytes_of(i, 4096), 0644, false));
  }
  auto file = sealed_from(dir + "/loose", dir + "/cache");
  auto probes = dataset::probe_mounts(dir);
  bool any = false;
  for (const auto& probe : probes) {
    auto mounted = mount_by(*file, dir, {probe});
    if (mounted.empty()) continue;
    any = true;
    for (unsigned threads : {1u, 4u}) compare_files(mounted, dir + "/loose", names, threads, quick);
    must(dataset::unmount_files(mounted));
  }
  if (!any) row("warm 4 KB files through the mount", "no way to mount works here", "1.0x");
}

namespace {

double cold_loose_seconds(const std::string& root, const std::vector<std::string>& names) {
  if (!drop_caches()) return 0;
  auto began = now_seconds();
  open_read_close(root, names, 1, 1);
  return now_seconds() - began;
}

double cold_reader_seconds(const std::string& folder, uint64_t& count) {
  if (!drop_caches()) return 0;
  auto began = now_seconds();
  auto reader = must(RecordReader::of_files(must(dataset::SealedFile::open(folder))));
  must(reader.populate());
  auto shard = must(dataset::Shard::open({reader.size(), 0, 1, true}, {1, 1, 0}));
  uint64_t sum = 0;
  while (auto index = shard.next()) sum += sum_of(reader.get(*index).bytes());
  keep(sum);
  count = reader.size();
  return now_seconds() - began;
}

}  // namespace

void bench_dataset_cold(bool quick) {
  auto dir = scratch_folder("cold");
  auto root = write_mnist_images(dir, quick ? 500 : 60'000);
  if (root.empty()) {
    row("one cold shuffled epoch of MNIST as PNG files", "no MNIST here (TROUPE_MNIST)", "50x");
    return;
  }
  auto file = sealed_from(root, dir + "/cache");
  auto folder = file->paths().folder;
  auto payload = file->manifest().file_bytes();
  std::vector<std::string> names;
  for (const auto& entry : file->manifest().entries)
    if (!entry.is_directory) names.push_back(entry.path);
  file.reset();
  std::vector<std::string> order;
  for (auto i : shuffled(static_cast<uint32_t>(names.size()))) order.push_back(names[i]);
  auto loose = cold_loose_seconds(root, order);
  uint64_t count = 0;
  auto ours = cold_reader_seconds(folder, count);
  if (loose == 0 || ours == 0) {
    row("one cold shuffled epoch of MNIST as PNG files", "emptying the page cache needs root",
        "50x");
    return;
  }
  row(fmt::format("one cold shuffled epoch of {} PNG files, reader / loose files", count),
      fmt::format("{:.0f}x ({:.0f} k/s / {:.1f} k/s)", loose / ours,
                  static_cast<double>(count) / ours / 1e3,
                  static_cast<double>(count) / loose / 1e3),
      "50x");
  file = must(dataset::SealedFile::open(folder));
  if (auto mounted = mount_somehow(*file, dir); !mounted.empty()) {
    auto by_mount = cold_loose_seconds(mounted, order);
    row("  through the mount / loose files",
        fmt::format("{:.1f}x ({:.0f} k/s)", loose / by_mount,
                    static_cast<double>(count) / by_mount / 1e3),
        "-");
    must(dataset::unmount_files(mounted));
  }
  auto ratio = [&](uint64_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(payload);
  };
  row("  space over content: what travels; on a node; loose files",
      fmt::format("{:.3f}x; {:.2f}x; {:.1f}x", ratio(file->blocks_file_bytes()),
                  ratio(disk_bytes(folder)), ratio(disk_bytes(root))),
      "1.03x");
}

namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

/// What a fill does without the network, beside writing and syncing the same bytes.
void bench_dataset_fill(bool quick) {
  auto dir = scratch_folder("fill");
  size_t bytes = quick ? 16u << 20 : 1u << 30;
  auto content = random_bytes_of(3, bytes);
  struct Sink final : dataset::BlockSink {
    Result<void> put(const dataset::ContentId&, std::string_view) override { return ok(); }
  } sink;
  dataset::Packer packer{{}, sink};
  must(packer.begin_file("x", false));
  must(packer.write(content));
  must(packer.end_file());
  auto manifest = std::make_shared<const dataset::Manifest>(must(packer.finish()));
  std::vector<double> ours, disk;
  auto write_plain = [&] {
    auto began = now_seconds();
    auto fd = must(open_file(dir + "/plain", O_WRONLY | O_CREAT | O_TRUNC));
    for (size_t at = 0; at < bytes; at += 1u << 20)
      must(write_all(fd.get(), std::string_view{content}.substr(at, 1u << 20)));
    if (::fsync(fd.get()) != 0) std::exit(1);
    disk.push_back(static_cast<double>(bytes) / (now_seconds() - began));
    must(remove_tree(dir + "/plain"));
  };
  auto fill_one = [&] {
    must(make_dirs(dir + "/cache"));
    auto began = now_seconds();
    auto writer = must(dataset::SealedWriter::begin(dir + "/cache", manifest));
    auto fetch = [&](uint32_t block, char* to) {
      std::memcpy(to, content.data() + (uint64_t{block} << 20), manifest->blocks[block].bytes());
      return ok();
    };
    must(dataset::fill(*writer, fetch));
    must(writer->seal());
    ours.push_back(static_cast<double>(bytes) / (now_seconds() - began));
    writer.reset();
    must(remove_tree(dir + "/cache"));
  };
  // In turns, each as often first as second: disks that are lent by the second let whoever comes
  // first write faster.
  for (int turn = 0; turn < (quick ? 1 : 6); ++turn) {
    if (turn % 2 == 0) write_plain();
    fill_one();
    if (turn % 2 == 1) write_plain();
  }
  row("fill of a node without the network (verify, store, sync) / write + fsync",
      fmt::format("{:.2f}x ({:.2f} GB/s / {:.2f} GB/s)", median(ours) / median(disk),
                  median(ours) / 1e9, median(disk) / 1e9),
      "0.85x");
}

void bench_dataset_packing(bool quick) {
  auto dir = scratch_folder("pack");
  uint32_t count = quick ? 1000 : 60'000;
  for (uint32_t i = 0; i < count; ++i) {
    if (i < 100) must(make_dirs(fmt::format("{}/loose/{}", dir, i)));
    must(replace_file(fmt::format("{}/loose/{}/{}", dir, i % 100, i),
                      random_bytes_of(i, 200 + i % 3000), 0644, false));
  }
  double ours = 1e9, tar = 1e9;
  uint64_t moved = 0;
  for (int turn = 0; turn < (quick ? 1 : 3); ++turn) {
    ::sync();
    auto began = now_seconds();
    auto command = fmt::format("tar -cf {0}/x.tar -C {0} loose", dir);
    if (std::system(command.c_str()) != 0) std::exit(1);
    tar = std::min(tar, now_seconds() - began);
    must(remove_tree(dir + "/x.tar"));
    must(make_dirs(dir + "/head"));
    ::sync();
    began = now_seconds();
    auto store = must(dataset::BlockStore::open(dir + "/head"));
    dataset::StoreSink sink{store};
    auto imported = must(dataset::import_path(dir + "/loose", {}, sink));
    ours = std::min(ours, now_seconds() - began);
    must(replace_file(dir + "/loose/1/1", fmt::format("changed {}", turn), 0644, false));
    auto again = must(dataset::import_path(dir + "/loose", {.former = &imported.manifest}, sink));
    moved = again.stats.new_bytes;
    must(remove_tree(dir + "/head"));
  }
  row(fmt::format("packing {} small files into a store / tar to the same disk", count),
      fmt::format("{:.2f}x ({:.2f} s / {:.2f} s)", ours / tar, ours, tar), "2x");
  row("  moved when one file changed", fmt::format("{} bytes", moved), "-");
}

}  // namespace troupe::bench
