// The public API: JSON bodies through the schema, and raw bytes on the socket of a real server.
#include "client/api/convert.hpp"
#include "client/api/schema_json.hpp"
#include "mutator.hpp"
#include "runtime/core/spec.hpp"
#include "tests/client/api/harness.hpp"

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize.h>

#include <sys/socket.h>

namespace troupe::fuzz {
namespace {

using namespace troupe::api;

Corpus submissions() {
  return {
      {R"({"project":"p","name":"mlp","run":"python3 train.py --lr {{lr}} {{hidden}}","setup":["true"],
"resources":{"cpus":2,"mem":2147483648,"gpus":0},"workers":1,"parameters":[{"name":"lr","range":
{"min":0.0001,"max":0.1,"scale":"log"}},{"name":"hidden","choices":[32,64.0,"x",true]}],
"sweep":{"strategy":"random","trials":20,"seed":7,"concurrency":4,"metric":"max.accuracy",
"stop_when":"accuracy >= 0.99","max_failures":3,"on_stop":"kill"},"limits":{"pending":"2h"},
"retry":{"count":2,"backoff":"30s"},"priority":50,"env":{"VAR":"value"},"labels":{"team":"vision"}})",
       R"({"project":"p","run":[["python3","{{x}}"],"true"],"params":{"x":2.5},"key":"k"})",
       R"({"params":{"lr":0.1},"options":{"resources":{"mem":1},"env":{"A":"b"}},"key":"x"})"},
      {"\"project\":", "\"run\":", "null", "[[[[", "{\"a\":", "1e999", "-1", "\"8..2\"", "{{x}}",
       "\\u0000", "\\ud800", "\"workers\":{\"count\":0}", "\"sweep\":{}", "\xff",
       "\"parameters\":[{\"name\":\"x\",\"range\":{\"min\":1,\"max\":1e300,\"step\":1e-300}}],"}};
}

TEST(FuzzApi, SubmissionsAndReruns) {
  auto corpus = submissions();
  uint64_t accepted = 0;
  for (size_t i = 0; i < 2; ++i) {  // the corpus itself is good, or it reaches nothing
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<wire::Submission>();
    auto read = read_json(corpus.inputs[i], root);
    ASSERT_TRUE(read) << to_string(read.error());
    auto submission = submission_from(root.asReader());
    ASSERT_TRUE(submission) << to_string(submission.error());
  }
  for_mutations(corpus, 20'000, [&](const std::string& input, Mutator&) {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<wire::Submission>();
    if (auto read = read_json(input, root); !read) {
      expect_good_error(read.error());
    } else if (auto submission = submission_from(root.asReader()); !submission) {
      expect_good_error(submission.error());
    } else {
      ++accepted;
      EXPECT_FALSE(submission->experiment.run.empty());
    }
    auto rerun = message.initRoot<wire::RerunRequest>();
    if (auto read = read_json(input, rerun); !read) return expect_good_error(read.error());
    auto changes = rerun_from(rerun.asReader());
    if (!changes) return expect_good_error(changes.error());
    Submission target;
    target.experiment.project = "p";
    if (auto applied = apply_options(target, changes->options); !applied)
      expect_good_error(applied.error());
  });
  EXPECT_GT(accepted, 50u);
}

/// Sends, closes its side, and reads to the end: whatever was sent, the server answers or closes.
std::string exchange(uint16_t port, const std::string& bytes) {
  RawClient client{port};
  client.send(bytes);
  client.finish_sending();
  EXPECT_TRUE(client.closed()) << "neither answered nor closed";
  return client.read_until("\1\1never");
}

