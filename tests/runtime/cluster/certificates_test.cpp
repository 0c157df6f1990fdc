#include "runtime/cluster/certificates.hpp"

#include <gtest/gtest.h>

namespace troupe::cluster {
namespace {

const Timestamp now{1'790'000'000'000'000};

Identity authority() {
  auto made = make_authority(now);
  EXPECT_TRUE(made);
  return made ? *made : Identity{};
}

TEST(Certificates, AWorkersCertificateNamesItAndIsOfItsCluster) {
  auto ca = authority();
  auto request = make_key_request();
  ASSERT_TRUE(request);
  EXPECT_NE(request->key.find("PRIVATE KEY"), std::string::npos);
  EXPECT_EQ(request->request.find("PRIVATE"), std::string::npos);
  auto certificate = sign_worker(ca, request->request, "gpu-17", now);
  ASSERT_TRUE(certificate) << to_string(certificate.error());
  auto name = verified_name(*certificate, ca.certificate);
  ASSERT_TRUE(name);
  EXPECT_EQ(*name, "gpu-17");

  auto foreign = verified_name(*certificate, authority().certificate);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, Errc::refused);
}

TEST(Certificates, TheHeadIsCalledHead) {
  auto ca = authority();
  auto head = make_head_identity(ca, now);
  ASSERT_TRUE(head) << to_string(head.error());
  auto name = verified_name(head->certificate, ca.certificate);
  ASSERT_TRUE(name);
  EXPECT_EQ(*name, "head");
}

TEST(Certificates, NoWorkerIsCalledHeadOrHasAStrangeName) {
  auto ca = authority();
  auto request = make_key_request();
  ASSERT_TRUE(request);
  for (const auto& name :
       {std::string{"head"}, std::string{}, std::string{"a b"}, std::string{"a,DNS:head"},
        std::string(65, 'x'), std::string{"a\0b", 3}, std::string{"\xc3\xa4"}}) {
    auto signed_one = sign_worker(ca, request->request, name, now);
    ASSERT_FALSE(signed_one) << name;
    EXPECT_EQ(signed_one.error().code, Errc::invalid);
  }
  EXPECT_TRUE(check_node_name("rack-3.node_7"));
}

TEST(Certificates, NamesTellGenerationsApart) {
  EXPECT_EQ(common_name({"w1", 0}), "w1");
  EXPECT_EQ(common_name({"w1", 12}), "w1~12");
  EXPECT_EQ(parse_common_name("w1~12")->name, "w1");
  EXPECT_EQ(parse_common_name("w1~12")->generation, 12u);
  EXPECT_EQ(parse_common_name("w1")->generation, 0u);
  for (const char* bad : {"", "~", "~1", "w1~", "w1~0", "w1~01", "w1~-1", "w1~99999999999",
                          "w1~1~2", "w 1", "head", "head~1"})
    EXPECT_FALSE(parse_common_name(bad)) << bad;
  auto ca = authority();
  auto request = make_key_request();
  auto longest = std::string(56, 'n');
  auto certificate = sign_worker(ca, request->request, longest, now, 99'999);
  ASSERT_TRUE(certificate) << to_string(certificate.error());
  EXPECT_EQ(*verified_name(*certificate, ca.certificate), longest);
}

TEST(Certificates, FingerprintsTellAuthoritiesApart) {
  auto one = fingerprint(authority().certificate);
  auto other = fingerprint(authority().certificate);
  ASSERT_TRUE(one && other);
  EXPECT_EQ(one->size(), 64u);
  EXPECT_NE(*one, *other);
}

TEST(Certificates, KeysTellRequestsApart) {
  auto one = make_key_request();
  auto other = make_key_request();
  ASSERT_TRUE(one && other);
  EXPECT_EQ(*key_digest(one->request), *key_digest(one->request));
  EXPECT_NE(*key_digest(one->request), *key_digest(other->request));
}

TEST(Certificates, GarbageIsRefusedWithoutACrash) {
  auto ca = authority();
  auto request = make_key_request();
  ASSERT_TRUE(request);
  EXPECT_FALSE(fingerprint(""));
  EXPECT_FALSE(fingerprint("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  EXPECT_FALSE(sign_worker(ca, "nothing", "w", now));
  EXPECT_FALSE(sign_worker(ca, std::string(1 << 20, 'A'), "w", now));
  auto bent = request->request;
  bent[bent.size() / 2] = bent[bent.size() / 2] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(sign_worker(ca, bent, "w", now)) << "its signature does not fit";
  EXPECT_FALSE(sign_worker(Identity{"", ca.certificate}, request->request, "w", now));
}

}  // namespace
}  // namespace troupe::cluster
