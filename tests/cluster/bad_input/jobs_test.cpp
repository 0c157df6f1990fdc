// Jobs that do not behave.
#include "bad_input.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

namespace troupe::cluster {
namespace {

uint64_t bytes_on_disk(const std::string& folder) {
  uint64_t bytes = 0;
  std::error_code code;
  for (std::filesystem::recursive_directory_iterator it{folder, code}, end; !code && it != end;
       it.increment(code)) {
    std::error_code size_code;
    if (it->is_regular_file(size_code)) bytes += it->file_size(size_code);
  }
  return bytes;
}

TEST_F(BadInput, CommandsThatDoNotExist) {
  struct Case {
    std::vector<std::string> command;
    std::string part;
    int code;
  };
  auto plain = up_.path("plain");
  write(plain, "no program\n");
  const std::vector<Case> cases{{{"no-such-command-here"}, "no-such-command-here", 1},
                                {{"/no/such/file"}, "/no/such/file", 1},
                                {{plain}, plain, 1},
                                {{"/"}, "/", 1},
                                {{"sh", "-c", "no-such-command-here"}, "127", 127},
                                {{"sh", "-c", "exit 77"}, "77", 77},
                                {{"sh", "-c", "kill -SEGV $$"}, "SIGSEGV", 139}};
  for (const auto& one : cases) {
    SCOPED_TRACE(one.command.back());
    std::vector<std::string> words{"run", "--no-code", "--"};
    words.insert(words.end(), one.command.begin(), one.command.end());
    auto output = up_.cli(words);
    EXPECT_EQ(output.code, one.code) << output.err;
    auto id = output.out.substr(0, output.out.find('\n'));
    auto record = up_.show(id);
    EXPECT_EQ(text_of(record, "state"), "FAILED");
    EXPECT_NE(text_of(record, "reason").find(one.part), std::string::npos)
        << text_of(record, "reason");
    const auto* error = record.find("error");
    ASSERT_TRUE(error != nullptr && error->is_map());
    EXPECT_FALSE(text_of(*error, "message").empty());
    EXPECT_FALSE(text_of(*error, "hint").empty()) << text_of(*error, "message");
  }
  EXPECT_TRUE(is_alive(up_.pid()));
}

TEST_F(BadInput, AFloodOfLogIsBoundedAndHurtsNobody) {
  auto neighbour = up_.submit_shell("n=0; while [ ! -e " + up_.path("over") +
                                    " ]; do echo line $n; n=$((n+1)); sleep 0.01; done");
  // A gibibyte: lines of 4,000 bytes, and one that never ends.
  auto flood = up_.submit_shell(
      "line=$(head -c 4000 /dev/zero | tr '\\0' x); echo first; yes $line | head -c 968884224; "
      "head -c 104857600 /dev/zero | tr '\\0' y; echo; echo last");
  EXPECT_EQ(up_.await_end(flood, 170s), "FINISHED");
  write(up_.path("over"), "");
  EXPECT_EQ(up_.await_end(neighbour), "FINISHED");
  auto log = fmt::format("{}/workers/0/logs/{}.worker.0", up_.dir(), flood);
  EXPECT_LE(bytes_on_disk(log), 72u << 20);
  EXPECT_GE(bytes_on_disk(log), 32u << 20);
  auto text = up_.cli({"logs", flood}, 170s);
  EXPECT_EQ(text.code, 0);
  EXPECT_TRUE(text.out.starts_with("first\n"));
  EXPECT_TRUE(text.out.ends_with("yyyy\nlast\n"));
  EXPECT_NE((text.out + text.err).find("of output dropped here: over the limit of"),
            std::string::npos);
  EXPECT_EQ(up_.cli({"logs", "--tail", "1", flood}).out, "last\n");
  auto whole = up_.log_text(neighbour);
  std::string expected;
  for (int n = 0; expected.size() < whole.size(); ++n) expected += fmt::format("line {}\n", n);
  EXPECT_EQ(whole, expected);
}

TEST_F(BadInput, BinaryOutput) {
  auto id =
      run_to_end("head -c 300000 /dev/urandom; printf '\\n\\000\\033[31mred\\377\\n'; echo end");
  EXPECT_EQ(up_.state(id), "FINISHED");
  auto text = up_.cli({"logs", id});
  EXPECT_EQ(text.code, 0);
  EXPECT_TRUE(text.out.ends_with("end\n"));
  // As JSON every line is one value, whatever the bytes were.
  auto json = up_.cli({"logs", "-o", "json", id});
  EXPECT_EQ(json.code, 0);
  EXPECT_EQ(json.out.find('\0'), std::string::npos);
  EXPECT_NE(json.out.find("\"text\":\"end\""), std::string::npos);
}

TEST_F(BadInput, SigtermIsIgnored) {
  auto id = up_.submit_shell(
      "trap '' TERM INT HUP; echo ready; (trap '' TERM; exec setsid sleep 1000) & "
      "while :; do sleep 0.05; done");
  ASSERT_TRUE(await([&] { return up_.log_text(id) == "ready\n"; }));
  EXPECT_EQ(up_.cli({"kill", id}).code, 0);
  EXPECT_EQ(up_.state(id), "KILLING");
  auto waited = up_.cli({"wait", id});
  EXPECT_EQ(waited.code, 128 + SIGKILL) << waited.err;
  EXPECT_EQ(up_.state(id), "KILLED");
  EXPECT_TRUE(await([&] { return up_.processes_with("TROUPE_ID=" + id).empty(); }));
}

TEST_F(BadInput, ForkingAwayIsNoEscape) {
  auto script = up_.path("daemon.py");
  // Forks twice, into a session of its own, without our variables; the parent ends at once.
  write(script,
        "import os\n"
        "if os.fork() == 0:\n"
        "  os.setsid()\n"
        "  if os.fork() == 0:\n"
        "    for fd in (0, 1, 2): os.close(fd)\n"
        "    os.execve('/bin/sh', ['sh', '-c', 'while :; do sleep 1; done', '" +
            up_.path("escaped") +
            "'], {'PATH': os.environ['PATH']})\n"
            "  os._exit(0)\n"
            "os.wait()\n");
  auto id = run_to_end("python3 " + script + " && echo begun");
  EXPECT_EQ(up_.state(id), "FINISHED");
  EXPECT_EQ(up_.log_text(id), "begun\n");
  EXPECT_TRUE(await([&] { return up_.processes_with(up_.path("escaped")).empty(); }));
  // The same one, while a neighbour runs.
  auto neighbour = up_.submit_shell("sleep 1000");
  ASSERT_TRUE(up_.await_state(neighbour, "RUNNING"));
  run_to_end("python3 " + script);
  EXPECT_TRUE(await([&] { return up_.processes_with(up_.path("escaped")).empty(); }));
  EXPECT_EQ(up_.state(neighbour), "RUNNING");
}

TEST_F(BadInput, MetricsThatAreNone) {
  auto script = up_.path("metrics.py");
  write(script, R"(import os
f = open(os.environ['TROUPE_METRICS'], 'a')
f.write('{"step": 1, "a": NaN, "b": Infinity, "c": -Infinity, "text": "much", "list": [1], "d": 0.5}\n')
f.write('{"step": 5, "o": 5}\n{"step": 2, "o": 2}\n{"step": 5, "o": 55}\n')
f.write('{"step": 1, "huge": "' + 'x' * 300000 + '"}\n')
f.write('no json\n\n[]\n{"half":\n\xff\n{"step": "NaN", "s": 1}\n{"n": ' + '1' * 400 + '}\n')
f.write(''.join('{"step": %d, "many": %d}\n' % (i, i) for i in range(1000000)))
f.write('{"step": 9, "part": 9}')
)");
  auto id = up_.submit_shell("python3 " + script);
  EXPECT_EQ(up_.await_end(id, 170s), "FINISHED");
  auto value = [&](const std::string& name) {
    auto answer = up_.get(fmt::format("/api/v1/experiments/{}/metrics?name={}", id, name));
    return answer ? json_text(*answer) : to_string(answer.error());
  };
  EXPECT_NE(value("a").find("\"value\":\"NaN\""), std::string::npos) << value("a");
  EXPECT_NE(value("b").find("\"value\":\"Infinity\""), std::string::npos) << value("b");
  EXPECT_NE(value("c").find("\"value\":\"-Infinity\""), std::string::npos) << value("c");
  EXPECT_NE(value("d").find("\"value\":0.5"), std::string::npos) << value("d");
  EXPECT_NE(value("text").find("no metric text"), std::string::npos) << value("text");
  EXPECT_NE(value("huge").find("no metric huge"), std::string::npos) << value("huge");
  EXPECT_NE(value("part").find("\"value\":9.0"), std::string::npos) << "the last, unfinished line";
  auto steps = value("o");
  auto five = steps.find("\"value\":5.0"), two = steps.find("\"value\":2.0"),
       again = steps.find("\"value\":55.0");
  EXPECT_TRUE(five < two && two < again && again != std::string::npos) << steps;
  auto many = up_.get(fmt::format("/api/v1/experiments/{}/metrics?name=many&limit=10", id));
  ASSERT_TRUE(many);
  const auto& points = many->find("points")->as_list();
  ASSERT_EQ(points.size(), 10u);
  EXPECT_EQ(points.back().find("value")->as_number(), 999'999);
  // What was left out is told, once, with a count.
  EXPECT_NE(up_.err().find("lines of its metrics"), std::string::npos) << up_.err();
}

}  // namespace
}  // namespace troupe::cluster
