#include "client/api/send_file.hpp"

#include "runtime/core/limits.hpp"

#include <fmt/format.h>
#include <kj/debug.h>

#include <algorithm>
#include <charconv>

namespace troupe::api {

namespace {

constexpr auto piece = static_cast<uint32_t>(limits::chunk_bytes);

struct Sender {
  Exchange& x;
  ReadPiece read;
  ByteRange range;
  kj::Own<kj::AsyncOutputStream> stream;

  kj::Promise<void> next() {
    if (range.first >= range.end) return kj::READY_NOW;
    auto limit = static_cast<uint32_t>(std::min<uint64_t>(piece, range.end - range.first));
    return read(range.first, limit).then([this](Result<FileChunk>&& chunk) { return put(chunk); });
  }
  kj::Promise<void> put(Result<FileChunk>& chunk) {
    // The length was promised: only breaking the connection tells the client that it is not all.
    if (!chunk || chunk->bytes.empty())
      return KJ_EXCEPTION(DISCONNECTED, "a file became shorter while it was sent");
    auto bytes = std::move(chunk->bytes);
    if (bytes.size() > range.end - range.first) bytes.resize(range.end - range.first);
    range.first += bytes.size();
    return x.write(*stream, std::move(bytes)).then([this] { return next(); });
  }
};

std::optional<uint64_t> number(std::string_view digits) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
    return std::nullopt;
  return value;
}

kj::Promise<void> begin(Exchange& x, ReadPiece read, FileChunk first) {
  const auto& ids = x.shared().ids;
  auto headers = x.headers("application/octet-stream");
  headers.set(ids.accept_ranges, "bytes");
  ByteRange range{0, first.size};
  uint32_t status = 200;
  if (auto part = parse_range(x.range, first.size)) {
    range = *part;
    status = range.first < range.end ? 206 : 416;
    if (status == 416)
      return x.send_error(416,
                          Error{Errc::invalid, "the range lies outside of the file",
                                fmt::format("the file has {} bytes", first.size), "ask for less"});
    auto text = fmt::format("bytes {}-{}/{}", range.first, range.end - 1, first.size);
    headers.set(ids.content_range, kj::heapString(text.data(), text.size()));
  }
  auto stream = x.start(status, headers, range.end - range.first);
  auto sender = kj::heap<Sender>(Sender{x, std::move(read), range, kj::mv(stream)});
  auto& self = *sender;
  Result<FileChunk> chunk{std::move(first)};
  auto begun = status == 200 && self.range.end != 0 ? self.put(chunk) : self.next();
  return begun.attach(kj::mv(sender));
}

}  // namespace

std::optional<ByteRange> parse_range(std::string_view header, uint64_t size) {
  if (!header.starts_with("bytes=") || header.find(',') != std::string_view::npos)
    return std::nullopt;
  header.remove_prefix(6);
  auto dash = header.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  auto first = number(header.substr(0, dash));
  auto last = number(header.substr(dash + 1));
  if (!first) {
    if (dash != 0 || !last) return std::nullopt;
    return ByteRange{size - std::min(*last, size), size};
  }
  if (!last && dash + 1 != header.size()) return std::nullopt;
  if (last && *last < *first) return std::nullopt;
  auto end = last && *last < size ? *last + 1 : size;
  return ByteRange{std::min(*first, size), std::max(end, std::min(*first, size))};
}

kj::Promise<void> send_file(Exchange& x, ReadPiece read) {
  auto first = read(0, piece);
  return first.then([&x, read = std::move(read)](Result<FileChunk>&& chunk) mutable {
    if (!chunk) return x.send_error(chunk.error());
    return begin(x, std::move(read), std::move(*chunk));
  });
}

}  // namespace troupe::api
