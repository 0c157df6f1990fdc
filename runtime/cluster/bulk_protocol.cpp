#include "runtime/cluster/bulk_protocol.hpp"

namespace troupe::cluster {

namespace {

// Of each part of an error, so that it fits its frame.
constexpr size_t error_text_max = 5000;

void put_number(std::string& out, uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
    out += static_cast<char>(value >> shift);
}

void put_text(std::string& out, std::string_view text) {
  put_number(out, text.size(), 4);
  out += text;
}

/// Never goes past the end: the first bad field makes all that follow empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_{bytes} {}
  uint64_t number(size_t bytes) {
    uint64_t value = 0;
    for (auto b : piece(bytes)) value = value << 8 | static_cast<unsigned char>(b);
    return value;
  }
  std::string text() { return std::string{piece(number(4))}; }
  bool whole() const { return good_ && rest_.empty(); }

 private:
  std::string_view piece(size_t bytes) {
    good_ = good_ && bytes <= rest_.size();
    if (!good_) return {};
    auto found = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return found;
  }
  std::string_view rest_;
  bool good_ = true;
};

Error nonsense() {
  return Error{Errc::refused, "a bulk connection was ended",
               "the other side does not speak as a "
               "node does",
               "are both of one version?"};
}

}  // namespace

std::string bulk_frame(BulkFrame kind, std::string_view body) {
  std::string frame;
  frame.reserve(bulk_frame_header_bytes + body.size());
  put_number(frame, body.size(), 4);
  frame += static_cast<char>(kind);
  frame += body;
  return frame;
}

Result<BulkFrameHeader> parse_bulk_header(std::string_view bytes) {
  if (bytes.size() != bulk_frame_header_bytes) return nonsense();
  BulkFrameHeader header{static_cast<BulkFrame>(bytes[4]), Reader{bytes}.number(4)};
  switch (header.kind) {
    case BulkFrame::data:
      if (header.bytes > bulk_piece_bytes || header.bytes == 0) return nonsense();
      return header;
    case BulkFrame::request:
    case BulkFrame::end:
    case BulkFrame::error:
      if (header.bytes > bulk_small_frame_max) return nonsense();
      return header;
  }
  return nonsense();
}

std::string bulk_body(const BulkRequest& request) {
  std::string body;
  for (const auto* text : {&request.what, &request.of, &request.path}) put_text(body, *text);
  put_number(body, request.offset, 8);
  put_number(body, request.limit, 8);
  return body;
}

std::string bulk_body(const BulkEnd& end) {
  std::string body;
  put_number(body, end.next, 8);
  put_number(body, end.size, 8);
  put_number(body, end.complete ? 1 : 0, 1);
  return body;
}

Result<BulkRequest> parse_bulk_request(std::string_view body) {
  Reader reader{body};
  BulkRequest request;
  for (auto* text : {&request.what, &request.of, &request.path}) *text = reader.text();
  request.offset = reader.number(8);
  request.limit = reader.number(8);
  if (!reader.whole()) return nonsense();
  return request;
}

Result<BulkEnd> parse_bulk_end(std::string_view body) {
  Reader reader{body};
  BulkEnd end;
  end.next = reader.number(8);
  end.size = reader.number(8);
  auto complete = reader.number(1);
  end.complete = complete == 1;
  if (!reader.whole() || complete > 1) return nonsense();
  return end;
}

std::string bulk_body(const Error& error) {
  std::string body;
  put_number(body, static_cast<uint8_t>(error.code), 1);
  for (const auto* text : {&error.what, &error.detail, &error.hint})
    put_text(body, std::string_view{*text}.substr(0, error_text_max));
  return body;
}

Error parse_bulk_error(std::string_view body) {
  Reader reader{body};
  Error error;
  auto code = reader.number(1);
  for (auto* text : {&error.what, &error.detail, &error.hint}) *text = reader.text();
  if (!reader.whole() || code == 0 || code > static_cast<uint8_t>(Errc::bug)) return nonsense();
  error.code = static_cast<Errc>(code);
  return error;
}

}  // namespace troupe::cluster
