#include "tests/cluster/harness.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"
#include "runtime/process/process_tree.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <sys/mount.h>
#include <unistd.h>

namespace troupe::cluster {

namespace {

std::string contents(const std::string& path) {
  auto text = read_file(path, 256u << 20);
  return text ? *text : "";
}

std::string last_part(const std::string& text) {
  return text.size() > 4000 ? "..." + text.substr(text.size() - 4000) : text;
}

/// A worker leaves its trees mounted for the next one to use; the folder could not be removed.
void unmount_below(const std::string& folder) {
  std::istringstream mounts{read_file("/proc/self/mountinfo", 8u << 20).value_or("")};
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields{line};
    std::string field, target;
    for (int i = 0; i < 5; ++i) fields >> (i == 4 ? target : field);
    if (target.starts_with(folder + "/")) ::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  }
}

}  // namespace

UpProcess::UpProcess(std::vector<std::string> args) : args_{std::move(args)} {
  auto temp = std::filesystem::temp_directory_path();
  root_ = temp / ("troupe-cluster-" + hex(random_bytes(8)));
  dir_ = root_ + "/state";
  std::filesystem::create_directories(root_ + "/config");
  std::filesystem::create_directories(root_ + "/empty");
}

UpProcess::~UpProcess() {
  http_.reset();
  if (testing::Test::HasFailure())
    fprintf(stderr, "---- up said:\n%s----\n", last_part(out() + err()).c_str());
  (void)up_.kill_and_reap();
  // The launcher first: it would report ends to nobody, but its end takes all of its jobs along.
  await(
      [&] {
        auto left = processes();
        for (auto pid : left) ::kill(pid, SIGKILL);
        return left.empty();
      },
      20s);
  unmount_below(root_);
  if (auto removed = remove_tree(root_); !removed)
    fprintf(stderr, "%s\n", to_string(removed.error()).c_str());
}

