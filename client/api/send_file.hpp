// A file as an answer: read and written piece by piece, with Content-Length and one byte range.
#pragma once

#include "client/api/exchange.hpp"

#include <functional>
#include <optional>

namespace troupe::api {

using ReadPiece = std::function<kj::Promise<Result<FileChunk>>(uint64_t offset, uint32_t limit)>;

kj::Promise<void> send_file(Exchange& x, ReadPiece read);

struct ByteRange {
  uint64_t first = 0;
  uint64_t end = 0;  // one behind the last
};
/// A Range header against a file's size: none where it is to be ignored (not understood, several),
/// an empty range where it lies outside.
std::optional<ByteRange> parse_range(std::string_view header, uint64_t size);

}  // namespace troupe::api
