#include "runtime/cluster/join_token.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/split.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace troupe::cluster {

namespace {

constexpr std::string_view kind = "troupe-join-1";

bool is_hex(std::string_view text, size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool to_number(std::string_view text, int64_t& number) {
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  return code == std::errc{} && end == text.data() + text.size() && number > 0;
}

constexpr size_t number_digits = 32;
constexpr size_t proof_digits = 64;

}  // namespace

std::string to_string(const JoinToken& token) {
  return fmt::format("{}/{}/{}/{}/{}/{}", kind, token.address, token.fingerprint, token.number,
                     token.expires_s, token.proof);
}

Result<JoinToken> parse_join_token(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.remove_suffix(1);
  Error error{Errc::invalid, "this is no join token",
              fmt::format("one begins with {}/ and has six parts", kind),
              "make one on the head: troupe token join"};
  if (text.size() > 1024) return error;
  auto parts = split(text, '/');
  JoinToken token;
  if (parts.size() != 6 || parts[0] != kind || parts[1].find(':') == std::string_view::npos ||
      !is_hex(parts[2], 64) || !is_hex(parts[3], number_digits) ||
      !to_number(parts[4], token.expires_s) || !is_hex(parts[5], proof_digits))
    return error;
  token.address = parts[1];
  token.fingerprint = parts[2];
  token.number = parts[3];
  token.proof = parts[5];
  return token;
}

std::string JoinTokens::prove(std::string_view number, int64_t expires_s) const {
  return hmac_sha256_hex(secret_, fmt::format("join {} {}", number, expires_s));
}

JoinToken JoinTokens::make(std::string address, std::string fingerprint, Timestamp now,
                           Duration life) const {
  JoinToken token;
  token.address = std::move(address);
  token.fingerprint = std::move(fingerprint);
  token.number = hex(random_bytes(number_digits / 2));
  auto life_us = std::chrono::duration_cast<std::chrono::microseconds>(life).count();
  token.expires_s = (now.us + life_us) / 1'000'000;
  token.proof = prove(token.number, token.expires_s);
  return token;
}

Result<void> JoinTokens::redeem(const JoinToken& token, const std::string& key_digest,
                                Timestamp now) {
  constexpr auto another = "make a new one on the head: troupe token join";
  if (!equal_constant_time(token.proof, prove(token.number, token.expires_s)))
    return Error{Errc::unauthenticated, "the join token was not accepted",
                 "this head did not make it", another};
  auto now_s = now.us / 1'000'000;
  if (token.expires_s <= now_s)
    return Error{
        Errc::unauthenticated, "the join token has expired",
        fmt::format("it was good until {}", rfc3339(Timestamp{token.expires_s * 1'000'000})),
        another};
  std::erase_if(used_, [&](const auto& use) { return use.second.expires_s <= now_s; });
  auto [use, fresh] = used_.try_emplace(token.number, Use{token.expires_s, key_digest});
  if (!fresh && use->second.key_digest != key_digest)
    return Error{Errc::refused, "the join token was used before", "each is good for one worker",
                 another};
  return ok();
}

std::string JoinTokens::used() const {
  std::string text;
  for (const auto& [number, use] : used_)
    text += fmt::format("{} {} {}\n", number, use.expires_s, use.key_digest);
  return text;
}

void JoinTokens::restore(std::string_view used) {
  for (auto line : split(used, '\n')) {
    auto parts = split(line, ' ');
    Use use;
    if (parts.size() != 3 || !is_hex(parts[0], number_digits) ||
        !to_number(parts[1], use.expires_s))
      continue;
    use.key_digest = parts[2];
    used_.insert_or_assign(std::string{parts[0]}, std::move(use));
  }
}

}  // namespace troupe::cluster
