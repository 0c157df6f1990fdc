#include "storage/dataset/content_id.hpp"

#include "runtime/core/assert.hpp"
#include "runtime/core/digest.hpp"

#include <openssl/evp.h>

namespace troupe::dataset {

namespace {

/// Looking the algorithm up costs OpenSSL 3 more than hashing a small file does, so each thread
/// does it once.
class Hasher {
 public:
  Hasher() : algorithm_{EVP_MD_fetch(nullptr, "SHA256", nullptr)}, context_{EVP_MD_CTX_new()} {
    TROUPE_ASSERT(algorithm_ != nullptr && context_ != nullptr, "SHA-256 is missing");
  }
  ~Hasher() {
    EVP_MD_CTX_free(context_);
    EVP_MD_free(algorithm_);
  }
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  ContentId hash(std::string_view bytes) {
    ContentId id;
    bool good = EVP_DigestInit_ex2(context_, algorithm_, nullptr) == 1 &&
                EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1 &&
                EVP_DigestFinal_ex(context_, reinterpret_cast<unsigned char*>(id.bytes.data()),
                                   nullptr) == 1;
    TROUPE_ASSERT(good, "SHA-256 failed");
    return id;
  }

 private:
  EVP_MD* algorithm_;
  EVP_MD_CTX* context_;
};

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

ContentId content_id_of(std::string_view bytes) {
  thread_local Hasher hasher;
  return hasher.hash(bytes);
}

std::string to_string(const ContentId& id) {
  return hex(id.view());
}

std::optional<ContentId> content_id_from(std::string_view hexadecimal) {
  ContentId id;
  if (hexadecimal.size() != 2 * id.bytes.size()) return std::nullopt;
  for (size_t i = 0; i < id.bytes.size(); ++i) {
    int high = digit(hexadecimal[2 * i]), low = digit(hexadecimal[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    id.bytes[i] = static_cast<char>(high << 4 | low);
  }
  return id;
}

}  // namespace troupe::dataset
