// Getting a certificate with a join token: the worker's half of "join".
#include "runtime/cluster/dial.hpp"
#include "runtime/cluster/kj_text.hpp"

#include <fmt/format.h>
#include <kj/debug.h>

#include <optional>
#include <thread>

namespace troupe::cluster {

namespace {

constexpr auto join_patience = 10 * kj::SECONDS;

/// What the head answered, and with which authority's certificate.
struct Answer {
  std::string authority;
  std::string text;
};

Error not_the_head(const Address& head, std::string detail) {
  return Error{Errc::refused,
               fmt::format("{}:{} is not the head this token is for", head.host, head.port),
               std::move(detail), "get a token from the head you want to join: troupe token join"};
}

class Joining {
 public:
  Joining(const Address& head, const JoinToken& token, std::string request)
      : head_{head}, token_{token}, request_{std::move(request)} {}

  Result<Answer> run() {
    auto io = kj::setupAsyncIo();
    auto failed = kj::runCatchingExceptions([&] {
      io.provider->getTimer().timeoutAfter(join_patience, talk(*io.provider)).wait(io.waitScope);
    });
    if (refusal_) return *refusal_;
    KJ_IF_MAYBE (exception, failed) {
      return dial_error(head_, *exception);
    }
    return answer_;
  }

 private:
  kj::Promise<void> talk(kj::AsyncIoProvider& io) {
    return open_connection(io, head_, join_opening).then([this](kj::Own<kj::AsyncIoStream> stream) {
      auto read = read_text(*stream, greeting_bytes_max);
      return read.then(
          [this, stream = kj::mv(stream)](std::string authority) mutable -> kj::Promise<void> {
            auto print = fingerprint(authority);
            if (!print) {
              refusal_ = not_the_head(head_, "it shows no certificate");
              return kj::READY_NOW;
            }
            if (*print != token_.fingerprint) {
              refusal_ = not_the_head(
                  head_, fmt::format("its authority is {}..., the token's {}...",
                                     print->substr(0, 16), token_.fingerprint.substr(0, 16)));
              return kj::READY_NOW;
            }
            answer_.authority = std::move(authority);
            return ask(kj::mv(stream));
          });
    });
  }

  kj::Promise<void> ask(kj::Own<kj::AsyncIoStream> stream) {
    context_ = make_client_context(answer_.authority, nullptr);
    return context_->wrapClient(kj::mv(stream), kj::StringPtr{"head"})
        .then([this](kj::Own<kj::AsyncIoStream> secure) {
          auto said = write_text(*secure, request_);
          return said.then([this, secure = kj::mv(secure)]() mutable {
            auto read = read_text(*secure, greeting_bytes_max);
            return read.then([this, secure = kj::mv(secure)](std::string text) {
              answer_.text = std::move(text);
            });
          });
        });
  }

  const Address& head_;
  const JoinToken& token_;
  std::string request_;
  kj::Own<kj::TlsContext> context_;
  Answer answer_;
  std::optional<Error> refusal_;
};

}  // namespace

Result<Joined> join_cluster(const Address& head, const JoinToken& token, const std::string& name,
                            const KeyRequest& key, LinkHello hello, Clock& clock) {
  TROUPE_TRY(check_node_name(name));
  hello.time_us = clock.now().us;
  JoinRequest request{std::move(hello), name, to_string(token), key.request};
  std::optional<Result<Answer>> answer;
  // A loop of KJ leaves its mark on its thread: that is not to be the caller's.
  std::thread{[&] { answer = Joining{head, token, to_json(request)}.run(); }}.join();
  if (!*answer) return std::move(*answer).error();
  auto certificate = parse_certificate_answer((*answer)->text);
  if (!certificate) return std::move(certificate).error();
  auto verified = verified_name(*certificate, (*answer)->authority);
  if (!verified) return std::move(verified).error();
  if (*verified != name)
    return Error{Errc::refused, "the head gave a certificate for another name",
                 fmt::format("it says {}, not {}", *verified, name), "please report this"};
  return Joined{Identity{key.key, std::move(*certificate)}, std::move((*answer)->authority)};
}

}  // namespace troupe::cluster
