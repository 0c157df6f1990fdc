"""The rules of the house that no compiler checks. Each takes a Source and yields (line, rule, message, fatal).

`// tidy: allow RULE: reason`, on the line or alone on the one above, is an answer to any of them.
"""
import re

from source import ALLOW, unit_of

RUNTIME = {f"runtime/{name}" for name in ("core", "config", "launch", "process", "topology", "schedule", "simulate", "wire", "cluster")}

# Who may include whom; docs/architecture.md, "The house". Tests may include anything.
LAYERS = {
    "runtime/core": set(),
    "runtime/config": {"runtime/core"},
    "runtime/launch": {"runtime/core"},
    "runtime/process": {"runtime/core"},
    "runtime/topology": {"runtime/core"},
    "runtime/schedule": {"runtime/core", "runtime/topology"},
    "runtime/simulate": {"runtime/core", "runtime/schedule"},
    "runtime/wire": {"runtime/core"},
    "runtime/cluster": {"runtime/core", "runtime/wire"},
    "storage": {"runtime/core"},
    "storage/dataset": {"runtime/core", "storage"},
    "gpu": {"runtime/core"},
    "gpu/topology": {"runtime/core", "runtime/topology"},
    "gpu/comm": {"runtime/core"},
    "hpo": {"runtime/core"},
    "client/api": {"runtime/core"},
    "client/cpp": {"runtime/core", "client/api", "storage/dataset"},
    "client/reader": {"runtime/core", "storage/dataset"},
    "client/comm": {"runtime/core", "gpu/comm"},
    "client/plot": {"runtime/core", "hpo"},
    "actors": RUNTIME | {"storage", "storage/dataset", "gpu", "gpu/topology", "gpu/comm", "hpo", "client/api"},
    "client/cli": RUNTIME | {"actors", "gpu", "gpu/topology", "gpu/comm", "hpo", "client/api", "client/cpp", "client/plot", "storage/dataset"},
}

# Foreign headers and the only places that may include them.
LIBRARIES = [
    (re.compile(r"^caf/"), "CAF", ("runtime/wire/", "runtime/cluster/", "actors/")),
    (re.compile(r"^(kj|capnp)/|\.capnp\.h$"), "KJ and Cap'n Proto", ("client/", "actors/head/gateway", "storage/", "runtime/cluster/")),
    (re.compile(r"^(cuda\w*|nccl|nvml|hwloc)\.h$|^(cuda|hwloc)/"), "CUDA, NCCL, NVML and hwloc", ("gpu/",)),
    (re.compile(r"^lmdb\.h$"), "LMDB", ("storage/",)),
    (re.compile(r"^archive(_entry)?\.h$"), "libarchive", ("storage/dataset/",)),
    (re.compile(r"^yaml-cpp/"), "yaml-cpp", ("runtime/config/",)),
    (re.compile(r"^(Eigen|boost)/"), "Eigen and Boost", ("hpo/", "docs/examples/native/")),
]

FILE_LINES_SOFT, FILE_LINES_HARD = 400, 800
FUNCTION_LINES_SOFT, FUNCTION_LINES_HARD = 70, 140


def layers(source):
    folder = source.folder()
    if source.is_test or folder not in LAYERS:
        return
    for number, name, quoted in source.includes():
        if not quoted:
            continue
        other = unit_of(name)
        if other not in LAYERS:
            yield number, "layer", f'"{name}" is not written from the root of the tree', True
        elif other != folder and other not in LAYERS[folder]:
            yield number, "layer", f"{folder}/ must not know {other}/", True


def libraries(source):
    if source.is_test:
        return
    for number, name, _ in source.includes():
        for pattern, library, places in LIBRARIES:
            if pattern.search(name) and not source.path.startswith(places):
                yield number, "library", f"{library} belongs to {', '.join(places)} alone", True


def file_size(source):
    count = len(source.lines)
    if count > FILE_LINES_SOFT and not source.allows_anywhere("file-size"):
        yield 1, "file-size", f"{count} lines; {FILE_LINES_SOFT} is long, {FILE_LINES_HARD} the end", count > FILE_LINES_HARD


def functions(source):
    """(first line, line count) of each function, told by clang-format's indentation: at the left edge or in a class."""
    starts, outer = {}, ""
    for number, line in enumerate(source.code, 1):
        stripped = line.lstrip()
        indent = len(line) - len(stripped)
        if not stripped or indent not in (0, 2) or stripped[0] in "#:)":
            continue
        if source.lines[number - 1].strip() == "}":  # "}  // namespace" is none
            in_class = re.match(r"(template|class|struct|union)\b", outer)
            if indent in starts and (indent == 0 or in_class):
                yield starts[indent], number - starts[indent] + 1
        elif stripped[0] != "}":
            starts[indent] = number
            if indent == 0:
                outer = stripped


def function_size(source):
    for number, count in functions(source):
        if count > FUNCTION_LINES_SOFT:
            message = f"a function of {count} lines; {FUNCTION_LINES_SOFT} is long, {FUNCTION_LINES_HARD} the end"
            yield number, "function-size", message, count > FUNCTION_LINES_HARD


# rule, pattern over code without comments and strings, where it holds, message
BANS = [
    ("infinite", re.compile(r"\bcaf::infinite\b"), lambda s: not s.is_test, "an endless wait hides a lost answer"),
    ("wire-float", re.compile(r"\b(float|double)\b"), lambda s: s.path.startswith("runtime/wire/"),
     "CAF alters floats on the wire; send bits or text"),
    ("using-namespace", re.compile(r"\busing\s+namespace\b(?!\s+std::\w*literals\b)"), lambda s: s.is_header,
     "it reaches everybody who includes this"),
    ("cout", re.compile(r"\bstd::(cout|cerr|clog)\b"), lambda s: True, "use runtime/core/log.hpp, or fmt::print to a file"),
    ("sleep", re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\("), lambda s: s.is_test,
     "await the condition with a deadline"),
]


def bans(source):
    for rule, pattern, holds, message in BANS:
        if holds(source):
            for number, line in enumerate(source.code, 1):
                found = pattern.search(line)
                if found:
                    yield number, rule, f"{found.group(0).strip('( ')}: {message}", True


def todo(source):
    for number, line in enumerate(source.lines, 1):
        if re.search(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", line):
            yield number, "todo", "a TODO names its issue: TODO(#12)", True


def header_form(source):
    if not source.is_header:
        return
    if not source.lines or not source.lines[0].startswith("//"):
        yield 1, "header-comment", "a header begins with what it is for, who owns it and which thread it lives on", True
    if not source.is_test and "#pragma once" not in source.lines:
        yield 1, "pragma-once", "#pragma once is missing", True


def allow_form(source):
    for number, line in enumerate(source.lines, 1):
        found = ALLOW.search(line)
        if found and not found.group(2):
            yield number, "allow", "say why: // tidy: allow RULE: reason", True


ALL = [layers, libraries, file_size, function_size, bans, todo, header_form, allow_form]


def check(source):
    """(line, rule, message, fatal) of everything that is wrong and not allowed."""
    for rule in ALL:
        for number, name, message, fatal in rule(source):
            if not source.allows(number, name):
                yield number, name, message, fatal
