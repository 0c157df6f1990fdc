// Short texts with their length before them, on a stream of KJ: the greetings of nodes. On the
// stream's own thread.
#pragma once

#include "runtime/core/error.hpp"

#include <kj/async-io.h>

#include <string>

namespace troupe::cluster {

kj::Promise<void> write_text(kj::AsyncOutputStream& stream, std::string text);
/// Rejects where more than `bytes_max` are announced, or the stream ends before.
kj::Promise<std::string> read_text(kj::AsyncInputStream& stream, size_t bytes_max);

/// What KJ says of a connection, without its file names and expressions.
std::string cause_of(const kj::Exception& exception);

/// Room for both directions between CAF and a carrier: with less, large messages crawl.
void widen_buffers(int fd);

/// A peer that is gone without a word is noticed in seconds, also where nothing is said for long.
void keep_alive(kj::AsyncIoStream& stream);

}  // namespace troupe::cluster
