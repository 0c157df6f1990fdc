// Objects in S3 and what speaks as it does. Where it is and who asks come from the variables that
// all of its tools read: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION,
// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. Without a key nothing is signed, as
// public buckets have it.
#pragma once

#include "client/cpp/fetch_url.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::client {

struct S3Place {
  std::string endpoint;  // "https://s3.eu-central-1.amazonaws.com"; with the bucket as its path
  bool bucket_in_host = false;
  S3Signature signature;
};
/// Of this process's environment, given as a lookup: null where a variable is not set.
S3Place s3_place(const std::function<const char*(const char*)>& variable);

struct S3Name {
  std::string bucket, key;  // an empty key, or one that ends with '/': all that begins with it
};
/// invalid for what is no "s3://BUCKET/KEY".
Result<S3Name> parse_s3_url(std::string_view url);

std::string s3_object_url(const S3Place& place, const std::string& bucket, std::string_view key);
std::string s3_list_url(const S3Place& place, const S3Name& name, const std::string& token);

struct S3Object {
  std::string key;
  uint64_t size = 0;
};
struct S3Page {
  std::vector<S3Object> objects;
  std::string next_token;  // empty: the end
};
/// A page of ListObjectsV2 with encoding-type=url. corrupt for anything else.
Result<S3Page> parse_s3_page(std::string_view xml);

}  // namespace troupe::client
