// Every route does what it says, and its JSON has the promised shape.
#include "harness.hpp"

namespace troupe::api {
namespace {

using namespace std::string_literals;

class HttpRoutes : public ::testing::Test {
 protected:
  Reply get(const std::string& target, const std::string& headers = {}) {
    return ask(server.port(), "GET " + target, "", headers);
  }
  Reply post(const std::string& target, const std::string& body, const std::string& headers = {}) {
    return ask(server.port(), "POST " + target, body, headers);
  }
  TestServer server;
};

TEST_F(HttpRoutes, SubmitsAnExperimentWithTypedValues) {
  auto reply = post("/api/v1/experiments", R"({"project":"p","run":[["a","b"],"c | d"],
      "resources":{"cpus":0.5,"mem":"2GiB"},"workers":"2..8","params":{"i":1,"f":1.0,"s":"x"},
      "limits":{"running":"2h","pending":1500},"retry":{"count":2,"backoff":"30s"},
      "data":["digits:3",{"source":"41/out","mount":"m"}],"env":{"A":"b"},"after":["7"],
      "parameters":[{"name":"z","choices":[1,2]},{"name":"a","range":{"min":0.1,"max":1.0}}]})");
  ASSERT_EQ(reply.status, 201) << reply.body;
  EXPECT_EQ(reply.body, "{\"id\":\"100\",\"kind\":\"experiment\",\"size\":1,\"repeated\":false}\n");
  server.with([](FakeService& fake, ApiServer&) {
    const auto& spec = fake.last_submission->experiment;
    EXPECT_EQ(spec.run, (std::vector<Command>{{"", {"a", "b"}}, {"c | d", {}}}));
    EXPECT_EQ(spec.resources.mem, 2ull << 30);
    EXPECT_EQ(spec.workers, (Workers{2, 8, 0}));
    EXPECT_EQ(spec.limits.running, std::chrono::hours{2});
    EXPECT_EQ(spec.limits.pending, Duration{1500});
    EXPECT_EQ(spec.retry.backoff, std::chrono::seconds{30});
    EXPECT_EQ(spec.data[1], (DataMount{"41/out", "m"}));
    EXPECT_EQ(spec.after, std::vector<ExperimentId>({{7, 0}}));
    ASSERT_EQ(spec.parameters.size(), 5u);  // constants by name, then the list in its order
    EXPECT_TRUE(spec.parameters[0].choices[0].is_double());
    EXPECT_TRUE(spec.parameters[1].choices[0].is_int());
    EXPECT_EQ(spec.parameters[3].name, "z");
    EXPECT_EQ(spec.parameters[4].name, "a");
  });
}

TEST_F(HttpRoutes, IdempotencyKeyAnswersWithTheFirst) {
  auto body = R"({"project":"p","run":"true"})"s;
  auto first = post("/api/v1/experiments", body, "Idempotency-Key: k1\r\n");
  auto again = post("/api/v1/experiments", body, "Idempotency-Key: k1\r\n");
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.json().find("id")->as_string(), first.json().find("id")->as_string());
  EXPECT_TRUE(again.json().find("repeated")->as_bool());
}

TEST_F(HttpRoutes, SetsNeedASweepAndExperimentsTakeNone) {
  auto sweep = R"({"project":"p","run":"t {{x}}","parameters":[{"name":"x","choices":[1,2]}],
                   "sweep":{"strategy":"grid","seed":"18446744073709551615","metric":"max.a"}})"s;
  auto made = post("/api/v1/sets", sweep);
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.json().find("kind")->as_string(), "set");
  server.with([](FakeService& fake, ApiServer&) {
    EXPECT_EQ(fake.last_submission->sweep->seed, UINT64_MAX);
  });
  EXPECT_EQ(post("/api/v1/experiments", sweep).status, 400);
  EXPECT_EQ(post("/api/v1/sets", R"({"project":"p","run":"t"})").status, 400);
}

