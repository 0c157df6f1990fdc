#include "runtime/cluster/bulk_stream.hpp"

#include <kj/debug.h>

namespace troupe::cluster {

namespace {

// Neither side waits longer for one piece: a disk or a peer that takes so long hangs.
constexpr auto piece_patience = 30 * kj::SECONDS;

}  // namespace

kj::Promise<BulkStream::Frame> BulkStream::read_frame() {
  auto header = kj::heapArray<char>(bulk_frame_header_bytes);
  auto read = stream_->tryRead(header.begin(), header.size(), header.size());
  return read.then([this, header = kj::mv(header)](size_t count) -> kj::Promise<Frame> {
    if (count == 0) return Frame{};
    auto parsed = parse_bulk_header({header.begin(), count});
    KJ_REQUIRE(parsed.has_value(), "it does not speak as a node does");
    auto frame = kj::heap<Frame>(Frame{parsed->kind, std::string(parsed->bytes, '\0')});
    auto body = stream_->read(frame->body.data(), frame->body.size());
    return timer_.timeoutAfter(piece_patience, kj::mv(body))
        .then([frame = kj::mv(frame)]() mutable { return std::move(*frame); });
  });
}

kj::Promise<void> BulkStream::write_frame(BulkFrame kind, std::string_view body) {
  auto frame = kj::heap<std::string>(bulk_frame(kind, body));
  auto written = stream_->write(frame->data(), frame->size());
  return timer_.timeoutAfter(piece_patience, kj::mv(written)).attach(kj::mv(frame));
}

kj::Promise<bool> BulkStream::await_request() {
  return read_frame().then([this](Frame frame) {
    if (!frame.kind) return false;
    auto request = parse_bulk_request(frame.body);
    KJ_REQUIRE(frame.kind == BulkFrame::request && request, "it does not speak as a node does");
    request_ = std::move(*request);
    return true;
  });
}

kj::Promise<void> BulkStream::answer(const BulkOpen& open, const std::string& peer) {
  using Opened = Result<SourceRef>;
  return on_file_thread<SourceRef>(*threads_,
                                   [open, peer, request = request_]() -> Opened {
                                     auto source = open(peer, request);
                                     if (!source) return std::move(source).error();
                                     return SourceRef{std::move(*source)};
                                   })
      .then([this](Opened source) -> kj::Promise<void> {
        if (!source) return write_frame(BulkFrame::error, bulk_body(source.error()));
        return next_piece(*source).then([this, source = *source](Result<std::string> piece) {
          return send(source, std::move(piece));
        });
      });
}

kj::Promise<Result<std::string>> BulkStream::next_piece(SourceRef source) {
  return on_file_thread<std::string>(*threads_, [source] { return source->next(); });
}

/// One piece is on its way while the next is read.
kj::Promise<void> BulkStream::send(SourceRef source, Result<std::string> piece) {
  if (!piece) return write_frame(BulkFrame::error, bulk_body(piece.error()));
  if (piece->empty()) return write_frame(BulkFrame::end, bulk_body(source->end()));
  auto next = next_piece(source);
  return write_frame(BulkFrame::data, *piece)
      .then([next = kj::mv(next)]() mutable { return kj::mv(next); })
      .then([this, source](Result<std::string> after) { return send(source, std::move(after)); });
}

kj::Promise<Result<BulkAnswer>> BulkStream::ask(std::shared_ptr<const BulkQuestion> question) {
  begun_ = ended_ = false;
  return write_frame(BulkFrame::request, bulk_body(question->request)).then([this, question] {
    return receive(question, std::make_shared<BulkAnswer>());
  });
}

kj::Promise<Result<BulkAnswer>> BulkStream::receive(std::shared_ptr<const BulkQuestion> question,
                                                    std::shared_ptr<BulkAnswer> answer) {
  return timer_.timeoutAfter(piece_patience, read_frame())
      .then([this, question, answer](Frame frame) {
        return received(question, answer, std::move(frame));
      });
}

kj::Promise<Result<BulkAnswer>> BulkStream::received(std::shared_ptr<const BulkQuestion> question,
                                                     std::shared_ptr<BulkAnswer> answer,
                                                     Frame frame) {
  using Answer = Result<BulkAnswer>;
  KJ_REQUIRE(frame.kind.has_value(), "it hung up");
  begun_ = true;
  ended_ = frame.kind == BulkFrame::error || frame.kind == BulkFrame::end;
  if (frame.kind == BulkFrame::error) return Answer{parse_bulk_error(frame.body)};
  if (frame.kind == BulkFrame::end) {
    auto end = parse_bulk_end(frame.body);
    KJ_REQUIRE(end.has_value(), "it does not speak as a node does");
    answer->end = *end;
    return Answer{std::move(*answer)};
  }
  KJ_REQUIRE(frame.kind == BulkFrame::data, "it does not speak as a node does");
  if (!question->take) {
    // What is left of the answer is of no use to anybody: the connection ends with it.
    if (auto kept = gather(*answer, *question, frame.body); !kept) return Answer{kept.error()};
    return receive(question, answer);
  }
  if (question->take_is_quick) {
    if (auto taken = question->take(std::move(frame.body)); !taken) return Answer{taken.error()};
    return receive(question, answer);
  }
  using Taken = Result<bool>;
  auto piece = std::make_shared<std::string>(std::move(frame.body));
  return on_file_thread<bool>(*threads_,
                              [question, piece]() -> Taken {
                                TROUPE_TRY(question->take(std::move(*piece)));
                                return true;
                              })
      .then([this, question, answer](Taken taken) -> kj::Promise<Answer> {
        if (!taken) return Answer{std::move(taken).error()};
        return receive(question, answer);
      });
}

}  // namespace troupe::cluster
