// Each checker passes over an honest history and catches what it is there for: a checker that
// cannot fail proves nothing.
#include "tests/cluster/checkers/recorder.hpp"
#include "tests/temp_dir.hpp"

#include <gmock/gmock.h>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;

// Two attempts, of which the second is the one that counts; its first node was given up meanwhile.
const std::string honest = R"({"what":"sent","name":"a"}
{"what":"ack","key":"k","id":"1","name":"a"}
{"what":"node","node":"w1","cpus":2000,"used":2000}
{"what":"begin","job":"1.worker.0","attempt":1,"rank":0,"node":"w1","pid":7,"cpus":2000,"at":1000}
{"what":"lost","node":"w1","at":1500}
{"what":"begin","job":"1.worker.0","attempt":2,"rank":0,"node":"w2","pid":8,"cpus":2000,"at":2000}
{"what":"alive","job":"1.worker.0","attempt":1,"rank":0,"node":"w1","pid":7,"cpus":2000,"at":2500}
{"what":"back","node":"w1","at":2600}
{"what":"end","job":"1.worker.0","attempt":2,"rank":0,"node":"w2","pid":8,"cpus":2000,"at":3000,"lines":2,"code":0}
{"what":"healed","node":"","at":2700}
{"what":"settled","id":"1","at":3100}
{"what":"quiet","node":"w1","used":0,"processes":0}
{"what":"state","number":1,"id":"1","from":"","to":"QUEUED"}
{"what":"state","number":3,"id":"1","from":"QUEUED","to":"PREPARING"}
{"what":"state","number":4,"id":"1","from":"PREPARING","to":"STARTING"}
{"what":"state","number":5,"id":"1","from":"STARTING","to":"RUNNING"}
{"what":"state","number":6,"id":"1","from":"RUNNING","to":"FINISHED"}
{"what":"final","id":"1","name":"a","state":"FINISHED","attempt":2,"exit_code":0}
{"what":"log","job":"1.worker.0","text":"line 1\nline 2\n","lines":2}
)";

struct Doctored {
  const char* name;
  const char* checker;
  const char* before;  // what is replaced; nullptr: added at the end
  const char* after;
  const char* said;
};

/// For the names that ctest shows.
void PrintTo(const Doctored& one, std::ostream* out) {
  *out << one.name;
}

class Checkers : public ::testing::TestWithParam<Doctored> {};

std::string doctor(const Doctored& how) {
  auto text = honest;
  if (how.before == nullptr) return text + how.after + "\n";
  auto at = text.find(how.before);
  EXPECT_NE(at, std::string::npos);
  return text.replace(at, std::string{how.before}.size(), how.after);
}

TEST(CheckersAlone, PassOverAnHonestHistory) {
  TempDir dir;
  auto path = dir.path() + "/history";
  ASSERT_TRUE(replace_file(path, honest));
  for (const char* checker : {"one", "ack", "legal", "res", "log", "live"}) {
    auto output = run_checker(checker, path);
    EXPECT_EQ(output.code, 0) << checker << ": " << output.out;
  }
}

TEST(CheckersAlone, SayWhatTheyCannotRead) {
  TempDir dir;
  auto path = dir.path() + "/history";
  for (const char* text : {"", "no json\n", "[1]\n", "{\"what\":\"ack\"}\n{\"what\":\"cut"}) {
    ASSERT_TRUE(replace_file(path, text));
    EXPECT_EQ(run_checker("one", path).code, 2) << text;
  }
  EXPECT_EQ(run_checker("one", dir.path() + "/none").code, 2);
}

/// No doctor: what jobs really write when two nodes run the same one at once.
TEST(CheckersAlone, CatchAJobThatReallyRunsTwice) {
  ManyMachines nowhere;
  Recorder recorder{nowhere};
  auto start = [&](const char* attempt) {
    return Child{{"/bin/sh", "-c", recorder.mark(600)},
                 {"TROUPE_JOB=1.worker.0", std::string{"TROUPE_ATTEMPT="} + attempt},
                 "/",
                 nowhere.path("out"),
                 nowhere.path("out")};
  };
  auto first = start("1");
  ASSERT_TRUE(await([&] { return recorder.marks("alive") > 0; }));
  auto second = start("2");
  EXPECT_EQ(first.wait(20s), 0);
  EXPECT_EQ(second.wait(20s), 0);
  auto output = run_checker("one", recorder.path());
  EXPECT_EQ(output.code, 1);
  EXPECT_THAT(output.out, HasSubstr("attempt 1 still ran"));
}

TEST_P(Checkers, CatchWhatIsWrong) {
  TempDir dir;
  auto path = dir.path() + "/history";
  ASSERT_TRUE(replace_file(path, doctor(GetParam())));
  auto output = run_checker(GetParam().checker, path);
  EXPECT_EQ(output.code, 1);
  EXPECT_THAT(output.out, HasSubstr(GetParam().said));
}

