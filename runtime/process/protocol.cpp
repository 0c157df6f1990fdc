#include "runtime/process/protocol.hpp"

#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::process {
namespace {

constexpr size_t key_bytes_max = 256;
// Which limits a run met.
constexpr uint8_t oom_bit = 1, fork_bit = 2;

void encode_texts(Encoder& out, const std::vector<std::string>& texts) {
  out.number(static_cast<uint32_t>(texts.size()));
  for (auto& text : texts) out.text(text);
}

std::vector<std::string> decode_texts(Decoder& in) {
  std::vector<std::string> texts(in.count(4));
  for (auto& text : texts) text = in.text();
  return texts;
}

bool has_nul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

}  // namespace

void encode(Encoder& out, const Error& error) {
  out.number(static_cast<uint8_t>(error.code));
  out.text(error.what);
  out.text(error.detail);
  out.text(error.hint);
}

void decode(Decoder& in, Error& error) {
  auto code = in.number<uint8_t>();
  if (code < static_cast<uint8_t>(Errc::invalid) || code > static_cast<uint8_t>(Errc::bug))
    in.fail();
  error.code = static_cast<Errc>(code);
  error.what = in.text();
  error.detail = in.text();
  error.hint = in.text();
}

void encode(Encoder& out, const RunRequest& request) {
  out.text(request.key);
  out.text(request.log_dir);
  out.number(request.log_bytes_max);
  out.number(request.cpus);
  out.number(request.mem);
  out.number(static_cast<uint32_t>(request.processes.size()));
  for (auto& process : request.processes) {
    encode_texts(out, process.argv);
    encode_texts(out, process.env);
    out.text(process.cwd);
  }
  // Only where they are asked for: launchers that were started before these were thought of know
  // none.
  bool leased = request.lease_until.count() > 0;
  bool mounts = !request.mounts.empty();
  bool bound = std::any_of(request.processes.begin(), request.processes.end(),
                           [](const auto& process) { return !process.cpus.empty(); });
  mounts = mounts || bound;
  if (leased || request.processes_max != 0 || mounts)
    out.number(static_cast<int64_t>(request.lease_until.count()));
  if (request.processes_max != 0 || mounts) out.number(request.processes_max);
  if (!mounts) return;
  out.text(request.hidden);
  out.number(static_cast<uint32_t>(request.mounts.size()));
  for (auto& mount : request.mounts)
    for (auto* text : {&mount.source, &mount.target, &mount.upper, &mount.work}) out.text(*text);
  if (!bound) return;
  for (auto& process : request.processes)
    for (auto* numbers : {&process.cpus, &process.memory}) {
      out.number(static_cast<uint32_t>(numbers->size()));
      for (auto number : *numbers) out.number(number);
    }
}

void decode(Decoder& in, RunRequest& request) {
  request.key = in.text();
  request.log_dir = in.text();
  request.log_bytes_max = in.number<uint64_t>();
  request.cpus = in.number<double>();
  request.mem = in.number<uint64_t>();
  request.processes.resize(in.count(12));
  for (auto& process : request.processes) {
    process.argv = decode_texts(in);
    process.env = decode_texts(in);
    process.cwd = in.text();
  }
  if (in.good() && !in.complete())
    request.lease_until = std::chrono::nanoseconds{in.number<int64_t>()};
  if (in.good() && !in.complete()) request.processes_max = in.number<uint64_t>();
  if (!in.good() || in.complete()) return;
  request.hidden = in.text();
  request.mounts.resize(in.count(16));
  for (auto& mount : request.mounts)
    for (auto* text : {&mount.source, &mount.target, &mount.upper, &mount.work}) *text = in.text();
  if (!in.good() || in.complete()) return;
  for (auto& process : request.processes)
    for (auto* numbers : {&process.cpus, &process.memory}) {
      numbers->resize(in.count(4));
      for (auto& number : *numbers) number = in.number<uint32_t>();
    }
}

void encode(Encoder& out, const RunStatus& status) {
  out.text(status.key);
  out.number(static_cast<uint8_t>(status.state));
  out.number(static_cast<uint32_t>(status.pids.size()));
  for (auto pid : status.pids) out.number(pid);
  out.number(static_cast<uint32_t>(status.exits.size()));
  for (auto& exit : status.exits) {
    out.number(exit.code);
    out.number(exit.signal);
    out.number(exit.at.us);
  }
  out.number(status.first_failed);
  out.number(static_cast<uint8_t>((status.oom_killed ? oom_bit : 0) |
                                  (status.fork_refused ? fork_bit : 0)));
  out.number(static_cast<uint8_t>(status.stopped));
  out.number(static_cast<uint8_t>(status.error.has_value()));
  if (status.error) encode(out, *status.error);
  out.number(status.started.us);
  out.number(status.ended.us);
  out.number(status.log_bytes);
  out.text(status.log_error);
}

