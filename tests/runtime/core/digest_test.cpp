#include "runtime/core/digest.hpp"

#include <gtest/gtest.h>

#include <set>

namespace troupe {
namespace {

TEST(Digest, KnownAnswers) {  // FIPS 180-4 examples
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Digest, AStreamGivesTheSameAsTheWhole) {
  std::string whole;
  Sha256 sha;
  for (int n = 0; n < 300; ++n) {
    std::string piece(static_cast<size_t>(n), static_cast<char>(n));
    whole += piece;
    sha.add(piece);
  }
  Sha256 moved{std::move(sha)};
  EXPECT_EQ(moved.finish(), sha256_hex(whole));
}

TEST(Digest, HmacKnownAnswers) {  // RFC 4231, cases 2 and 6
  EXPECT_EQ(hmac_sha256_hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac_sha256_hex(std::string(131, '\xaa'),
                            "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Digest, HexCoversEveryByte) {
  EXPECT_EQ(hex(std::string("\x00\x0f\xf0\xff", 4)), "000ff0ff");
  EXPECT_EQ(hex(""), "");
}

TEST(Digest, RandomBytesAreNotTheSame) {
  std::set<std::string> seen;
  for (int n = 0; n < 100; ++n) {
    auto bytes = random_bytes(32);
    EXPECT_EQ(bytes.size(), 32u);
    seen.insert(bytes);
  }
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(random_bytes(1 << 20).size(), size_t{1} << 20);
  EXPECT_EQ(random_bytes(0), "");
}

TEST(Digest, IsKnownByItsText) {
  auto digest = sha256_hex("abc");
  EXPECT_TRUE(is_digest(digest));
  EXPECT_FALSE(is_digest(digest.substr(1)));
  EXPECT_FALSE(is_digest(digest + "0"));
  EXPECT_FALSE(is_digest(std::string(64, 'A'))) << "written in lower case only";
  EXPECT_FALSE(is_digest(std::string(64, 'g')));
  EXPECT_FALSE(is_digest(std::string(63, '0') + "/"));
  EXPECT_FALSE(is_digest(""));
}

TEST(Digest, ComparesWholeStrings) {
  EXPECT_TRUE(equal_constant_time("", ""));
  EXPECT_TRUE(equal_constant_time("token", "token"));
  EXPECT_FALSE(equal_constant_time("token", "tokeN"));
  EXPECT_FALSE(equal_constant_time("token", "token1"));
  EXPECT_FALSE(equal_constant_time("token", ""));
}

}  // namespace
}  // namespace troupe
