#include "client/api/gathered_stream.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace troupe::api {

GatheredStream::~GatheredStream() noexcept {
  if (waiting_.empty() || writing_ || failed_ != nullptr) return;
  (void)kj::runCatchingExceptions(
      [this] { auto dropped = inner_->write(waiting_.data(), waiting_.size()); });
}

size_t GatheredStream::take(kj::byte* to, size_t most) {
  auto size = std::min(most, read_end_ - read_at_);
  if (size == 0) return 0;
  std::memcpy(to, read_.begin() + read_at_, size);
  read_at_ += size;
  return size;
}

kj::Promise<size_t> GatheredStream::tryRead(void* buffer, size_t min_bytes, size_t max_bytes) {
  auto* to = static_cast<kj::byte*>(buffer);
  auto had = read_at_ < read_end_ ? take(to, max_bytes) : 0;
  if (had >= min_bytes && had > 0) return had;
  auto wanted = min_bytes - had;
  if (max_bytes >= read_bytes)
    return inner_->tryRead(to + had, wanted, max_bytes - had).then([had](size_t more) {
      return had + more;
    });
  if (read_ == nullptr) read_ = kj::heapArray<kj::byte>(read_bytes);
  read_at_ = read_end_ = 0;
  return inner_->tryRead(read_.begin(), wanted, read_bytes)
      .then([this, to, had, most = max_bytes - had](size_t got) {
        read_end_ = got;
        return had + take(to + had, most);
      });
}

kj::Promise<void> GatheredStream::write(const void* buffer, size_t size) {
  KJ_IF_MAYBE (exception, failed_) return kj::cp(*exception);
  if (size > gathered_bytes_max)
    return when_flushed().then([this, buffer, size] { return inner_->write(buffer, size); });
  bool first = waiting_.empty();
  waiting_.append(static_cast<const char*>(buffer), size);
  return gathered(first);
}

kj::Promise<void> GatheredStream::write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) {
  KJ_IF_MAYBE (exception, failed_) return kj::cp(*exception);
  size_t size = 0;
  for (auto piece : pieces) size += piece.size();
  if (size > gathered_bytes_max)
    return when_flushed().then([this, pieces] { return inner_->write(pieces); });
  bool first = waiting_.empty();
  for (auto piece : pieces)
    waiting_.append(reinterpret_cast<const char*>(piece.begin()), piece.size());
  return gathered(first);
}

kj::Promise<void> GatheredStream::gathered(bool first) {
  if (!std::exchange(flushing_, true)) tasks_.add(kj::evalLast([this] { return flush(); }));
  bool goes_on = ahead_ == Ahead::many ? waiting_.size() <= ahead_bytes_max : first;
  if (goes_on && !writing_) return kj::READY_NOW;
  return when_flushed();
}

kj::Promise<void> GatheredStream::flush() {
  writing_ = !waiting_.empty();
  if (!writing_) {
    flushing_ = false;
    settle();
    return kj::READY_NOW;
  }
  auto bytes = kj::heap<std::string>(std::exchange(waiting_, {}));
  auto& text = *bytes;
  return inner_->write(text.data(), text.size()).attach(kj::mv(bytes)).then([this] {
    return flush();
  });
}

kj::Promise<void> GatheredStream::when_flushed() {
  if (!flushing_) return kj::READY_NOW;
  auto paf = kj::newPromiseAndFulfiller<void>();
  waiters_.add(kj::mv(paf.fulfiller));
  return kj::mv(paf.promise);
}

/// All is written, or nothing more can be.
void GatheredStream::settle() {
  auto waiters = kj::mv(waiters_);
  waiters_ = {};
  for (auto& waiter : waiters) {
    KJ_IF_MAYBE (exception, failed_)
      waiter->reject(kj::cp(*exception));
    else
      waiter->fulfill();
  }
  if (std::exchange(shut_, false) && failed_ == nullptr) inner_->shutdownWrite();
}

void GatheredStream::shutdownWrite() {
  if (flushing_)
    shut_ = true;
  else
    inner_->shutdownWrite();
}

void GatheredStream::taskFailed(kj::Exception&& exception) {
  failed_ = kj::mv(exception);
  flushing_ = writing_ = false;
  waiting_.clear();
  settle();
}

}  // namespace troupe::api
