#include "runtime/cluster/kj_text.hpp"

#include <kj/debug.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace troupe::cluster {

kj::Promise<void> write_text(kj::AsyncOutputStream& stream, std::string text) {
  auto size = static_cast<uint32_t>(text.size());
  auto bytes = kj::heap<std::string>();
  for (int shift : {24, 16, 8, 0}) *bytes += static_cast<char>(size >> shift);
  *bytes += text;
  auto written = stream.write(bytes->data(), bytes->size());
  return written.attach(kj::mv(bytes));
}

kj::Promise<std::string> read_text(kj::AsyncInputStream& stream, size_t bytes_max) {
  auto length = kj::heapArray<kj::byte>(4);
  auto read = stream.read(length.begin(), 4);
  return read.then([&stream, bytes_max, length = kj::mv(length)]() {
    size_t size = 0;
    for (auto b : length) size = size << 8 | b;
    KJ_REQUIRE(size <= bytes_max, "it announces more than a greeting has");
    auto text = kj::heapArray<char>(size);
    auto whole = stream.read(text.begin(), size);
    return whole.then([text = kj::mv(text)]() { return std::string{text.begin(), text.size()}; });
  });
}

std::string cause_of(const kj::Exception& exception) {
  std::string text{exception.getDescription().cStr()};
  // "OpenSSL error; message = \nerror:0A0000C7:SSL routines::peer did not return a certificate"
  if (text.starts_with("OpenSSL error")) {
    auto at = text.rfind("::");
    return at == std::string::npos ? "TLS failed"
                                   : text.substr(at + 2, text.find('\n', at) - at - 2);
  }
  // "connect(): Connection refused; more", "expected n == size; it announces ..."
  if (auto at = text.find("(): "); at != std::string::npos && at < 40)
    text = text.substr(at + 4);
  else if (text.starts_with("expected "))
    if (auto semicolon = text.find("; "); semicolon != std::string::npos)
      text = text.substr(semicolon + 2);
  if (auto at = text.find("; "); at != std::string::npos) text.resize(at);
  if (text.find("end of file") != std::string::npos ||
      text.find("Premature EOF") != std::string::npos)
    return "it hung up";
  return text;
}

void widen_buffers(int fd) {
  int bytes = 4 << 20;  // as far as net.core.wmem_max lets us
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

void keep_alive(kj::AsyncIoStream& stream) {
  int on = 1, idle_s = 5, every_s = 2, tries = 3, unheard_ms = 15'000;
  stream.setsockopt(SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  stream.setsockopt(IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  stream.setsockopt(IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
  stream.setsockopt(IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
  stream.setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, &unheard_ms, sizeof unheard_ms);
}

}  // namespace troupe::cluster