TEST_F(HttpRoutes, BatchFailsOneByOne) {
  auto reply = post("/api/v1/experiments:batch",
                    R"({"submissions":[{"project":"p","run":"a"},{"project":"p"},
                        {"project":"p","run":"b"}]})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto answer = reply.json();
  const auto& results = answer.find("results")->as_list();
  ASSERT_EQ(results.size(), 3u);
  EXPECT_TRUE(results[0].find("error")->is_null());
  EXPECT_EQ(results[1].find("error")->find("code")->as_string(), "invalid");
  EXPECT_TRUE(results[2].find("submitted")->is_map());
}

TEST_F(HttpRoutes, AnExperimentHasThePromisedShape) {
  auto reply = get("/api/v1/experiments/1");
  ASSERT_EQ(reply.status, 200);
  const auto json = reply.json();
  for (const char* key :
       {"id",       "set",       "name",    "project", "user",     "state",   "reason", "params",
        "command",  "resources", "workers", "created", "queued",   "started", "ended",  "exit_code",
        "attempts", "jobs",      "metrics", "best",    "datasets", "code",    "env",    "labels"})
    EXPECT_NE(json.find(key), nullptr) << key;
  EXPECT_NE(reply.body.find(R"("params":{"big":1152921504606846976,"float":1.0,"int":1})"),
            std::string::npos)
      << reply.body;
  EXPECT_NE(reply.body.find(R"("metrics":{"last":{"accuracy":0.5,"bad":"NaN"}})"),
            std::string::npos);
  EXPECT_TRUE(json.find("exit_code")->is_null());
  EXPECT_TRUE(json.find("ended")->is_null());
  EXPECT_EQ(json.find("created")->as_string(), "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(json.find("jobs")->as_list()[0].find("id")->as_string(), "1.worker.0");
  EXPECT_EQ(json.find("best")->kind(), "map");
}

TEST_F(HttpRoutes, ASetHasMembersAndItsBest) {
  auto reply = get("/api/v1/sets/2");
  ASSERT_EQ(reply.status, 200);
  const auto json = reply.json();
  EXPECT_NE(reply.body.find("\"seed\":18446744073709551615"), std::string::npos);
  EXPECT_EQ(json.find("best")->find("id")->as_string(), "2.1");
  const auto& member = json.find("members")->as_list().at(0);
  EXPECT_EQ(member.find("id")->as_string(), "2.1");
  EXPECT_EQ(member.find("value")->as_number(), 0.5);
  EXPECT_EQ(json.find("params")->find("epochs")->as_int(), 3);
  EXPECT_EQ(get("/api/v1/sets/1").status, 404);
  EXPECT_EQ(get("/api/v1/experiments/2.1").json().find("set")->as_string(), "2");
}

TEST_F(HttpRoutes, ListsMixedAndPassesFilters) {
  auto reply = get("/api/v1/experiments?project=digits&state=running&live=true&limit=7&set=2");
  ASSERT_EQ(reply.status, 200) << reply.body;
  server.with([](FakeService& fake, ApiServer&) {
    EXPECT_EQ(fake.last_query->project, "digits");
    EXPECT_EQ(fake.last_query->state, State::running);
    EXPECT_TRUE(fake.last_query->live);
    EXPECT_EQ(fake.last_query->limit, 7u);
    EXPECT_EQ(fake.last_query->set, (ExperimentId{2, 0}));
  });
  const auto all = get("/api/v1/experiments").json();
  EXPECT_EQ(all.find("experiments")->as_list()[0].find("kind")->as_string(), "set");
  EXPECT_EQ(all.find("experiments")->as_list()[1].find("kind")->as_string(), "experiment");
  EXPECT_EQ(all.find("next_page_token")->as_string(), "next");
  EXPECT_EQ(get("/api/v1/experiments/last?project=digits").body, "{\"id\":\"2\"}\n");
  EXPECT_EQ(get("/api/v1/experiments/last?project=none").status, 404);
}

TEST_F(HttpRoutes, ActsOnExperiments) {
  EXPECT_EQ(post("/api/v1/experiments/1:kill", "").status, 200);
  EXPECT_EQ(post("/api/v1/experiments/99:kill", "").status, 404);
  auto rerun = post("/api/v1/experiments/1:rerun",
                    R"({"params":{"lr":0.2},"options":{"resources":{"cpus":4}}})");
  EXPECT_EQ(rerun.status, 201) << rerun.body;
  server.with([](FakeService& fake, ApiServer&) {
    EXPECT_EQ(fake.last_changes->params.at("lr"), Value{0.2});
    EXPECT_EQ(fake.last_changes->options.find("resources")->find("cpus")->as_int(), 4);
  });
  EXPECT_EQ(post("/api/v1/experiments/1:rerun", "").status, 201);
  auto wrong = post("/api/v1/experiments/1:rerun", R"({"options":{"resorces":{}}})");
  EXPECT_EQ(wrong.error_part("hint"), "did you mean `resources`?");
  EXPECT_EQ(get("/api/v1/experiments/1/why").json().find("reasons")->as_list().size(), 1u);
}

TEST_F(HttpRoutes, ServesLogsAsTextAndLines) {
  auto text = get("/api/v1/experiments/1/logs?follow=true");
  EXPECT_EQ(text.status, 200);
  EXPECT_NE(text.body.find("first\n"), std::string::npos);
  auto one = get("/api/v1/experiments/1/logs", "Accept: application/x-ndjson\r\n");
  EXPECT_EQ(one.body,
            "{\"time\":\"2026-11-21T01:29:00.123456Z\",\"job\":\"1.worker.0\",\"rank\":0,"
            "\"stream\":\"stdout\",\"text\":\"first\",\"partial\":false}\n");
  EXPECT_NE(one.head.find("X-Troupe-Next-Offset: 39"), std::string::npos) << one.head;
  EXPECT_NE(one.head.find("X-Troupe-Log-End: false"), std::string::npos);
  EXPECT_EQ(get("/api/v1/experiments/1/logs?tail=1").body, " rest\n");
  EXPECT_EQ(get("/api/v1/experiments/1/logs?job=worker.x").status, 400);
  EXPECT_EQ(get("/api/v1/experiments/9/logs?follow=true").status, 404);
  EXPECT_EQ(get("/api/v1/experiments/1/logs?offset=-1").status, 400);
}

TEST_F(HttpRoutes, ServesMetrics) {
  auto names = get("/api/v1/experiments/1/metrics");
  EXPECT_EQ(names.body,
            "{\"names\":[\"accuracy\",\"bad\"],\"last\":{\"accuracy\":0.5,\"bad\":\"NaN\"}}\n");
  auto series = get("/api/v1/experiments/1/metrics?name=accuracy").json();
  EXPECT_EQ(series.find("points")->as_list()[0].find("value")->as_number(), 0.5);
  EXPECT_EQ(get("/api/v1/experiments/1/metrics?name=none").status, 404);
}

TEST_F(HttpRoutes, ServesOutputsInPiecesAndRanges) {
  EXPECT_EQ(get("/api/v1/experiments/1/outputs").json().find("outputs")->as_list().size(), 1u);
  auto whole = get("/api/v1/experiments/1/outputs/sub/model.bin");
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.body, std::string(600'000, 'x') + "end");
  auto path = "/api/v1/experiments/1/outputs/sub/model.bin"s;
  auto part = get(path, "Range: bytes=600000-\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "end");
  EXPECT_NE(part.head.find("Content-Range: bytes 600000-600002/600003"), std::string::npos);
  EXPECT_EQ(get(path, "Range: bytes=-2\r\n").body, "nd");
  EXPECT_EQ(get(path, "Range: bytes=700000-\r\n").status, 416);
  EXPECT_EQ(get("/api/v1/experiments/1/outputs/none").status, 404);
  EXPECT_EQ(get("/api/v1/experiments/1/outputs/../secret").status, 400);
  EXPECT_EQ(get("/api/v1/experiments/1/outputs/%2e%2e/secret").status, 400);
  EXPECT_EQ(get("/api/v1/experiments/1/outputs/a%2f..%2fb").status, 400);
}

TEST_F(HttpRoutes, StoresAndReturnsCode) {
  auto bytes = std::string(3u << 20, 'y');  // above the limit of other bodies
  auto digest = sha256_hex(bytes);
  auto lacking = post("/api/v1/code:missing", "{\"digests\":[\"" + digest + "\"]}");
  EXPECT_EQ(lacking.body, "{\"missing\":[\"" + digest + "\"]}\n");
  auto put = ask(server.port(), "PUT /api/v1/code/blobs/" + digest, bytes);
  EXPECT_EQ(put.status, 204) << put.body;
  EXPECT_EQ(get("/api/v1/code/blobs/" + digest).body, bytes);
  EXPECT_EQ(post("/api/v1/code:missing", "{\"digests\":[\"" + digest + "\"]}").body,
            "{\"missing\":[]}\n");
  auto manifest = post("/api/v1/code/manifests", "{}\n");
  EXPECT_EQ(manifest.status, 201);
  EXPECT_EQ(get("/api/v1/code/manifests/" + sha256_hex("{}\n")).body, "{}\n");
  EXPECT_EQ(ask(server.port(), "PUT /api/v1/code/blobs/xyz", "b").status, 400);
  EXPECT_EQ(ask(server.port(), "PUT /api/v1/code/blobs/" + digest, "other").status, 400);
}

TEST_F(HttpRoutes, ServesTheRest) {
  EXPECT_EQ(get("/api/v1/nodes").json().find("nodes")->as_list()[0].find("cpus")->as_number(), 4);
  EXPECT_EQ(get("/api/v1/nodes/n1").json().find("labels")->find("rack")->as_string(), "7");
  EXPECT_EQ(get("/api/v1/nodes/n2").status, 404);
  EXPECT_EQ(get("/api/v1/whoami").body, "{\"user\":\"ada\",\"admin\":true,\"job\":null}\n");
  EXPECT_EQ(get("/api/v1/version").json().find("version")->as_string(), "0.1.0");
  EXPECT_EQ(get("/metrics").body, "# EOF\n");
  EXPECT_EQ(get("/healthz").body, "ok\n");
  auto head = ask(server.port(), "HEAD /healthz");
  EXPECT_EQ(head.status, 200);
  EXPECT_NE(head.head.find("X-Content-Type-Options: nosniff"), std::string::npos);
}

TEST_F(HttpRoutes, DescribesItself) {
  auto reply = get("/api/v1/openapi.json");
  ASSERT_EQ(reply.status, 200);
  const auto json = reply.json();
  EXPECT_EQ(json.find("openapi")->as_string(), "3.1.0");
  Router router;
  for (const auto& route : router.routes()) {
    std::string path{route.pattern};
    if (auto star = path.find("*}"); star != std::string::npos) path.erase(star, 1);
    const auto* operations = json.find("paths")->find(path);
    ASSERT_NE(operations, nullptr) << path;
    std::string method{kj::str(route.method).cStr()};
    for (auto& c : method) c = static_cast<char>(std::tolower(c));
    EXPECT_NE(operations->find(method), nullptr) << method << " " << path;
  }
  // Every reference leads somewhere.
  const auto* schemas = json.find("components")->find("schemas");
  for (size_t at = 0; (at = reply.body.find("#/components/schemas/", at)) != std::string::npos;) {
    at += 21;
    auto name = reply.body.substr(at, reply.body.find('"', at) - at);
    const auto* schema = schemas->find(name);
    ASSERT_NE(schema, nullptr) << name;
    EXPECT_TRUE(schema->is_map()) << name;
  }
}

}  // namespace
}  // namespace troupe::api
