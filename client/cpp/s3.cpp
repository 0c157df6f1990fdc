#include "client/cpp/s3.hpp"

#include "client/cpp/http_client.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace troupe::client {

namespace {

std::string bucket_url(const S3Place& place, const std::string& bucket) {
  if (!place.bucket_in_host) return place.endpoint + "/" + bucket;
  auto host = place.endpoint.find("://") + 3;
  return place.endpoint.substr(0, host) + bucket + "." + place.endpoint.substr(host);
}

/// What stands between <tag> and </tag>, from `at` on, and the place behind it.
std::optional<std::string_view> element(std::string_view xml, std::string_view tag, size_t& at) {
  auto open = fmt::format("<{}>", tag), close = fmt::format("</{}>", tag);
  auto begin = xml.find(open, at);
  if (begin == std::string_view::npos) return std::nullopt;
  begin += open.size();
  auto end = xml.find(close, begin);
  if (end == std::string_view::npos) return std::nullopt;
  at = end + close.size();
  return xml.substr(begin, end - begin);
}

std::optional<std::string_view> element(std::string_view xml, std::string_view tag) {
  size_t at = 0;
  return element(xml, tag, at);
}

Result<std::string> url_decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    unsigned value = 0;
    auto digits = text.substr(i + 1, 2);
    auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (code != std::errc{} || end != digits.data() + 2)
      return Error{Errc::corrupt, "a listing cannot be read",
                   fmt::format("\"{}\" is no encoded name", text.substr(0, 200)), ""};
    decoded += static_cast<char>(value);
    i += 2;
  }
  return decoded;
}

}  // namespace

S3Place s3_place(const std::function<const char*(const char*)>& variable) {
  auto first_of = [&](std::initializer_list<const char*> names) -> std::string {
    for (const auto* name : names)
      if (const auto* value = variable(name); value != nullptr && *value != '\0') return value;
    return {};
  };
  S3Place place;
  place.signature.region = first_of({"AWS_REGION", "AWS_DEFAULT_REGION"});
  if (place.signature.region.empty()) place.signature.region = "us-east-1";
  place.signature.key_id = first_of({"AWS_ACCESS_KEY_ID"});
  place.signature.secret = first_of({"AWS_SECRET_ACCESS_KEY"});
  place.signature.session_token = first_of({"AWS_SESSION_TOKEN"});
  place.endpoint = first_of({"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
  while (place.endpoint.ends_with('/')) place.endpoint.pop_back();
  if (place.endpoint.empty()) {
    place.endpoint = fmt::format("https://s3.{}.amazonaws.com", place.signature.region);
    place.bucket_in_host = true;
  }
  return place;
}

Result<S3Name> parse_s3_url(std::string_view url) {
  constexpr std::string_view scheme = "s3://";
  auto bad = [&](const char* why) {
    return Error{Errc::invalid, fmt::format("{} names no object", url.substr(0, 200)), why,
                 "write s3://BUCKET/KEY, or s3://BUCKET/PREFIX/ for all below it"};
  };
  if (!url.starts_with(scheme)) return bad("it does not begin with s3://");
  url.remove_prefix(scheme.size());
  auto slash = url.find('/');
  S3Name name;
  name.bucket = url.substr(0, slash);
  if (slash != std::string_view::npos) name.key = url.substr(slash + 1);
  bool good = !name.bucket.empty();
  for (unsigned char c : name.bucket)
    good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '-' || c == '_');
  if (!good) return bad("it has no bucket that could be one");
  return name;
}

std::string s3_object_url(const S3Place& place, const std::string& bucket, std::string_view key) {
  return bucket_url(place, bucket) + "/" + url_encode(key, true);
}

std::string s3_list_url(const S3Place& place, const S3Name& name, const std::string& token) {
  // In the order of their names: so they are signed.
  auto query = token.empty() ? std::string{} : "continuation-token=" + url_encode(token) + "&";
  query += "encoding-type=url&list-type=2&prefix=" + url_encode(name.key);
  return bucket_url(place, name.bucket) + (place.bucket_in_host ? "/?" : "?") + query;
}

Result<S3Page> parse_s3_page(std::string_view xml) {
  auto bad = [](std::string why) {
    return Error{Errc::corrupt, "a listing cannot be read", std::move(why),
                 "is the address that of an S3 service?"};
  };
  auto result = xml.find("<ListBucketResult");
  if (result == std::string_view::npos) return bad("it is no ListBucketResult");
  S3Page page;
  size_t at = result;
  while (auto contents = element(xml, "Contents", at)) {
    auto key = element(*contents, "Key"), size = element(*contents, "Size");
    if (!key || !size) return bad("an object has no key or no size");
    auto decoded = url_decode(*key);
    if (!decoded) return std::move(decoded).error();
    uint64_t bytes = 0;
    auto [end, code] = std::from_chars(size->data(), size->data() + size->size(), bytes);
    if (code != std::errc{} || end != size->data() + size->size())
      return bad("the size of " + *decoded + " is none");
    page.objects.push_back({std::move(*decoded), bytes});
  }
  if (element(xml, "IsTruncated") == "true") {
    auto token = element(xml, "NextContinuationToken");
    if (!token || token->empty()) return bad("it goes on, and does not say where");
    page.next_token = *token;
  }
  return page;
}

}  // namespace troupe::client
