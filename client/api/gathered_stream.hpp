// A connection that costs fewer system calls: what is written in one turn of the event loop goes
// out together, and small reads are served from a buffer. An answer over HTTP is a head and a body,
// an RPC connection has many short messages at once; a call of the kernel for each was two fifths
// of what a short request costs.
#pragma once

#include <kj/async-io.h>
#include <kj/vector.h>

#include <string>

namespace troupe::api {

// KJ's interfaces have no virtual destructor; kj::Own disposes of what was made, not of a base.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class GatheredStream final : public kj::AsyncIoStream, private kj::TaskSet::ErrorHandler {
 public:
  enum class Ahead {
    one,   // of the writes of a turn, the first alone is over before it is done: the head of an
           // answer, behind which a body comes
    many,  // all are, up to `ahead_bytes_max`
  };
  GatheredStream(kj::Own<kj::AsyncIoStream> inner, Ahead ahead)
      : inner_{kj::mv(inner)}, ahead_{ahead}, tasks_{*this} {}
  /// What still waits is given to the kernel, as far as that takes it at once.
  ~GatheredStream() noexcept;

  kj::Promise<size_t> tryRead(void* buffer, size_t min_bytes, size_t max_bytes) override;
  kj::Promise<void> write(const void* buffer, size_t size) override;
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;
  kj::Promise<void> whenWriteDisconnected() override { return inner_->whenWriteDisconnected(); }
  void shutdownWrite() override;
  void abortRead() override { inner_->abortRead(); }
  void getsockopt(int level, int option, void* value, kj::uint* length) override {
    inner_->getsockopt(level, option, value, length);
  }
  void setsockopt(int level, int option, const void* value, kj::uint length) override {
    inner_->setsockopt(level, option, value, length);
  }

 private:
  /// Larger ones are not copied: their calls of the kernel are worth it.
  static constexpr size_t gathered_bytes_max = 16u << 10;
  static constexpr size_t ahead_bytes_max = 64u << 10;
  static constexpr size_t read_bytes = 16u << 10;

  size_t take(kj::byte* to, size_t most);
  kj::Promise<void> gathered(bool first);
  kj::Promise<void> flush();
  kj::Promise<void> when_flushed();
  void settle();
  void taskFailed(kj::Exception&& exception) override;

  kj::Own<kj::AsyncIoStream> inner_;
  Ahead ahead_;
  std::string waiting_;    // not yet given to the kernel
  bool flushing_ = false;  // it will be, at the end of the turn or when what went before has gone
  bool writing_ = false;   // the kernel has not taken all yet
  bool shut_ = false;      // to be shut when all is written
  kj::Maybe<kj::Exception> failed_;
  kj::Vector<kj::Own<kj::PromiseFulfiller<void>>> waiters_;
  kj::Array<kj::byte> read_;
  size_t read_at_ = 0, read_end_ = 0;
  kj::TaskSet tasks_;  // last: it goes first
};
#pragma GCC diagnostic pop

}  // namespace troupe::api
