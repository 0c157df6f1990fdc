#include "actors/head/replicas.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using Kept = CachedVersion::State;
const std::string digest(64, 'a');

CacheReport report(Kept state, const std::string& address = "h:1") {
  CacheReport one;
  one.address = address;
  CachedVersion version;
  version.digest = digest;
  version.state = state;
  version.age_ms = 1000;
  one.versions.push_back(version);
  return one;
}

std::vector<std::string> names(const std::vector<Replicas::Source>& sources) {
  std::vector<std::string> all;
  for (const auto& source : sources) all.push_back(source.node);
  return all;
}

TEST(Replicas, SourcesAreThoseThatHaveAllAndGiveItTheNearestFirst) {
  Replicas replicas;
  replicas.put("far", report(Kept::here), {1});
  replicas.put("near", report(Kept::here), {1});
  replicas.put("coming", report(Kept::coming), {1});
  replicas.put("shy", report(Kept::here, ""), {1});
  replicas.put("me", report(Kept::here), {1});
  replicas.label("near", {{"rack", "a7"}, {"zone", "x"}});
  replicas.label("far", {{"rack", "a8"}});
  replicas.label("me", {{"rack", "a7"}});
  EXPECT_THAT(names(replicas.sources(digest, "me")), testing::ElementsAre("near", "far"));
  EXPECT_EQ(sources_text(replicas.sources(digest, "me")), "near h:1\nfar h:1\n");
  replicas.drop("near");
  EXPECT_THAT(names(replicas.sources(digest, "me")), testing::ElementsAre("far"));
  EXPECT_THAT(names(replicas.sources(std::string(64, 'b'), "me")), testing::IsEmpty());
}

TEST(Replicas, AgesBecomeTimesAndAnOldFailureIsOverWithANewTry) {
  Replicas replicas;
  EXPECT_FALSE(replicas.of("n"));
  replicas.put("n", report(Kept::here), {5'000'000});
  EXPECT_EQ(replicas.of("n")->versions.at(0).since.us, 4'000'000);
  replicas.put("n", report(Kept::failed), {6'000'000});
  EXPECT_EQ(replicas.on_nodes(digest).at(0).state, "failed");
  replicas.expect("n", digest);
  EXPECT_EQ(replicas.on_nodes(digest).at(0).state, "coming");
}

}  // namespace
}  // namespace troupe::actors