TEST(FuzzApi, HttpBytes) {
  TestServer server;
  std::string head = " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n";
  auto body = submissions().inputs[1];
  auto length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
  Corpus corpus{
      {"GET /api/v1/experiments?project=p&state=RUNNING&limit=3" + head + "\r\n",
       "POST /api/v1/experiments" + head + length + "Idempotency-Key: k\r\n\r\n" + body,
       "GET /api/v1/experiments/1/logs?offset=0&limit=10" + head + "Accept: text/plain\r\n\r\n",
       "GET /api/v1/experiments/1/outputs/sub/model.bin" + head + "Range: bytes=0-5\r\n\r\n",
       "GET /api/v1/experiments/1/metrics?name=accuracy" + head + "\r\n",
       "POST /api/v1/experiments/1:kill" + head + "Content-Length: 0\r\n\r\n",
       "POST /api/v1/experiments/1:rerun" + head + "Content-Length: 2\r\n\r\n{}",
       "GET /metrics" + head + "\r\nGET /healthz" + head + "\r\n"},
      {"\r\n", "HTTP/1.0", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "%00",
       "%2e%2e", "../", "?", "&", "limit=", "Host: evil\r\n", ":kill", "PUT",
       "Expect: 100-continue\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "1.worker.0",
       "Range: bytes=9-1\r\n"}};
  for_mutations(corpus, 3'000, [&](const std::string& input, Mutator&) {
    if (input.empty() || input[0] < 'A' || input[0] > 'Z') return;  // not spoken to as HTTP
    auto answer = exchange(server.port(), input);
    if (answer.empty()) return;
    EXPECT_EQ(answer.substr(0, 9), "HTTP/1.1 ") << answer;
    auto status = answer.substr(9, 3);
    EXPECT_NE(status[0], '5') << answer;
    if (status[0] == '4') {
      EXPECT_NE(answer.find("\"hint\":\""), std::string::npos) << answer;
    }
  });
  EXPECT_EQ(ask(server.port(), "GET /api/v1/version").status, 200);
}

std::string bytes_of(capnp::MessageBuilder& message) {
  auto words = capnp::messageToFlatArray(message);
  return {words.asChars().begin(), words.asChars().size()};
}

/// What a client says first: give me the root, and log in with this token.
std::string rpc_greeting() {
  capnp::MallocMessageBuilder bootstrap;
  bootstrap.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(0);
  capnp::MallocMessageBuilder call;
  auto login = call.initRoot<capnp::rpc::Message>().initCall();
  login.setQuestionId(1);
  login.setInterfaceId(capnp::typeId<wire::Troupe>());
  login.setMethodId(0);
  login.initTarget().initPromisedAnswer().setQuestionId(0);
  auto params = login.initParams().getContent().initAs<wire::Troupe::LoginParams>();
  params.setToken("secret");
  return bytes_of(bootstrap) + bytes_of(call);
}

/// A call of the session that the login answered with.
std::string rpc_submit(uint32_t question) {
  capnp::MallocMessageBuilder message;
  auto call = message.initRoot<capnp::rpc::Message>().initCall();
  call.setQuestionId(question);
  call.setInterfaceId(capnp::typeId<wire::Session>());
  auto answer = call.initTarget().initPromisedAnswer();
  answer.setQuestionId(1);
  answer.initTransform(1)[0].setGetPointerField(1);
  auto params = call.initParams().getContent().initAs<wire::Session::SubmitParams>();
  auto submission = params.initSubmission();
  submission.setProject("p");
  submission.initRun().initList(1)[0].setShell("true");
  return bytes_of(message);
}

TEST(FuzzApi, RpcBytes) {
  TestServer server;
  Corpus corpus{{rpc_greeting() + rpc_submit(2), rpc_greeting(),
                 rpc_greeting() + rpc_submit(2) + rpc_submit(3)},
                {std::string(8, '\xff'), std::string("\0\0\0\0\1\0\0\0", 8), std::string(8, '\0'),
                 std::string("\xff\xff\xff\x7f", 4)}};
  for_mutations(corpus, 3'000,
                [&](const std::string& input, Mutator&) { (void)exchange(server.port(), input); });
  EXPECT_EQ(ask(server.port(), "GET /api/v1/version").status, 200);
  // The corpus itself is understood, or all of the above tested nothing.
  (void)exchange(server.port(), corpus.inputs[0]);
  server.with([](FakeService& fake, ApiServer&) { EXPECT_TRUE(fake.last_submission); });
}

}  // namespace
}  // namespace troupe::fuzz
