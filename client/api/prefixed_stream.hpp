// A stream whose first byte was already read, put back in front. Writing goes straight through.
#pragma once

#include <kj/async-io.h>

namespace troupe::api {

// KJ's interfaces have no virtual destructor; kj::Own disposes of what was made, not of a base.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class PrefixedStream final : public kj::AsyncIoStream {
 public:
  PrefixedStream(kj::byte first, kj::Own<kj::AsyncIoStream> inner)
      : first_{first}, inner_{kj::mv(inner)} {}

  kj::Promise<size_t> tryRead(void* buffer, size_t min_bytes, size_t max_bytes) override {
    if (!pending_ || max_bytes == 0) return inner_->tryRead(buffer, min_bytes, max_bytes);
    pending_ = false;
    auto* bytes = static_cast<kj::byte*>(buffer);
    bytes[0] = first_;
    if (min_bytes <= 1) return size_t{1};
    return inner_->tryRead(bytes + 1, min_bytes - 1, max_bytes - 1).then([](size_t more) {
      return more + 1;
    });
  }
  kj::Promise<void> write(const void* buffer, size_t size) override {
    return inner_->write(buffer, size);
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    return inner_->write(pieces);
  }
  kj::Promise<void> whenWriteDisconnected() override { return inner_->whenWriteDisconnected(); }
  void shutdownWrite() override { inner_->shutdownWrite(); }
  void abortRead() override { inner_->abortRead(); }
  void getsockopt(int level, int option, void* value, kj::uint* length) override {
    inner_->getsockopt(level, option, value, length);
  }
  void setsockopt(int level, int option, const void* value, kj::uint length) override {
    inner_->setsockopt(level, option, value, length);
  }

 private:
  const kj::byte first_;
  bool pending_ = true;
  kj::Own<kj::AsyncIoStream> inner_;
};

#pragma GCC diagnostic pop
}  // namespace troupe::api
