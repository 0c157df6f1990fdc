#include "tests/cluster/checkers/recorder.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"
#include "tests/cluster/checkers/history.hpp"

#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

namespace troupe::cluster {

namespace {

int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Output run_checker(const std::string& checker, const std::string& history) {
  Output output;
  auto said = history + "." + checker;
  ::unlink(said.c_str());
  Child child{{fmt::format("{}/check_{}", TROUPE_CHECKERS, checker), history}, {}, "/", said, said};
  output.code = child.wait(std::chrono::seconds{60});
  if (auto text = read_file(said)) output.out = *text;
  return output;
}

Recorder::Recorder(ManyMachines& machines) : machines_{machines}, path_{machines.path("history")} {}

void Recorder::write(ValueMap entry) {
  auto line = json_text(Value{std::move(entry)}) + "\n";
  auto file = open_file(path_, O_WRONLY | O_APPEND | O_CREAT, 0644);
  ASSERT_TRUE(file);
  EXPECT_TRUE(write_all(file->get(), line));
}

void Recorder::note(const char* what, const std::string& node) {
  write({{"what", what}, {"node", node}, {"at", now_ns()}});
}

std::string Recorder::mark(int milliseconds, double cpus, int code) const {
  return fmt::format("exec {} {} {} {} {}", TROUPE_MARK, path_, milliseconds, cpus, code);
}

std::string Recorder::submit(const std::string& name, const std::string& command,
                             const std::string& more, bool once) {
  auto body = fmt::format(R"({{"project":"p","name":"{}","run":[["sh","-c",{}]]{}}})", name,
                          quoted(command), more);
  write({{"what", "sent"}, {"name", name}});
  Result<Value> answer = machines_.post("/api/v1/experiments", body, name);
  if (!once && !answer)
    await([&] {
      answer = machines_.post("/api/v1/experiments", body, name);
      return static_cast<bool>(answer);
    });
  if (!answer) {
    open_[name] = body;
    EXPECT_TRUE(once) << name << ": " << to_string(answer.error());
    return "";
  }
  auto id = text_of(*answer, "id");
  names_[id] = name;
  write({{"what", "ack"}, {"key", name}, {"id", id}, {"name", name}});
  return id;
}

bool Recorder::submit_open() {
  std::erase_if(open_, [&](const auto& entry) {
    auto answer = machines_.post("/api/v1/experiments", entry.second, entry.first);
    if (!answer) return false;
    auto id = text_of(*answer, "id");
    names_[id] = entry.first;
    write({{"what", "ack"}, {"key", entry.first}, {"id", id}, {"name", entry.first}});
    return true;
  });
  return open_.empty();
}

void Recorder::kill(const std::string& id) {
  if (machines_.post(fmt::format("/api/v1/experiments/{}:kill", id), ""))
    write({{"what", "ack-kill"}, {"id", id}});
}

void Recorder::add(const std::string& id) {
  submitted_elsewhere_.insert(id);
  auto name = text_of(machines_.show(id), "name");
  names_[id] = name;
  write({{"what", "sent"}, {"name", name}});
  write({{"what", "ack"}, {"key", id}, {"id", id}, {"name", name}});
}

/// A record with its members, where it is a set.
void Recorder::record_final(const std::string& id, const std::string& name) {
  auto record = machines_.show(id);
  ValueMap entry{
      {"what", "final"}, {"id", id}, {"name", name}, {"state", text_of(record, "state")}};
  if (const auto* code = record.find("exit_code"); code != nullptr && code->is_int())
    entry["exit_code"] = *code;
  if (const auto* attempts = record.find("attempts");
      attempts != nullptr && attempts->is_list() && !attempts->as_list().empty())
    entry["attempt"] = number_of(attempts->as_list().back(), "number");
  if (const auto* exclusive = record.find("exclusive"); exclusive != nullptr)
    entry["exclusive"] = *exclusive;
  write(std::move(entry));
  if (!submitted_elsewhere_.contains(id)) record_log(id, record);
  if (const auto* members = record.find("members"); members != nullptr && members->is_list())
    for (const auto& member : members->as_list()) {
      submitted_elsewhere_.insert(text_of(member, "id"));
      record_final(text_of(member, "id"), "");
    }
}

/// Of what ran once and on one node: the log of an attempt that was lost goes with its node.
void Recorder::record_log(const std::string& id, const Value& record) {
  const auto* attempts = record.find("attempts");
  const auto* jobs = record.find("jobs");
  if (attempts == nullptr || !attempts->is_list() || attempts->as_list().size() != 1) return;
  if (jobs == nullptr || !jobs->is_list() || jobs->as_list().size() != 1) return;
  auto history = read_history(path_);
  ASSERT_TRUE(history) << to_string(history.error());
  for (const auto& mark : *history)
    if (mark.is("end") && mark.text("job") == id + ".worker.0")
      write({{"what", "log"},
             {"job", mark.text("job")},
             {"text", machines_.log_text(id)},
             {"lines", mark.number("lines")}});
}

/// Nothing is in use any more; its account may lag behind the last end for a moment.
void Recorder::quiet() {
  auto jobs = [&] { return machines_.processes_with("TROUPE_JOB="); };
  auto used = [&] {
    int64_t sum = 0;
    each_node([&](const std::string&, int64_t, int64_t in_use) { sum += in_use; });
    return sum;
  };
  await([&] { return jobs().empty() && used() == 0; }, std::chrono::seconds{20});
  auto left = static_cast<int64_t>(jobs().size());
  each_node([&](const std::string& node, int64_t, int64_t in_use) {
    write({{"what", "quiet"}, {"node", node}, {"used", in_use}, {"processes", left}});
  });
}

void Recorder::finish(std::chrono::milliseconds limit) {
  EXPECT_TRUE(await([&] { return submit_open(); })) << "some submissions were never answered";
  for (const auto& [id, name] : names_) {
    (void)machines_.await_end(id, limit);
    write({{"what", "settled"}, {"id", id}, {"at", now_ns()}});
  }
  nodes();
  quiet();
  for (const auto& event : machines_.events())
    if (text_of(event, "kind") == "state")
      write({{"what", "state"},
             {"number", number_of(event, "number")},
             {"id", text_of(event, "subject")},
             {"from", text_of(event, "from")},
             {"to", text_of(event, "to")}});
  for (const auto& [id, name] : names_) record_final(id, name);
  for (const char* checker : {"one", "ack", "legal", "res", "log", "live"}) {
    auto output = run_checker(checker, path_);
    EXPECT_EQ(output.code, 0) << checker << " says:\n" << output.out;
  }
}

void Recorder::each_node(const std::function<void(const std::string&, int64_t, int64_t)>& take) {
  auto list = machines_.get("/api/v1/nodes");
  const auto* nodes = list ? list->find("nodes") : nullptr;
  if (nodes == nullptr || !nodes->is_list()) return;
  auto milli = [](const Value* value) {
    return value != nullptr && value->is_number() ? std::llround(value->as_number() * 1000) : 0;
  };
  for (const auto& node : nodes->as_list())
    take(text_of(node, "name"), milli(node.find("cpus")), milli(node.find("cpus_used")));
}

void Recorder::nodes() {
  each_node([&](const std::string& node, int64_t cpus, int64_t used) {
    write({{"what", "node"}, {"node", node}, {"cpus", cpus}, {"used", used}});
  });
}

size_t Recorder::marks(const std::string& what) const {
  auto text = machines_.read("history");
  size_t count = 0;
  auto wanted = "{\"what\":\"" + what + "\"";
  for (size_t at = 0; (at = text.find(wanted, at)) != std::string::npos; ++at) ++count;
  return count;
}

}  // namespace troupe::cluster
