#include "client/api/digests.hpp"

#include "client/api/convert.hpp"
#include "client/api/schema_json.hpp"
#include "runtime/core/digest.hpp"

#include <capnp/message.h>
#include <fmt/format.h>

namespace troupe::api {

Result<std::string> digest_from(std::string_view text) {
  if (!is_digest(text))
    return Error{Errc::invalid, "the digest could not be read",
                 fmt::format("\"{}\"", text.substr(0, 80)),
                 "64 hexadecimal digits in lower case: the SHA-256 of the bytes"};
  return std::string{text};
}

Result<std::vector<std::string>> digests_from(const std::string& body, size_t most) {
  capnp::MallocMessageBuilder request;
  auto in = request.initRoot<wire::Digests>();
  if (auto read = read_json(body, in); !read) return std::move(read).error();
  std::vector<std::string> digests;
  for (auto item : in.asReader().getDigests()) {
    auto one = digest_from({item.begin(), item.size()});
    if (!one) return std::move(one).error();
    digests.push_back(std::move(*one));
  }
  if (digests.size() > most)
    return Error{Errc::invalid, "too many digests", fmt::format("{} of them", digests.size()),
                 fmt::format("at most {}", most)};
  return digests;
}

kj::Promise<void> send_missing(Exchange& x, const Result<std::vector<std::string>>& missing) {
  if (!missing) return x.send_error(missing.error());
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::Missing>();
  auto list = out.initMissing(static_cast<uint32_t>(missing->size()));
  for (uint32_t i = 0; i < missing->size(); ++i)
    set_text((*missing)[i], [&](auto text) { list.set(i, text); });
  return x.send_json(out.asReader());
}

}  // namespace troupe::api
