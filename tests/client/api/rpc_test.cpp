// The same service over Cap'n Proto RPC, on the same port.
#include "client/api/convert.hpp"
#include "harness.hpp"

#include <capnp/ez-rpc.h>

namespace troupe::api {
namespace {

using namespace std::string_literals;

TEST(Rpc, LoginThenEverything) {
  TestServer server;
  capnp::EzRpcClient client{"127.0.0.1", server.port()};
  auto& scope = client.getWaitScope();
  auto troupe = client.getMain<wire::Troupe>();
  auto refused = troupe.loginRequest();
  refused.setToken("wrong");
  auto no = refused.send().wait(scope);
  EXPECT_FALSE(no.hasSession());
  EXPECT_EQ(from_text(no.getError().getCode()), "unauthenticated");

  auto login = troupe.loginRequest();
  login.setToken("secret");
  auto session = login.send().wait(scope).getSession();
  auto submit = session.submitRequest();
  auto submission = submit.initSubmission();
  submission.setProject("p");
  submission.initRun().initList(1)[0].setShell("true");
  auto made = submit.send().wait(scope);
  ASSERT_FALSE(made.hasError());
  EXPECT_EQ(from_text(made.getSubmitted().getId()), "100");

  auto bad = session.submitRequest();
  bad.initSubmission().setProject("p");
  EXPECT_EQ(from_text(bad.send().wait(scope).getError().getCode()), "invalid");

  auto show = session.showRequest();
  show.setId("1");
  auto entry = show.send().wait(scope);
  EXPECT_EQ(from_text(entry.getEntry().getExperiment().getState()), "RUNNING");
  auto logs = session.logsRequest();
  logs.setJob("1.worker.0");
  EXPECT_EQ(logs.send().wait(scope).getNextOffset(), 39u);
  EXPECT_EQ(session.nodesRequest().send().wait(scope).getNodes().size(), 1u);
  auto output = session.readOutputRequest();
  output.setId("1");
  output.setPath("sub/model.bin");
  EXPECT_EQ(output.send().wait(scope).getBytes().size(), 600'003u);

  auto events = session.eventsRequest();
  events.setWait(true);
  auto waiting = events.send();
  server.with([](FakeService& fake, ApiServer&) { fake.add_event("news"); });
  EXPECT_EQ(waiting.wait(scope).getPage().getEvents().size(), 1u);
}

TEST(Rpc, HostileBytesEndTheConnectionOnly) {
  TestServer server;
  for (const auto& bytes :
       {"\x00\x00\x00\x00\xff\xff\xff\xff"s, "\x00\x00\x00\x7f"s + std::string(64, '\x41'),
        "\x00\x02\x00\x00"s + std::string(4096, '\xff'), "\x00"s + std::string(100'000, '\x01')}) {
    RawClient client{server.port()};
    client.send(bytes);
    EXPECT_TRUE(client.closed()) << bytes.size();
  }
  EXPECT_EQ(ask(server.port(), "GET /api/v1/version").status, 200);
}

}  // namespace
}  // namespace troupe::api