std::vector<std::string> UpProcess::environment() const {
  std::vector<std::string> env{"XDG_CONFIG_HOME=" + root_ + "/config", "HOME=" + root_,
                               "LANG=C.UTF-8"};
  for (const char* name : {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TMPDIR"})
    if (const char* value = std::getenv(name)) env.push_back(std::string{name} + "=" + value);
  env.insert(env.end(), more_environment.begin(), more_environment.end());
  return env;
}

Child UpProcess::launch(const std::string&, const std::vector<std::string>& argv,
                        const std::string& out_path, const std::string& err_path) {
  return Child{argv, environment(), root_, out_path, err_path};
}

bool UpProcess::start(const std::vector<std::string>& command) {
  http_.reset();
  auto told = out().size();
  std::vector<std::string> argv{TROUPE_PROGRAM};
  argv.insert(argv.end(), command.begin(), command.end());
  argv.insert(argv.end(), {"--dir", dir_});
  argv.insert(argv.end(), args_.begin(), args_.end());
  up_ = launch("", argv, path("up.out"), path("up.err"));
  url_.clear();
  bool ready = await([&] {
    auto text = out().substr(told);
    auto at = text.find(" is up: ");
    auto end = at == std::string::npos ? at : text.find('\n', at);
    if (end == std::string::npos) return !is_alive(up_.pid());
    url_ = text.substr(at + 8, end - at - 8);
    return true;
  });
  if (!ready || url_.empty()) {
    ADD_FAILURE() << "up did not start: " << last_part(out() + err());
    return false;
  }
  auto address = client::parse_url(url_);
  EXPECT_TRUE(address);
  if (address) http_ = std::make_unique<client::HttpClient>(*address, url_, token());
  return static_cast<bool>(http_);
}

void UpProcess::kill9() {
  up_.signal(SIGKILL);
  (void)up_.kill_and_reap();
}

int UpProcess::stop(int signal, std::chrono::milliseconds limit) {
  up_.signal(signal);
  return up_.wait(limit);
}

std::string UpProcess::token() const {
  return contents(dir_ + "/owner.token");
}
std::string UpProcess::out() const {
  return contents(path("up.out"));
}
std::string UpProcess::err() const {
  return contents(path("up.err"));
}
std::string UpProcess::read(const std::string& name) const {
  return contents(path(name));
}

std::vector<std::string> UpProcess::lines(const std::string& name) const {
  std::vector<std::string> list;
  auto text = read(name);
  for (size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1)
    list.push_back(text.substr(begin, end - begin));
  return list;
}

Output UpProcess::run_shell(const std::vector<std::string>& options, const std::string& script) {
  std::vector<std::string> words{"run", "--no-code"};
  words.insert(words.end(), options.begin(), options.end());
  words.insert(words.end(), {"--", "sh", "-c", script});
  return cli(words);
}

Child UpProcess::cli_child(const std::vector<std::string>& args, const std::string& name,
                           const std::string& cwd) {
  std::vector<std::string> argv{TROUPE_PROGRAM};
  argv.insert(argv.end(), args.begin(), args.end());
  return Child{argv, environment(), cwd.empty() ? path("empty") : cwd, path(name + ".out"),
               path(name + ".err")};
}

Output UpProcess::cli(const std::vector<std::string>& args, std::chrono::milliseconds limit,
                      const std::string& cwd) {
  auto name = fmt::format("cli-{}", ++calls_);
  auto child = cli_child(args, name, cwd);
  Output output;
  output.code = child.wait(limit);
  EXPECT_NE(output.code, -1) << "did not end in time: troupe " << fmt::format("{}", args[0]);
  (void)child.kill_and_reap();
  output.out = read(name + ".out");
  output.err = read(name + ".err");
  return output;
}

Result<Value> UpProcess::get(const std::string& path) {
  client::HttpRequest request;
  request.path = path;
  request.headers.emplace_back("Accept", "application/json");
  auto answer = http_->send(request);
  if (!answer) return std::move(answer).error();
  return parse_json(answer->body);
}

Result<Value> UpProcess::post(const std::string& path, const std::string& json,
                              const std::string& key) {
  client::HttpRequest request;
  request.method = "POST";
  request.path = path;
  request.body = json;
  request.content_type = "application/json";
  if (!key.empty()) request.headers.emplace_back("Idempotency-Key", key);
  auto answer = http_->send(request);
  if (!answer) return std::move(answer).error();
  return parse_json(answer->body);
}

std::string UpProcess::submit(const std::string& json, const std::string& key) {
  auto route = json.find("\"sweep\"") == std::string::npos ? "experiments" : "sets";
  auto answer = post(fmt::format("/api/v1/{}", route), json, key);
  if (answer) return text_of(*answer, "id");
  ADD_FAILURE() << "refused: " << to_string(answer.error());
  return "";
}

std::string UpProcess::submit_shell(const std::string& script, const std::string& more) {
  return submit(fmt::format(R"({{"project":"p","run":[["sh","-c",{}]]{}}})", quoted(script), more));
}

Value UpProcess::show(const std::string& id) {
  auto answer = get("/api/v1/experiments/" + id);
  return answer ? *answer : Value{};
}

std::string UpProcess::state(const std::string& id) {
  return text_of(show(id), "state");
}

bool UpProcess::await_state(const std::string& id, const std::string& wanted,
                            std::chrono::milliseconds limit) {
  std::string seen;
  bool came = await([&] { return (seen = state(id)) == wanted; }, limit);
  EXPECT_TRUE(came) << id << " is " << seen << ", not " << wanted;
  return came;
}

std::string UpProcess::await_end(const std::string& id, std::chrono::milliseconds limit) {
  std::string seen;
  bool came = await(
      [&] {
        seen = state(id);
        return seen == "FINISHED" || seen == "FAILED" || seen == "KILLED" || seen == "SKIPPED";
      },
      limit);
  EXPECT_TRUE(came) << id << " is " << seen << ", and has not ended";
  return seen;
}

ValueList UpProcess::events(uint64_t after) {
  ValueList all;
  while (true) {
    auto page = get(fmt::format("/api/v1/events?limit=1000&after={}", after));
    const auto* list = page ? page->find("events") : nullptr;
    if (list == nullptr || !list->is_list() || list->as_list().empty()) return all;
    for (const auto& event : list->as_list()) all.push_back(event);
    after = static_cast<uint64_t>(number_of(all.back(), "number"));
  }
}

std::vector<std::string> UpProcess::points(const std::string& set) {
  std::vector<std::string> list;
  auto record = show(set);
  for (const auto& member : record.find("members")->as_list())
    list.push_back(member.find("params")->to_text());
  return list;
}

std::vector<std::string> UpProcess::transitions(const std::string& id) {
  std::vector<std::string> list;
  for (const auto& event : events())
    if (text_of(event, "kind") == "state" && text_of(event, "subject") == id)
      list.push_back(text_of(event, "from") + "->" + text_of(event, "to"));
  return list;
}

std::string UpProcess::log_text(const std::string& id, const std::string& job) {
  std::string text;
  for (std::string offset = "0";;) {
    client::HttpRequest request;
    request.path = fmt::format("/api/v1/experiments/{}/logs?job={}&offset={}", id, job, offset);
    auto answer = http_->send(request);
    if (!answer || answer->body.empty()) return text;
    text += answer->body;
    offset = answer->header("x-troupe-next-offset");
  }
}

std::vector<pid_t> UpProcess::processes_with(const std::string& text) const {
  std::vector<pid_t> found;
  std::error_code code;
  for (std::filesystem::directory_iterator it{"/proc", code}, end; !code && it != end;
       it.increment(code)) {
    auto pid = std::atoi(it->path().filename().c_str());
    if (pid <= 0 || pid == ::getpid() || !is_alive(pid)) continue;
    auto base = it->path().string();
    auto all = contents(base + "/cmdline") + '\0' + contents(base + "/environ");
    if (all.find(root_) != std::string::npos && all.find(text) != std::string::npos)
      found.push_back(pid);
  }
  return found;
}

std::vector<pid_t> UpProcess::processes() const {
  return processes_with("");
}

std::vector<pid_t> UpProcess::launchers() const {
  std::vector<pid_t> found;
  for (auto pid : processes()) {
    auto line = contents(fmt::format("/proc/{}/cmdline", pid));
    if (line.find(std::string{'\0'} + "launcher" + '\0') != std::string::npos) found.push_back(pid);
  }
  return found;
}

testing::AssertionResult UpProcess::nothing_left(std::chrono::milliseconds limit) const {
  if (await([&] { return processes().empty(); }, limit)) return testing::AssertionSuccess();
  auto failure = testing::AssertionFailure();
  for (auto pid : processes()) {
    auto line = contents(fmt::format("/proc/{}/cmdline", pid));
    for (auto& c : line)
      if (c == '\0') c = ' ';
    failure << "left: " << pid << " " << line << "\n";
  }
  return failure;
}

bool is_alive(pid_t pid) {
  auto facts = process::process_facts(pid);
  return facts && facts->state != 'Z' && facts->state != 'X';
}

std::string text_of(const Value& value, std::string_view key) {
  const auto* found = value.find(key);
  return found != nullptr && found->is_string() ? found->as_string() : "";
}

int64_t number_of(const Value& value, std::string_view key, int64_t otherwise) {
  const auto* found = value.find(key);
  return found != nullptr && found->is_int() ? found->as_int() : otherwise;
}

std::string quoted(const std::string& text) {
  return json_text(Value{text});
}

}  // namespace troupe::cluster
