#include "client/cli/progress.hpp"

#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace troupe::cli {

namespace {

constexpr auto redraw = std::chrono::milliseconds{200};

}  // namespace

std::string rate_text(uint64_t bytes, double seconds) {
  return fmt::format("{:.1f} MB/s", seconds > 0 ? static_cast<double>(bytes) / 1e6 / seconds : 0.0);
}

void Progress::add(uint64_t bytes) {
  bytes_ += bytes;
  if (!out_.talk_face().terminal || out_.quiet() || out_.wants_json()) return;
  auto now = clock_.monotonic();
  if (shown_ && now - drawn_ < redraw) return;
  drawn_ = now;
  shown_ = true;
  auto line = fmt::format("{} {}  {}", what_, bytes_text(bytes_), rate_text(bytes_, seconds()));
  fmt::print(stderr, "\r{}\x1b[K", cut(line, out_.talk_face().width - 1));
  std::fflush(stderr);
}

void Progress::clear() {
  if (!shown_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace troupe::cli