INSTANTIATE_TEST_SUITE_P(
    Histories, Checkers,
    ::testing::Values(
        Doctored{"OverlapWithoutALostNode", "one", R"("what":"lost")", R"("what":"fine")",
                 "still ran"},
        Doctored{"OverlapLongAfterTheReturn", "one", R"("cpus":2000,"at":2500)",
                 R"("cpus":2000,"at":20000000000)", "still ran"},
        Doctored{"OverlapOfAnExclusiveOne", "one", R"("exit_code":0})",
                 R"("exit_code":0,"exclusive":true})", "still ran"},
        Doctored{
            "AttemptThatBeganTwice", "one", nullptr,
            R"({"what":"begin","job":"1.worker.0","attempt":2,"rank":0,"node":"w3","pid":9,"cpus":1,"at":2100})",
            "began 2 times"},
        Doctored{"ResultOfAnOlderAttempt", "one", R"("attempt":2,"exit_code")",
                 R"("attempt":1,"exit_code")", "attempt 2 ran, but the record ends with 1"},
        Doctored{"FinishedWithoutAnEnd", "one", R"("what":"end")", R"("what":"alive")",
                 "came to 0 ends"},
        Doctored{"FinishedThoughItFailed", "one", R"("lines":2,"code":0)", R"("lines":2,"code":3)",
                 "the last with code 3"},
        Doctored{"AcknowledgedAndGone", "ack", R"("what":"final")", R"("what":"other")", "is gone"},
        Doctored{"OtherContent", "ack", R"("name":"a","state")", R"("name":"b","state")",
                 "acknowledged as a, and is b"},
        Doctored{"TwoIdsForOneKey", "ack", nullptr,
                 R"({"what":"ack","key":"k","id":"2","name":"a"})", "was given the ids 1 and 2"},
        Doctored{"OneIdForTwoKeys", "ack", nullptr,
                 R"({"what":"ack","key":"l","id":"1","name":"a"})", "were given one id"},
        Doctored{"MadeTwice", "ack", nullptr,
                 R"({"what":"final","id":"2","name":"a","state":"FAILED"})", "made twice"},
        Doctored{"NeverAskedFor", "ack", nullptr,
                 R"({"what":"final","id":"2","name":"x","state":"FAILED"})", "never asked for"},
        Doctored{"KillThatWasForgotten", "ack", nullptr, R"({"what":"ack-kill","id":"9"})",
                 "its kill was acknowledged"},
        Doctored{"StepThatIsNotAllowed", "legal", R"("from":"PREPARING","to":"STARTING")",
                 R"("from":"PREPARING","to":"FINISHED")", "from \"PREPARING\" to \"FINISHED\""},
        Doctored{"EventThatIsMissing", "legal",
                 R"({"what":"state","number":4,"id":"1","from":"PREPARING","to":"STARTING"})",
                 R"({"what":"nothing"})", "begins at \"STARTING\""},
        Doctored{"TerminalStateThatChanges", "legal", nullptr,
                 R"({"what":"state","number":7,"id":"1","from":"FINISHED","to":"KILLED"})",
                 "from \"FINISHED\" to \"KILLED\""},
        Doctored{"NumberThatComesAgain", "legal", R"("number":4)", R"("number":3)",
                 "event 3 comes after event 3"},
        Doctored{"RecordThatDisagrees", "legal", R"("name":"a","state":"FINISHED")",
                 R"("name":"a","state":"FAILED")", "its last event said \"FINISHED\""},
        Doctored{"MoreGivenAwayThanThereIs", "res", R"("used":2000)", R"("used":2001)",
                 "2001 of 2000"},
        Doctored{"MoreAtOnceThanThereIs", "res", nullptr,
                 "{\"what\":\"begin\",\"job\":\"2.worker.0\",\"attempt\":1,\"rank\":0,\"node\":"
                 "\"w1\",\"pid\":9,\"cpus\":1000,\"at\":1100}\n"
                 "{\"what\":\"end\",\"job\":\"2.worker.0\",\"attempt\":1,\"rank\":0,\"node\":"
                 "\"w1\",\"pid\":9,\"cpus\":1000,\"at\":1200}",
                 "3000 of 2000"},
        Doctored{"ResourcesThatLeak", "res", R"("used":0)", R"("used":1000)",
                 "1000 milli-CPUs in use"},
        Doctored{"ProcessesThatAreLeft", "res", R"("processes":0)", R"("processes":2)",
                 "2 processes left"},
        Doctored{"LineThatIsLost", "log", R"(line 1\nline 2)", R"(line 2)",
                 "\"line 2\" stands where"},
        Doctored{"LineThatIsDoubled", "log", R"(line 1\nline 2)", R"(line 1\nline 1\nline 2)",
                 "\"line 1\" stands where \"line 2\""},
        Doctored{"LinesOutOfOrder", "log", R"(line 1\nline 2)", R"(line 2\nline 1)",
                 "\"line 2\" stands where"},
        Doctored{"LogThatIsCutShort", "log", R"(line 1\nline 2\n)", R"(line 1\n)",
                 "1 lines, and 2 were written"},
        Doctored{"OneThatHangs", "live", R"("what":"settled")", R"("what":"waits")",
                 "never came to an end"},
        Doctored{"OneThatComesTooLate", "live", R"("at":3100)", R"("at":90000002700)",
                 "90 s after the last fault"}),
    [](const auto& each) { return std::string{each.param.name}; });

}  // namespace
}  // namespace troupe::cluster
