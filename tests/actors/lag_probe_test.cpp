// How late actors are, in virtual time: one of them gets no turn.
#include "actors/head/lag_probe.hpp"

#include "tests/actors/head_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::DoubleEq;
using ::testing::HasSubstr;

/// Keeps questions while it is held; flush_atom answers them. (A promise belongs to its actor: it
/// is kept only from one of its turns to another.)
using blockable_actor = status_actor::extend<caf::reacts_to<flush_atom>>;
struct Blocked {
  bool held = false;
  size_t asked = 0;
};

blockable_actor::behavior_type blockable(blockable_actor::pointer self,
                                         std::shared_ptr<Blocked> blocked) {
  auto waiting = std::make_shared<std::vector<caf::typed_response_promise<std::string>>>();
  return {
      [self, blocked, waiting](status_atom) {
        auto promise = self->make_response_promise<std::string>();
        ++blocked->asked;
        if (blocked->held)
          waiting->push_back(promise);
        else
          promise.deliver(std::string{"fine"});
        return promise;
      },
      [waiting](flush_atom) {
        for (auto& promise : std::exchange(*waiting, {})) promise.deliver(std::string{"late"});
      },
  };
}

class LagProbe : public ActorTest {
 protected:
  void SetUp() override {
    auto made = std::make_shared<HeadContext>();
    made->clock = clock;
    made->metrics = std::make_shared<MetricRegistry>();
    context = made;
    quick = sys.spawn(blockable, std::make_shared<Blocked>());
    slow = sys.spawn(blockable, blocked);
    probe = sys.spawn(lag_probe_behavior, context,
                      LagProbeState::Targets{{"ledger", slow}, {"registry", quick}});
    run();
  }
  void TearDown() override {
    let_go();
    end(probe);
    end(slow);
    end(quick);
  }
  void let_go() {
    blocked->held = false;
    caf::anon_send(slow, flush_atom_v);
    run();
  }
  double lag(const std::string& name) {
    return context->metrics->gauge("troupe_actor_lag_seconds{actor=\"" + name + "\"}", "").value();
  }

  std::shared_ptr<Blocked> blocked = std::make_shared<Blocked>();
  HeadContextRef context;
  blockable_actor quick, slow;
  lag_probe_actor probe;
};

TEST_F(LagProbe, SeesTheActorThatIsLateWhileOthersAnswer) {
  EXPECT_LT(lag("ledger"), 0.1);
  blocked->held = true;
  auto before = blocked->asked;
  for (int second = 0; second < 5; ++second) advance(seconds{1});
  EXPECT_GT(lag("ledger"), 3.0);
  EXPECT_LT(lag("ledger"), 6.0);
  EXPECT_LT(lag("registry"), 0.1);
  EXPECT_EQ(blocked->asked, before + 1) << "it is not asked anew before it answers";
  let_go();
  EXPECT_GT(lag("ledger"), 3.0);
  advance(seconds{1});
  advance(seconds{1});
  EXPECT_LT(lag("ledger"), 0.1);
}

TEST_F(LagProbe, IsExportedWithTheActorsName) {
  auto page = context->metrics->open_metrics();
  EXPECT_THAT(page, HasSubstr("# TYPE troupe_actor_lag_seconds gauge\n"));
  EXPECT_THAT(page, HasSubstr("\ntroupe_actor_lag_seconds{actor=\"ledger\"} 0"));
  EXPECT_THAT(page, HasSubstr("\ntroupe_actor_lag_seconds{actor=\"registry\"} 0"));
  EXPECT_EQ(page.find("# TYPE troupe_actor_lag_seconds"),
            page.rfind("# TYPE troupe_actor_lag_seconds"))
      << "one family";
}

}  // namespace
}  // namespace troupe::actors
