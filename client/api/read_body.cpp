#include "client/api/read_body.hpp"

#include <kj/debug.h>

#include <algorithm>

namespace troupe::api {

namespace {

constexpr uint64_t step_bytes = 256u << 10;

kj::Promise<bool> read_rest(kj::AsyncInputStream& body, uint64_t length, std::string& out) {
  if (out.size() >= length) return true;
  auto at = out.size();
  auto step = std::min<uint64_t>(std::max<uint64_t>(step_bytes, at), length - at);
  out.resize(at + step);
  return body.tryRead(out.data() + at, step, step)
      .then([&body, length, &out, at, step](size_t got) -> kj::Promise<bool> {
        out.resize(at + got);
        if (got < step) return false;
        return read_rest(body, length, out);
      });
}

}  // namespace

kj::Promise<bool> read_body(kj::AsyncInputStream& body, uint64_t length, std::string& out,
                            Shared& shared) {
  auto late = shared.timer.afterDelay(shared.options.body_timeout).then([] { return false; });
  return read_rest(body, length, out).exclusiveJoin(kj::mv(late));
}

}  // namespace troupe::api
