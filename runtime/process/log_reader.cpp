#include "runtime/core/limits.hpp"
#include "runtime/process/log_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::process {
namespace {

struct Piece {
  uint64_t start = 0;
  uint64_t bytes = 0;
  uint64_t end() const { return start + bytes; }
};

/// The segments with their sizes, oldest first. One that vanishes meanwhile was dropped: left out.
Result<std::vector<Piece>> pieces_of(const std::string& dir) {
  auto starts = log_segments(dir);
  if (!starts) return std::move(starts).error();
  std::vector<Piece> pieces;
  for (auto start : *starts) {
    struct stat info {};
    if (::stat(log_segment_path(dir, start).c_str(), &info) == 0)
      pieces.push_back({start, static_cast<uint64_t>(info.st_size)});
  }
  return pieces;
}

/// Bytes [at, at + count) of a segment, fewer at its end.
Result<std::string> read_part(const std::string& dir, const Piece& piece, uint64_t at,
                              size_t count) {
  auto fd = open_file(log_segment_path(dir, piece.start), O_RDONLY);
  if (!fd) return std::move(fd).error();
  std::string bytes(count, '\0');
  size_t have = 0;
  while (have < count) {
    auto n = ::pread(fd->get(), bytes.data() + have, count - have,
                     static_cast<off_t>(at - piece.start + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "a log could not be read");
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  bytes.resize(have);
  return bytes;
}

/// The note that stands for what the ring dropped; its time is that of the record behind it.
std::string gap_note(const std::string& dir, uint64_t bytes, std::string_view next_record) {
  uint64_t lines = 0;
  uint64_t limit = limits::job_log_bytes_max;
  if (auto text = read_file(dir + "/dropped", 4096); text) {
    auto* end = text->data() + text->size();
    auto first = std::from_chars(text->data(), end, lines);
    if (first.ptr < end) std::from_chars(first.ptr + 1, end, limit);
  }
  auto time = next_record.substr(0, next_record.find(' '));
  if (!parse_rfc3339(time)) time = "1970-01-01T00:00:00.000000Z";
  return fmt::format("{} -t F {} ({} lines) of output dropped here: over the limit of {}\n", time,
                     bytes_text(bytes), lines, bytes_text(limit));
}

}  // namespace

std::string log_segment_path(const std::string& dir, uint64_t start) {
  return fmt::format("{}/{:020}.log", dir, start);
}

Result<std::vector<uint64_t>> log_segments(const std::string& dir) {
  std::vector<uint64_t> starts;
  std::unique_ptr<DIR, int (*)(DIR*)> stream{::opendir(dir.c_str()), ::closedir};
  if (!stream) {
    if (errno == ENOENT) return starts;
    return errno_error(errno, fmt::format("the log {} could not be read", dir));
  }
  while (auto* entry = ::readdir(stream.get())) {
    std::string_view name{entry->d_name};
    if (name.size() != 24 || !name.ends_with(".log")) continue;
    uint64_t start = 0;
    auto parsed = std::from_chars(name.data(), name.data() + 20, start);
    if (parsed.ec == std::errc{} && parsed.ptr == name.data() + 20) starts.push_back(start);
  }
  std::sort(starts.begin(), starts.end());
  return starts;
}

Result<LogSlice> LogReader::read(uint64_t offset, size_t limit) const {
  limit = std::max<size_t>(limit, 1);
  LogSlice slice;
  slice.next_offset = offset;
  // The writer may drop a segment between our listing and our reading: then list again.
  for (int attempt = 0; attempt < 8; ++attempt) {
    auto pieces = pieces_of(dir_);
    if (!pieces) return std::move(pieces).error();
    auto piece =
        std::find_if(pieces->begin(), pieces->end(), [&](auto& p) { return p.end() > offset; });
    if (piece == pieces->end()) return slice;
    bool gap = offset < piece->start;
    auto at = std::max(offset, piece->start);
    // One byte before tells whether `at` begins a record.
    auto from = at > piece->start ? at - 1 : at;
    auto part = read_part(dir_, *piece, from, std::max(limit, log_record_bytes_max) + 1);
    if (!part) {
      if (attempt < 7) continue;
      return std::move(part).error();
    }
    auto begin = size_t{0};
    if (from < at) {
      begin = part->find('\n');
      begin = begin == std::string::npos ? part->size() : begin + 1;
    }
    auto view = std::string_view{*part}.substr(begin);
    auto cut = view.substr(0, limit).rfind('\n');
    if (cut == std::string_view::npos) cut = view.find('\n');
    view = view.substr(0, cut == std::string_view::npos ? 0 : cut + 1);
    if (gap && !view.empty()) slice.bytes = gap_note(dir_, piece->start - offset, view);
    if (view.empty()) return slice;
    slice.next_offset = from + begin + view.size();
    slice.bytes.append(view);
    return slice;
  }
  return slice;
}

Result<uint64_t> LogReader::end() const {
  auto pieces = pieces_of(dir_);
  if (!pieces) return std::move(pieces).error();
  return pieces->empty() ? 0 : pieces->back().end();
}

Result<uint64_t> LogReader::tail_offset(uint64_t lines) const {
  auto pieces = pieces_of(dir_);
  if (!pieces) return std::move(pieces).error();
  if (pieces->empty()) return uint64_t{0};
  if (lines == 0) return pieces->back().end();
  constexpr uint64_t block = 64u << 10;
  uint64_t seen = 0;
  auto begin = pieces->back().end();
  for (auto piece = pieces->rbegin(); piece != pieces->rend(); ++piece) {
    for (auto end = piece->end(); end > piece->start;) {
      auto from = end - std::min(block, end - piece->start);
      auto part = read_part(dir_, *piece, from, end - from);
      if (!part) return begin;  // dropped meanwhile: what was found behind it is all there is
      for (auto i = part->size(); i-- > 0;)
        if ((*part)[i] == '\n' && seen++ == lines) return from + i + 1;
      end = from;
    }
    begin = piece->start;
  }
  return begin;
}

}  // namespace troupe::process
