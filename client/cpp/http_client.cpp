#include "client/cpp/http_client.hpp"

#include "client/cpp/http_loop.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>

namespace troupe::client {

namespace {

/// Answers that are read whole: a page of a list, a manifest, a file of a code snapshot.
constexpr uint64_t answer_bytes_max = 2 * limits::http_blob_body_max;

Errc code_of_status(unsigned status) {
  switch (status) {
    case 401:
      return Errc::unauthenticated;
    case 403:
      return Errc::refused;
    case 404:
      return Errc::not_found;
    case 408:
    case 504:
      return Errc::timed_out;
    case 409:
      return Errc::conflict;
    case 413:
    case 429:
    case 507:
      return Errc::exhausted;
    case 502:
    case 503:
      return Errc::unavailable;
    default:
      return status < 500 ? Errc::invalid : Errc::bug;
  }
}

std::string text_of(const Value& map, std::string_view key) {
  const auto* value = map.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : "";
}

struct RunningStream final : Stream {
  explicit RunningStream(kj::Promise<void> work) : promise{kj::mv(work)} {}
  ~RunningStream() noexcept override = default;
  kj::Promise<void> promise;
};

}  // namespace

std::string Address::host_header() const {
  auto name = host.find(':') == std::string::npos ? host : fmt::format("[{}]", host);
  return fmt::format("{}:{}", name, port);
}

Result<Address> parse_url(std::string_view url) {
  auto bad = [&](std::string detail) {
    return Error{Errc::invalid, fmt::format("{} is not the address of a head", url),
                 std::move(detail), "write it like http://head:7070"};
  };
  std::string_view rest = url;
  if (rest.starts_with("https://"))
    return bad("this version speaks plain http only; use a tunnel over untrusted networks");
  if (rest.starts_with("http://")) rest.remove_prefix(7);
  if (rest.find("://") != std::string_view::npos) return bad("the scheme is not http");
  Address address;
  if (auto slash = rest.find('/'); slash != std::string_view::npos) {
    address.base = rest.substr(slash);
    while (address.base.ends_with('/')) address.base.pop_back();
    rest = rest.substr(0, slash);
  }
  if (rest.find('@') != std::string_view::npos) return bad("a user in the address is not allowed");
  std::string_view port;
  if (rest.starts_with('[')) {
    auto end = rest.find(']');
    if (end == std::string_view::npos) return bad("the bracket is not closed");
    address.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    auto colon = rest.find(':');
    address.host = rest.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon);
  }
  if (address.host.empty()) return bad("it names no host");
  if (!port.empty()) {
    port.remove_prefix(1);
    auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (failure != std::errc{} || end != port.data() + port.size() || address.port == 0)
      return bad(fmt::format("{} is no port", port));
  }
  return address;
}

std::string url_encode(std::string_view text, bool keep_slashes) {
  std::string out;
  for (unsigned char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '-' || c == '_' || c == '.' || c == '~' || (keep_slashes && c == '/');
    if (plain)
      out.push_back(static_cast<char>(c));
    else
      out += fmt::format("%{:02X}", c);
  }
  return out;
}

Error error_of(unsigned status, std::string_view body, std::string_view path) {
  if (auto value = parse_json(body)) {
    if (const auto* error = value->find("error"); error != nullptr && error->is_map()) {
      return {errc_from_string(text_of(*error, "code")), text_of(*error, "message"),
              text_of(*error, "detail"), text_of(*error, "hint")};
    }
  }
  auto start = body.substr(0, std::min<size_t>(body.size(), 200));
  return {code_of_status(status), fmt::format("the head answered {} to {}", status, path),
          std::string{start}, "is this the address of a Troupe head of the same version?"};
}

std::string HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return "";
}

HttpClient::HttpClient(Address address, std::string url, std::string token)
    : loop_{std::make_unique<Loop>(std::move(address), std::move(url), std::move(token))} {}
HttpClient::~HttpClient() = default;

Result<HttpResponse> HttpClient::send(const HttpRequest& request) {
  for (int attempt = 0;; ++attempt) {
    auto answer =
        loop_->wait<HttpResponse>(request, [&] { return loop_->whole(request, answer_bytes_max); });
    // A kept connection may have been closed by the head just now; asking once more is safe where
    // the request changes nothing or carries a key.
    bool safe = request.method != "POST" ||
                std::any_of(request.headers.begin(), request.headers.end(),
                            [](const auto& h) { return h.first == "Idempotency-Key"; });
    if (!answer && answer.error().code == Errc::unavailable && safe && attempt == 0 &&
        loop_->answered_before && !loop_->interrupted)
      continue;
    if (answer && answer->status >= 400)
      return error_of(answer->status, answer->body, request.path);
    return answer;
  }
}

Result<void> HttpClient::send_all(size_t count, size_t parallel,
                                  const std::function<Result<HttpRequest>(size_t)>& make) {
  std::optional<Error> failure;
  struct Slot {
    bool busy = false;
    HttpRequest request;  // stays in place while its answer is awaited
    kj::Promise<void> work = kj::READY_NOW;
  };
  std::deque<Slot> slots(std::max<size_t>(1, parallel));
  auto begin = [&](Slot& slot) {
    slot.busy = true;
    auto done = [&](HttpResponse answer) {
      if (answer.status >= 400 && !failure)
        failure = error_of(answer.status, answer.body, slot.request.path);
      slot.busy = false;
      loop_->wake();
    };
    auto broken = [&](kj::Exception&& exception) {
      if (!failure) failure = loop_->error_from(exception);
      slot.busy = false;
      loop_->wake();
    };
    slot.work = kj::READY_NOW;  // gives the connection of the answer before back
    slot.work = kj::evalNow([&] { return loop_->whole(slot.request, answer_bytes_max); })
                    .then(kj::mv(done), kj::mv(broken))
                    .eagerlyEvaluate(nullptr);
  };
  size_t next = 0;
  for (;;) {
    for (auto& slot : slots) {
      if (slot.busy || next == count || failure) continue;
      auto request = make(next++);
      if (!request) return std::move(request).error();
      slot.request = std::move(*request);
      begin(slot);
    }
    if (failure || std::none_of(slots.begin(), slots.end(), [](auto& s) { return s.busy; })) break;
    pump(Duration{60'000});
    if (interrupted()) return Error{Errc::unavailable, "interrupted", "", ""};
  }
  if (failure) return *failure;
  return ok();
}

std::unique_ptr<Stream> HttpClient::open(const HttpRequest& request, StreamHandler handler) {
  auto shared = std::make_shared<StreamHandler>(std::move(handler));
  auto held = std::make_shared<HttpRequest>(request);
  auto run = [this, shared, held]() mutable {
    auto& asked = *held;
    return loop_->chunks(asked, shared).attach(kj::mv(held));  // KJ keeps a mere reference else
  };
  auto work = kj::evalLater(kj::mv(run))
                  .then([this, shared] { shared->ended(ok()), loop_->wake(); },
                        [this, shared](kj::Exception&& exception) {
                          shared->ended(loop_->error_from(exception));
                          loop_->wake();
                        })
                  .eagerlyEvaluate(nullptr);
  return std::make_unique<RunningStream>(kj::mv(work));
}

void HttpClient::pump(Duration timeout) {
  loop_->pump(timeout);
}

void HttpClient::interrupt_on(int fd) {
  loop_->interrupt_on(fd);
}

bool HttpClient::interrupted() const {
  return loop_->interrupted;
}

}  // namespace troupe::client
