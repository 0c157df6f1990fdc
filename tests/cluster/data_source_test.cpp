// Datasets whose source is elsewhere: behind http, in S3, in outputs. The server is a small one of
// our own (object_server.py) that computes signatures itself and breaks off where it is told to.
#include "runtime/core/fd.hpp"
#include "tests/cluster/harness.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace troupe::cluster {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class DataSource : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(up.start());
    fs::create_directories(files + "/bucket/corpus/deep");
    std::ofstream{files + "/bucket/corpus/rows.csv"} << "day,price\nmonday,3\ntuesday,4\n";
    std::ofstream{files + "/bucket/corpus/deep/a b+c"} << "odd name";
    std::ofstream{files + "/bucket/corpusnot"} << "beside it";
    std::ofstream large{files + "/large.bin"};
    for (int i = 0; i < 400'000; ++i) large << i << '\n';
  }
  void serve(std::vector<std::string> options = {}) {
    std::vector<std::string> argv{"/usr/bin/python3",
                                  TROUPE_SOURCE_DIR "/tests/cluster/object_server.py", files};
    argv.insert(argv.end(), options.begin(), options.end());
    (void)server.kill_and_reap();
    fs::remove(up.path("port"));
    server = Child{argv, {}, up.root(), up.path("port"), up.path("server.err")};
    ASSERT_TRUE(await([&] { return up.read("port").find('\n') != std::string::npos; }))
        << up.read("server.err");
    port = up.read("port");
    port.pop_back();
    up.more_environment = {"AWS_ENDPOINT_URL=http://127.0.0.1:" + port, "AWS_REGION=here",
                           "XDG_CACHE_HOME=" + up.path("cache")};
  }
  std::string url(const std::string& path) const { return "http://127.0.0.1:" + port + "/" + path; }
  Output push(const std::string& source) { return up.cli({"data", "push", "x", source}); }
  /// What the server was asked for, with what it answered.
  std::string requests() const { return up.read("files.log"); }
  size_t downloads() const {
    std::error_code none;
    return static_cast<size_t>(
        std::distance(fs::directory_iterator{up.path("cache") + "/troupe/downloads", none},
                      fs::directory_iterator{}));
  }

  UpProcess up;
  std::string files = up.path("files"), port;
  Child server;
};

TEST_F(DataSource, AFileBehindHttpIsPushedAlsoThroughARedirect) {
  serve();
  auto pushed = push(url("moved/large.bin") + "?token=hidden");
  ASSERT_EQ(pushed.code, 0) << pushed.err;
  EXPECT_THAT(pushed.out, HasSubstr("x:1\t1 files"));
  auto shown = up.cli({"data", "show", "x"}).out;
  EXPECT_THAT(shown, HasSubstr("/moved/large.bin"));
  EXPECT_THAT(shown, Not(HasSubstr("hidden")));
  ASSERT_EQ(up.cli({"data", "get", "x", up.path("got")}).code, 0);
  EXPECT_EQ(read_file(up.path("got/large.bin"), 10 << 20).value(),
            read_file(files + "/large.bin", 10 << 20).value());
  EXPECT_EQ(downloads(), 0u) << "what was pushed is not kept a second time";
  // The same as a local file, by its address.
  EXPECT_THAT(push("file://" + files + "/large.bin").out, HasSubstr("unchanged"));
}

TEST_F(DataSource, WhatBreaksOffGoesOnWhereItEnded) {
  serve({"--cut", "1000000"});
  auto pushed = push(url("large.bin"));
  ASSERT_EQ(pushed.code, 0) << pushed.err;
  EXPECT_THAT(requests(), HasSubstr("GET /large.bin bytes=1000000- 206"));
}

TEST_F(DataSource, ALaterPushGoesOnUnlessTheFileHasChanged) {
  for (bool changes : {false, true}) {
    std::ofstream{files + "/other.bin"} << std::string(2'000'000, 'a');
    serve({"--cut", "1000000", "--die"});
    auto failed = push(url("other.bin"));
    EXPECT_EQ(failed.code, 6) << failed.err;
    EXPECT_THAT(failed.err, HasSubstr("goes on where it ended"));
    if (changes) std::ofstream{files + "/other.bin"} << std::string(2'000'000, 'b');
    serve({"--port", port});
    auto before = requests();
    auto pushed = push(url("other.bin"));
    ASSERT_EQ(pushed.code, 0) << pushed.err;
    EXPECT_THAT(requests().substr(before.size()),
                HasSubstr(changes ? "bytes=1000000- 200" : "bytes=1000000- 206"));
    auto got = up.path(changes ? "got-2" : "got-1");
    ASSERT_EQ(up.cli({"data", "get", "x", got}).code, 0);
    EXPECT_TRUE(read_file(got + "/other.bin", 10 << 20).value() ==
                std::string(2'000'000, changes ? 'b' : 'a'));
  }
}

TEST_F(DataSource, APrefixOfS3IsATree) {
  serve({"--key", "AKIATEST", "--secret", "s+/cret", "--page", "1", "--cut", "5"});
  up.more_environment.insert(up.more_environment.end(),
                             {"AWS_ACCESS_KEY_ID=AKIATEST", "AWS_SECRET_ACCESS_KEY=s+/cret"});
  auto pushed = push("s3://bucket/corpus/");
  ASSERT_EQ(pushed.code, 0) << pushed.err;
  EXPECT_THAT(pushed.out, HasSubstr("x:1\t2 files"));
  EXPECT_THAT(up.cli({"data", "head", "x"}).out, HasSubstr("monday,3"));
  ASSERT_EQ(up.cli({"data", "get", "x", up.path("got")}).code, 0);
  EXPECT_EQ(read_file(up.path("got/deep/a b+c"), 100).value(), "odd name");
  // Without the slash it is no object, so it is what lies below it.
  EXPECT_THAT(push("s3://bucket/corpus").out, HasSubstr("unchanged"));
  auto one = push("s3://bucket/corpus/rows.csv");
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_THAT(one.out, HasSubstr("x:2\t1 files"));
}

TEST_F(DataSource, RefusalsSayWhy) {
  serve({"--key", "AKIATEST", "--secret", "right"});
  auto unsigned_one = push("s3://bucket/corpus/rows.csv");
  EXPECT_EQ(unsigned_one.code, 5) << unsigned_one.err;
  EXPECT_THAT(unsigned_one.err, HasSubstr("AWS_ACCESS_KEY_ID"));
  up.more_environment.insert(up.more_environment.end(),
                             {"AWS_ACCESS_KEY_ID=AKIATEST", "AWS_SECRET_ACCESS_KEY=wrong"});
  EXPECT_THAT(push("s3://bucket/corpus/").err, HasSubstr("SignatureDoesNotMatch"));
  up.more_environment.back() = "AWS_SECRET_ACCESS_KEY=right";
  EXPECT_EQ(push("s3://bucket/nothing/").code, 3);
  EXPECT_EQ(push("s3://bucket/missing").code, 3);
  EXPECT_EQ(push("s3:///no-bucket").code, 2);
  EXPECT_EQ(push("ftp://host/file").code, 2);
  EXPECT_EQ(push(url("")).code, 2);
  EXPECT_THAT(push("http://127.0.0.1:1/file").err, HasSubstr("127.0.0.1:1/file"));
}

}  // namespace
}  // namespace troupe::cluster
