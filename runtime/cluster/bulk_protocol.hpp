// What is said on a bulk connection, after TLS and the greeting: frames of four bytes length (big
// endian), one byte kind, and a body.
//
//   asker -> request                                  one at a time; then the next, or the end
//   asker <- data, data, ..., end  or at any time error
//
// Pure.
#pragma once

#include "runtime/cluster/bulk.hpp"

#include <string>
#include <string_view>

namespace troupe::cluster {

enum class BulkFrame : char { request = 'q', data = 'd', end = 'e', error = 'x' };

inline constexpr size_t bulk_frame_header_bytes = 5;
/// Of all kinds but data.
inline constexpr size_t bulk_small_frame_max = 16u << 10;

struct BulkFrameHeader {
  BulkFrame kind = BulkFrame::error;
  size_t bytes = 0;
};

std::string bulk_frame(BulkFrame kind, std::string_view body);
/// Refuses kinds that are none and lengths that are too large for their kind.
Result<BulkFrameHeader> parse_bulk_header(std::string_view bytes);

std::string bulk_body(const BulkRequest& request);
std::string bulk_body(const BulkEnd& end);
std::string bulk_body(const Error& error);
Result<BulkRequest> parse_bulk_request(std::string_view body);
Result<BulkEnd> parse_bulk_end(std::string_view body);
Error parse_bulk_error(std::string_view body);

}  // namespace troupe::cluster
