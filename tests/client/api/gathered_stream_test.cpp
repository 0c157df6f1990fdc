#include "client/api/gathered_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <kj/debug.h>

#include <string>
#include <vector>

namespace troupe::api {
namespace {

using testing::ElementsAre;

// KJ's interfaces have no virtual destructor; kj::Own disposes of what was made, not of a base.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"

/// Notes each call; takes all that is written, unless it is held or broken.
class Probe final : public kj::AsyncIoStream {
 public:
  struct Log {
    std::vector<std::string> written;
    std::string to_read;
    int reads = 0;
    bool shut = false, broken = false;
    kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> held;
    bool hold = false;
  };
  explicit Probe(Log& log) : log_{log} {}

  kj::Promise<size_t> tryRead(void* buffer, size_t, size_t max_bytes) override {
    ++log_.reads;
    auto size = std::min(max_bytes, log_.to_read.size());
    log_.to_read.copy(static_cast<char*>(buffer), size);
    log_.to_read.erase(0, size);
    return size;
  }
  kj::Promise<void> write(const void* buffer, size_t size) override {
    if (log_.broken) return KJ_EXCEPTION(DISCONNECTED, "gone");
    log_.written.emplace_back(static_cast<const char*>(buffer), size);
    if (!log_.hold) return kj::READY_NOW;
    auto paf = kj::newPromiseAndFulfiller<void>();
    log_.held = kj::mv(paf.fulfiller);
    return kj::mv(paf.promise);
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    std::string all;
    for (auto piece : pieces)
      all.append(reinterpret_cast<const char*>(piece.begin()), piece.size());
    return write(all.data(), all.size());
  }
  kj::Promise<void> whenWriteDisconnected() override { return kj::NEVER_DONE; }
  void shutdownWrite() override { log_.shut = true; }

 private:
  Log& log_;
};
#pragma GCC diagnostic pop

class Gathered : public testing::Test {
 protected:
  ~Gathered() noexcept override = default;  // the loop may throw; it never does
  kj::Own<GatheredStream> stream(GatheredStream::Ahead ahead) {
    return kj::heap<GatheredStream>(kj::heap<Probe>(log), ahead);
  }
  static kj::Promise<void> put(GatheredStream& to, const std::string& text) {
    return to.write(text.data(), text.size());
  }

  kj::EventLoop loop;
  kj::WaitScope scope{loop};
  Probe::Log log;
};

TEST_F(Gathered, AHeadAndItsBodyGoOutTogether) {
  auto to = stream(GatheredStream::Ahead::one);
  auto head = put(*to, "head ");
  EXPECT_TRUE(head.poll(scope));
  EXPECT_THAT(log.written, ElementsAre());
  put(*to, "body").wait(scope);
  EXPECT_THAT(log.written, ElementsAre("head body"));
}

TEST_F(Gathered, ManyMessagesOfATurnGoOutTogether) {
  auto to = stream(GatheredStream::Ahead::many);
  kj::evalLater([&] {
    for (auto* text : {"a", "b", "c"}) put(*to, text).detach([](auto&&) { ADD_FAILURE(); });
    return kj::Promise<void>{kj::READY_NOW};
  }).wait(scope);
  put(*to, std::string(100'000, 'x')).wait(scope);
  EXPECT_THAT(log.written, ElementsAre("abc", std::string(100'000, 'x')));
}

TEST_F(Gathered, WhoIsAheadOfASlowReaderWaits) {
  auto to = stream(GatheredStream::Ahead::many);
  log.hold = true;
  EXPECT_TRUE(put(*to, "a").poll(scope));
  scope.poll();
  EXPECT_THAT(log.written, ElementsAre("a"));
  auto second = put(*to, "b");
  EXPECT_FALSE(second.poll(scope));
  to->shutdownWrite();
  EXPECT_FALSE(log.shut);
  log.hold = false;
  KJ_ASSERT_NONNULL(log.held)->fulfill();
  second.wait(scope);
  EXPECT_THAT(log.written, ElementsAre("a", "b"));
  EXPECT_TRUE(log.shut);
}

TEST_F(Gathered, WhatWaitsAtTheEndIsStillSent) {
  (void)put(*stream(GatheredStream::Ahead::one), "bye");
  EXPECT_THAT(log.written, ElementsAre("bye"));
}

TEST_F(Gathered, ABrokenConnectionIsToldByTheNextWrite) {
  auto to = stream(GatheredStream::Ahead::one);
  log.broken = true;
  put(*to, "a").wait(scope);
  EXPECT_THROW(put(*to, "b").wait(scope), kj::Exception);
  EXPECT_THROW(put(*to, "c").wait(scope), kj::Exception);
}

TEST_F(Gathered, SmallReadsAreServedFromOneLargeOne) {
  auto from = stream(GatheredStream::Ahead::many);
  log.to_read = "12345678";
  char two[3] = {};
  for (auto* part : {"12", "34", "56"}) {
    EXPECT_EQ(from->tryRead(two, 2, 2).wait(scope), 2u);
    EXPECT_EQ(std::string{two}, part);
  }
  EXPECT_EQ(log.reads, 1);
  EXPECT_EQ(from->tryRead(two, 1, 2).wait(scope), 2u);
  EXPECT_EQ(from->tryRead(two, 1, 2).wait(scope), 0u);
}

}  // namespace
}  // namespace troupe::api