void decode(Decoder& in, RunStatus& status) {
  status.key = in.text();
  auto state = in.number<uint8_t>();
  if (state < 1 || state > 3) in.fail();
  status.state = static_cast<RunState>(state);
  status.pids.resize(in.count(4));
  for (auto& pid : status.pids) pid = in.number<int32_t>();
  status.exits.resize(in.count(16));
  for (auto& exit : status.exits) {
    exit.code = in.number<int32_t>();
    exit.signal = in.number<int32_t>();
    exit.at.us = in.number<int64_t>();
  }
  status.first_failed = in.number<int32_t>();
  auto limits_met = in.number<uint8_t>();
  status.oom_killed = (limits_met & oom_bit) != 0;
  status.fork_refused = (limits_met & fork_bit) != 0;
  status.stopped = in.number<uint8_t>() != 0;
  if (in.number<uint8_t>() != 0) decode(in, status.error.emplace());
  status.started.us = in.number<int64_t>();
  status.ended.us = in.number<int64_t>();
  status.log_bytes = in.number<uint64_t>();
  status.log_error = in.text();
}

std::string frame(FrameType type, std::string_view body) {
  Encoder out;
  out.number(static_cast<uint32_t>(body.size() + 2));
  out.number(protocol_version);
  out.number(static_cast<uint8_t>(type));
  auto bytes = out.take();
  bytes.append(body);
  return bytes;
}

void FrameSplitter::add(std::string_view bytes) {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  buffer_.append(bytes);
}

Result<bool> FrameSplitter::next(Frame& frame) {
  std::string_view rest{buffer_};
  rest.remove_prefix(begin_);
  if (rest.size() < 4) return false;
  auto length = Decoder{rest.substr(0, 4)}.number<uint32_t>();
  if (length < 2 || length > frame_bytes_max)
    return Error{Errc::invalid, "the launcher's connection is broken",
                 fmt::format("a frame of {} bytes", length), "is something else on this socket?"};
  if (rest.size() >= 5 && static_cast<uint8_t>(rest[4]) != protocol_version)
    return Error{
        Errc::invalid, "the launcher's connection is broken",
        fmt::format("protocol version {} where {} is spoken",
                    static_cast<unsigned>(static_cast<uint8_t>(rest[4])), protocol_version),
        "let the jobs end and restart with one version of troupe"};
  if (rest.size() < 4 + size_t{length}) return false;
  frame.type = static_cast<FrameType>(static_cast<uint8_t>(rest[5]));
  frame.body = rest.substr(6, length - 2);
  begin_ += 4 + size_t{length};
  return true;
}

Result<void> check(const RunRequest& request) {
  auto bad = [&](std::string detail) {
    return Error{Errc::invalid, fmt::format("run {} cannot be started", name_of(request.key)),
                 std::move(detail), ""};
  };
  if (request.key.empty() || request.key.size() > key_bytes_max || has_nul(request.key))
    return bad(fmt::format("a key has 1 to {} bytes, none of them NUL", key_bytes_max));
  if (request.processes.empty() || request.processes.size() > limits::processes_max)
    return bad(fmt::format("{} processes; 1 to {} are possible", request.processes.size(),
                           limits::processes_max));
  if (request.log_dir.empty() || has_nul(request.log_dir)) return bad("no folder for the log");
  for (auto& mount : request.mounts)
    for (auto* text : {&mount.source, &mount.target, &mount.upper, &mount.work})
      if (has_nul(*text) || (!text->empty() && text->front() != '/'))
        return bad("a mount that is no absolute path");
  for (auto& process : request.processes) {
    if (process.argv.empty() || process.argv[0].empty()) return bad("an empty command");
    if (has_nul(process.cwd)) return bad("the working directory contains a NUL");
    for (auto* list : {&process.argv, &process.env})
      for (auto& text : *list)
        if (has_nul(text)) return bad("an argument or a variable contains a NUL");
  }
  return ok();
}

}  // namespace troupe::process
