#include "client/api/schema_json_types.hpp"

#include "client/api/convert.hpp"
#include "client/api/json_text.hpp"
#include "client/api/troupe.capnp.h"
#include "runtime/core/spec.hpp"
#include "runtime/core/suggest.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <charconv>
#include <unordered_map>

namespace troupe::api {

namespace {

using Reader = capnp::DynamicStruct::Reader;
using Builder = capnp::DynamicStruct::Builder;

std::string_view view(capnp::Text::Reader text) {
  return {text.begin(), text.size()};
}

Error wrong(const FieldPath& path, std::string_view wanted, const Value& value) {
  return field_error(path, fmt::format("must be {}, but is {}", wanted, value.kind()),
                     "see docs/reference/http.md");
}

void write_integer(std::string& out, uint64_t value) {
  fmt::format_to(std::back_inserter(out), "{}", value);
}

void write_value(std::string& out, wire::Value::Reader in);

template <class Map, class Item>
void write_map(std::string& out, Map map, Item&& item) {
  char separator = '{';
  for (auto entry : map.getEntries()) {
    out += separator;
    separator = ',';
    append_json_string(out, view(entry.getName()));
    out += ':';
    item(entry);
  }
  out += separator == '{' ? "{}" : "}";
}

void write_values(std::string& out, wire::Values::Reader in) {
  write_map(out, in, [&](auto entry) { write_value(out, entry.getValue()); });
}

void write_value(std::string& out, wire::Value::Reader in) {
  switch (in.which()) {
    case wire::Value::BOOLEAN:
      out += in.getBoolean() ? "true" : "false";
      return;
    case wire::Value::INTEGER:
      fmt::format_to(std::back_inserter(out), "{}", in.getInteger());
      return;
    case wire::Value::FLOAT:
      return append_json_number(out, in.getFloat());
    case wire::Value::TEXT:
      return append_json_string(out, view(in.getText()));
    case wire::Value::LIST: {
      char separator = '[';
      for (auto item : in.getList()) {
        out += separator;
        separator = ',';
        write_value(out, item);
      }
      out += separator == '[' ? "[]" : "]";
      return;
    }
    case wire::Value::MAP:
      return write_values(out, in.getMap());
    default:
      out += "null";
  }
}

Result<void> read_values(const Value& value, Builder out, const FieldPath& path) {
  if (!value.is_map()) return wrong(path, "an object", value);
  set_values(out.as<wire::Values>(), value.as_map());
  return ok();
}

void write_texts(std::string& out, Reader in) {
  write_map(out, in.as<wire::Texts>(),
            [&](auto entry) { append_json_string(out, view(entry.getValue())); });
}

Result<void> read_texts(const Value& value, Builder out, const FieldPath& path) {
  if (!value.is_map()) return wrong(path, "an object of strings", value);
  for (const auto& [name, item] : value.as_map())
    if (!item.is_string()) return wrong(FieldPath{&path, name, 0}, "a string", item);
  auto entries = out.as<wire::Texts>().initEntries(static_cast<uint32_t>(value.as_map().size()));
  uint32_t i = 0;
  for (const auto& [name, item] : value.as_map()) {
    set_text(name, [&](auto text) { entries[i].setName(text); });
    set_text(item.as_string(), [&](auto text) { entries[i].setValue(text); });
    ++i;
  }
  return ok();
}

void write_numbers(std::string& out, Reader in) {
  write_map(out, in.as<wire::Numbers>(),
            [&](auto entry) { append_json_number(out, entry.getValue()); });
}

Result<void> read_opt_int(const Value& value, Builder out, const FieldPath& path) {
  if (!value.is_int()) return wrong(path, "an integer", value);
  out.as<wire::OptInt>().setValue(value.as_int());
  return ok();
}

void write_concurrency(std::string& out, Reader in) {
  auto many = in.as<wire::Concurrency>();
  if (many.getSure() == 0)
    write_integer(out, many.getMost());
  else
    fmt::format_to(std::back_inserter(out), "\"{}..{}\"", many.getSure(), many.getMost());
}

Result<void> read_concurrency_form(const Value& value, Builder out, const FieldPath& path) {
  SweepSpec sweep;
  if (auto read = read_concurrency(value, sweep); !read)
    return field_error(path, read.error().detail, read.error().hint);
  auto many = out.as<wire::Concurrency>();
  many.setMost(sweep.concurrency.value_or(0));
  many.setSure(sweep.concurrency_sure.value_or(0));
  return ok();
}

Result<void> read_seed(const Value& value, Builder out, const FieldPath& path) {
  auto seed = out.as<wire::Seed>();
  if (value.is_int() && value.as_int() >= 0) {
    seed.setValue(static_cast<uint64_t>(value.as_int()));
    return ok();
  }
  if (value.is_string()) {
    const auto& text = value.as_string();
    uint64_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) {
      seed.setValue(number);
      return ok();
    }
  }
  return field_error(path, "must be an integer from 0 to 2^64-1",
                     "write those above 2^63-1 as a string of digits");
}

Result<void> read_size(const Value& value, Builder out, const FieldPath& path) {
  auto size = out.as<wire::Size>();
  if (value.is_int() && value.as_int() >= 0) {
    size.setBytes(static_cast<uint64_t>(value.as_int()));
    return ok();
  }
  if (!value.is_string()) return wrong(path, "a size like \"2GiB\", or an integer of bytes", value);
  auto bytes = parse_bytes(value.as_string());
  if (!bytes)
    return field_error(path, bytes.error().what + ": " + bytes.error().detail, bytes.error().hint);
  size.setBytes(*bytes);
  return ok();
}

Result<void> read_span(const Value& value, Builder out, const FieldPath& path) {
  auto span = out.as<wire::Span>();
  if (value.is_int() && value.as_int() >= 0) {
    span.setMs(static_cast<uint64_t>(value.as_int()));
    return ok();
  }
  if (!value.is_string())
    return wrong(path, "a duration like \"2h\", or an integer of milliseconds", value);
  auto duration = parse_duration(value.as_string());
  if (!duration)
    return field_error(path, duration.error().what + ": " + duration.error().detail,
                       duration.error().hint);
  span.setMs(static_cast<uint64_t>(duration->count()));
  return ok();
}

void write_command(std::string& out, wire::Command::Reader in) {
  if (in.isShell()) return append_json_string(out, view(in.getShell()));
  char separator = '[';
  for (auto word : in.getArgv()) {
    out += separator;
    separator = ',';
    append_json_string(out, view(word));
  }
  out += separator == '[' ? "[]" : "]";
}

Result<void> read_command(const Value& value, Builder out, const FieldPath& path) {
  auto command = out.as<wire::Command>();
  if (value.is_string()) {
    set_text(value.as_string(), [&](auto text) { command.setShell(text); });
    return ok();
  }
  if (!value.is_list()) return wrong(path, "a string or a list of strings", value);
  const auto& words = value.as_list();
  auto argv = command.initArgv(static_cast<uint32_t>(words.size()));
  for (uint32_t i = 0; i < words.size(); ++i) {
    if (!words[i].is_string()) return wrong(FieldPath{&path, {}, i}, "a string", words[i]);
    set_text(words[i].as_string(), [&](auto text) { argv.set(i, text); });
  }
  return ok();
}

void write_commands(std::string& out, Reader in) {
  char separator = '[';
  for (auto command : in.as<wire::Commands>().getList()) {
    out += separator;
    separator = ',';
    write_command(out, command);
  }
  out += separator == '[' ? "[]" : "]";
}

Result<void> read_commands(const Value& value, Builder out, const FieldPath& path) {
  auto commands = out.as<wire::Commands>();
  if (value.is_string()) return read_command(value, commands.initList(1)[0], path);
  if (!value.is_list()) return wrong(path, "a string or a list of commands", value);
  const auto& items = value.as_list();
  auto list = commands.initList(static_cast<uint32_t>(items.size()));
  for (uint32_t i = 0; i < items.size(); ++i)
    TROUPE_TRY(read_command(items[i], list[i], FieldPath{&path, {}, i}));
  return ok();
}

/// A number or a range; with what else the range says only where that is not the usual.
void write_workers(std::string& out, Reader in) {
  auto workers = in.as<wire::Workers>();
  auto resize_after = workers.getResizeAfterMs();
  if (workers.getMin() == workers.getMax())
    write_integer(out, workers.getMin());
  else if (resize_after == wire::Workers::Reader{}.getResizeAfterMs())
    fmt::format_to(std::back_inserter(out), "\"{}..{}\"", workers.getMin(), workers.getMax());
  else
    fmt::format_to(std::back_inserter(out), R"({{"count":"{}..{}","resize_after":{}}})",
                   workers.getMin(), workers.getMax(), resize_after);
}

Result<uint32_t> worker_count(const Value& value, const FieldPath& path) {
  if (!value.is_int() || value.as_int() < 0 || value.as_int() > UINT32_MAX)
    return field_error(path, "must be a count", "write 4, \"2..8\" or {\"count\": 4}");
  return static_cast<uint32_t>(value.as_int());
}

Result<void> read_worker_range(std::string_view text, wire::Workers::Builder out,
                               const FieldPath& path) {
  auto dots = text.find("..");
  uint32_t bounds[2] = {0, 0};
  if (dots != std::string_view::npos) {
    std::string_view parts[2] = {text.substr(0, dots), text.substr(dots + 2)};
    bool good = true;
    for (int i = 0; i < 2; ++i) {
      auto end = parts[i].data() + parts[i].size();
      auto [at, error] = std::from_chars(parts[i].data(), end, bounds[i]);
      good = good && error == std::errc{} && at == end;
    }
    if (good) {
      out.setMin(bounds[0]);
      out.setMax(bounds[1]);
      return ok();
    }
  }
  return field_error(path, "is no range of workers", "write 4, \"2..8\" or {\"count\": 4}");
}

Result<void> read_workers(const Value& value, Builder builder, const FieldPath& path) {
  auto out = builder.as<wire::Workers>();
  if (value.is_string()) return read_worker_range(value.as_string(), out, path);
  if (!value.is_map()) {
    auto count = worker_count(value, path);
    if (!count) return std::move(count).error();
    out.setMin(*count);
    out.setMax(*count);
    return ok();
  }
  for (const auto& [name, item] : value.as_map()) {
    FieldPath field{&path, name, 0};
    if (name == "count" && item.is_string()) {
      TROUPE_TRY(read_worker_range(item.as_string(), out, field));
      continue;
    }
    if (name == "resize_after") {
      auto span = item.is_string() ? parse_duration(item.as_string())
                                   : Result<Duration>{Duration{item.is_int() ? item.as_int() : -1}};
      if (!span || span->count() < 0)
        return field_error(field, "is no time", "write \"10m\", or milliseconds");
      out.setResizeAfterMs(static_cast<uint64_t>(span->count()));
      continue;
    }
    auto count = worker_count(item, field);
    if (name == "count" || name == "min" || name == "max" || name == "processes") {
      if (!count) return std::move(count).error();
    } else {
      return field_error(path, fmt::format("unknown field \"{}\"", name),
                         suggestion(name, {"count", "min", "max", "processes", "resize_after"}));
    }
    if (name == "count" || name == "min") out.setMin(*count);
    if (name == "count" || name == "max") out.setMax(*count);
    if (name == "processes") out.setProcesses(*count);
  }
  return ok();
}

void write_mount(std::string& out, Reader in) {
  auto mount = in.as<wire::DataMount>();
  out += "{\"source\":";
  append_json_string(out, view(mount.getSource()));
  out += ",\"mount\":";
  append_json_string(out, view(mount.getMount()));
  if (mount.getDigest().size() != 0) {
    out += ",\"digest\":";
    append_json_string(out, view(mount.getDigest()));
  }
  if (mount.getWritable()) out += ",\"writable\":true";
  out += '}';
}

Result<void> read_mount(const Value& value, Builder builder, const FieldPath& path) {
  auto out = builder.as<wire::DataMount>();
  if (value.is_string()) {
    set_text(value.as_string(), [&](auto text) { out.setSource(text); });
    return ok();
  }
  if (!value.is_map()) return wrong(path, "a string or {source, mount, writable}", value);
  for (const auto& [name, item] : value.as_map()) {
    if (name != "source" && name != "mount" && name != "writable")
      return field_error(path, fmt::format("unknown field \"{}\"", name),
                         suggestion(name, {"source", "mount", "writable"}));
    if (name == "writable") {
      if (!item.is_bool()) return wrong(FieldPath{&path, name, 0}, "true or false", item);
      out.setWritable(item.as_bool());
      continue;
    }
    if (!item.is_string()) return wrong(FieldPath{&path, name, 0}, "a string", item);
    if (name == "source")
      set_text(item.as_string(), [&](auto text) { out.setSource(text); });
    else
      set_text(item.as_string(), [&](auto text) { out.setMount(text); });
  }
  return ok();
}

void write_entry(std::string& out, Reader in) {
  auto entry = in.as<wire::Entry>();
  if (entry.isExperiment())
    append_json(out, entry.getExperiment());
  else
    append_json(out, entry.getSet());
}

using Forms = std::unordered_map<uint64_t, JsonForm>;

template <class T>
void add(Forms& forms, JsonForm form) {
  forms.emplace(capnp::typeId<T>(), form);
}

Forms make_forms() {
  Forms forms;
  add<wire::Value>(forms, {[](std::string& o, Reader r) { write_value(o, r.as<wire::Value>()); },
                           [](const Value& v, Builder b, const FieldPath&) {
                             set_value(b.as<wire::Value>(), v);
                             return ok();
                           },
                           "null", "{}"});
  add<wire::Values>(forms, {[](std::string& o, Reader r) { write_values(o, r.as<wire::Values>()); },
                            read_values, "{}", R"({"type":"object"})"});
  add<wire::Texts>(forms, {write_texts, read_texts, "{}",
                           R"({"type":"object","additionalProperties":{"type":"string"}})"});
  add<wire::Numbers>(forms, {write_numbers, nullptr, "{}",
                             R"({"type":"object","additionalProperties":{"type":"number"}})"});
  add<wire::OptInt>(forms, {[](std::string& o, Reader r) {
                              fmt::format_to(std::back_inserter(o), "{}",
                                             r.as<wire::OptInt>().getValue());
                            },
                            read_opt_int, "null", R"({"type":["integer","null"]})"});
  add<wire::Concurrency>(forms, {write_concurrency, read_concurrency_form, "null",
                                 R"({"type":["integer","string","null"]})"});
  add<wire::OptNumber>(forms, {[](std::string& o, Reader r) {
                                 append_json_number(o, r.as<wire::OptNumber>().getValue());
                               },
                               nullptr, "null", R"({"type":["number","null"]})"});
  add<wire::Seed>(
      forms, {[](std::string& o, Reader r) { write_integer(o, r.as<wire::Seed>().getValue()); },
              read_seed, "null", R"({"type":["integer","string","null"]})"});
  add<wire::Size>(
      forms, {[](std::string& o, Reader r) { write_integer(o, r.as<wire::Size>().getBytes()); },
              read_size, "0", R"({"type":["integer","string"]})"});
  add<wire::Span>(forms,
                  {[](std::string& o, Reader r) { write_integer(o, r.as<wire::Span>().getMs()); },
                   read_span, "0", R"({"type":["integer","string"]})"});
  add<wire::Command>(
      forms, {[](std::string& o, Reader r) { write_command(o, r.as<wire::Command>()); },
              read_command, "null", R"({"type":["string","array"],"items":{"type":"string"}})"});
  add<wire::Commands>(forms,
                      {write_commands, read_commands, "[]", R"({"type":["string","array"]})"});
  add<wire::Workers>(
      forms, {write_workers, read_workers, "1", R"({"type":["integer","string","object"]})"});
  add<wire::DataMount>(forms, {write_mount, read_mount, "null", R"({"type":["object","string"]})"});
  add<wire::Entry>(forms, {write_entry, nullptr, "null",
                           R"({"oneOf":[{"$ref":"#/components/schemas/Experiment"},)"
                           R"({"$ref":"#/components/schemas/ExperimentSet"}]})"});
  return forms;
}

}  // namespace

const JsonForm* json_form(uint64_t type_id) {
  static const Forms forms = make_forms();
  auto it = forms.find(type_id);
  return it == forms.end() ? nullptr : &it->second;
}

}  // namespace troupe::api
