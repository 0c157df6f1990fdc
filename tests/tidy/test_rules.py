#!/usr/bin/env python3
"""Negative controls: text that each rule must catch, and text beside it that it must leave alone."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import check_headers
import rules
from source import Source

HERE = pathlib.Path(__file__).resolve().parent
HEADER = "// What it is for.\n#pragma once\n"


def found(path, text):
    return [(rule, fatal) for _, rule, _, fatal in rules.check(Source(path, text))]


class Layers(unittest.TestCase):
    def test_catches_the_wrong_way_round(self):
        for path, include in [
            ("runtime/core/a.cpp", "storage/ledger.hpp"),
            ("runtime/core/a.cpp", "runtime/config/file.hpp"),
            ("hpo/a.cpp", "gpu/device.hpp"),
            ("hpo/a.cpp", "actors/messages.hpp"),
            ("storage/a.cpp", "runtime/process/launcher.hpp"),
            ("runtime/schedule/a.cpp", "hpo/space.hpp"),
            ("client/cpp/a.cpp", "actors/messages.hpp"),
            ("client/api/a.cpp", "client/cpp/client.hpp"),
            ("actors/head/a.cpp", "client/cli/main.hpp"),
            ("runtime/wire/a.cpp", "runtime/cluster/system.hpp"),
            ("storage/a.cpp", "storage/dataset/manifest.hpp"),
            ("client/cpp/a.cpp", "storage/ledger.hpp"),
        ]:
            self.assertEqual(found(path, f'#include "{include}"\n'), [("layer", True)], (path, include))

    def test_leaves_the_right_way_alone(self):
        for path, include in [
            ("storage/a.cpp", "runtime/core/error.hpp"),
            ("storage/a.cpp", "storage/ledger.hpp"),
            ("storage/dataset/a.cpp", "storage/beneath.hpp"),
            ("client/cpp/a.cpp", "storage/dataset/packer.hpp"),
            ("actors/head/a.cpp", "hpo/space.hpp"),
            ("client/cli/a.cpp", "actors/system.hpp"),
            ("tests/hpo/a.cpp", "gpu/device.hpp"),
        ]:
            self.assertEqual(found(path, f'#include "{include}"\n'), [], (path, include))

    def test_catches_paths_that_do_not_start_at_the_root(self):
        self.assertEqual(found("storage/a.cpp", '#include "ledger.hpp"\n'), [("layer", True)])


class Libraries(unittest.TestCase):
    def test_catches_each_library_elsewhere(self):
        for path, include in [
            ("hpo/a.cpp", "caf/all.hpp"),
            ("client/cli/a.cpp", "caf/io/all.hpp"),
            ("actors/head/scheduler.cpp", "kj/async.h"),
            ("actors/worker/node.cpp", "capnp/message.h"),
            ("runtime/config/a.cpp", "lmdb.h"),
            ("actors/head/ledger.cpp", "lmdb.h"),
            ("actors/worker/gpu.cpp", "nvml.h"),
            ("storage/a.cpp", "cuda_runtime.h"),
            ("runtime/core/a.cpp", "hwloc.h"),
            ("client/cpp/a.cpp", "yaml-cpp/yaml.h"),
            ("storage/a.cpp", "archive.h"),
        ]:
            self.assertEqual(found(path, f"#include <{include}>\n"), [("library", True)], (path, include))

    def test_leaves_them_alone_where_they_live(self):
        for path, include in [
            ("actors/head/scheduler.cpp", "caf/all.hpp"),
            ("actors/head/gateway_bridge.cpp", "kj/async.h"),
            ("storage/records.cpp", "capnp/message.h"),
            ("storage/env.cpp", "lmdb.h"),
            ("storage/dataset/a.cpp", "archive_entry.h"),
            ("gpu/topology.cpp", "hwloc.h"),
            ("tests/actors/a.cpp", "caf/all.hpp"),
        ]:
            self.assertEqual(found(path, f"#include <{include}>\n"), [], (path, include))


class Bans(unittest.TestCase):
    CASES = [
        ("infinite", "actors/a.cpp", "request(x, caf::infinite, y);"),
        ("wire-float", "runtime/wire/a.hpp", "struct A { double x; };"),
        ("wire-float", "runtime/wire/a.cpp", "float f = 1;"),
        ("using-namespace", "hpo/a.hpp", "using namespace std;"),
        ("using-namespace", "hpo/a.hpp", "namespace a { using  namespace std::chrono; }"),
        ("cout", "hpo/a.cpp", "std::cout << 1;"),
        ("cout", "tests/hpo/a.cpp", "std::cerr << 1;"),
        ("sleep", "tests/hpo/a.cpp", "std::this_thread::sleep_for(1s);"),
        ("sleep", "tests/hpo/a.cpp", "usleep(5);"),
        ("sleep", "tests/hpo/a.cpp", "::sleep (1);"),
        ("todo", "hpo/a.cpp", "// TODO: later"),
        ("todo", "hpo/a.cpp", "// FIXME(ada) later"),
    ]

    def test_catches_each(self):
        for rule, path, line in self.CASES:
            head = HEADER if path.endswith(".hpp") else ""
            self.assertEqual(found(path, f"{head}{line}\n"), [(rule, True)], line)

    def test_an_allowance_with_a_reason_is_an_answer(self):
        for rule, path, line in self.CASES:
            head = HEADER if path.endswith(".hpp") else ""
            self.assertEqual(found(path, f"{head}{line}  // tidy: allow {rule}: it must\n"), [], line)
            self.assertEqual(found(path, f"{head}// tidy: allow {rule}: it must\n{line}\n"), [], line)

    def test_an_allowance_of_another_rule_or_without_a_reason_is_none(self):
        self.assertEqual(found("hpo/a.cpp", "std::cout << 1;  // tidy: allow sleep: no\n"), [("cout", True)])
        self.assertEqual(
            sorted(found("hpo/a.cpp", "std::cout << 1;  // tidy: allow cout\n")), [("allow", True), ("cout", True)])

    def test_leaves_comments_strings_and_other_places_alone(self):
        for path, line in [
            ("hpo/a.cpp", "// std::cout would be wrong here"),
            ("hpo/a.cpp", 'auto text = "std::cout";'),
            ("hpo/a.cpp", 'auto text = R"(std::cout\nusleep(1))";'),
            ("hpo/a.cpp", "char c = '\"'; int x = 1'000'000;  // std::cout"),
            ("hpo/a.cpp", "/* using\nstd::cout */"),
            ("hpo/a.cpp", "using namespace std::chrono;"),
            ("hpo/a.hpp", HEADER + "using namespace std::chrono_literals;"),
            ("runtime/wire/a.cpp", "// no double here"),
            ("runtime/core/a.cpp", "double x = 1;"),
            ("tests/actors/a.cpp", "receive(caf::infinite);"),
            ("runtime/process/a.cpp", "nanosleep(&t, nullptr);"),
            ("hpo/a.cpp", "// TODO(#12) later"),
        ]:
            self.assertEqual(found(path, line + "\n"), [], line)


class Form(unittest.TestCase):
    def test_file_sizes(self):
        self.assertEqual(found("hpo/a.cpp", "int x;\n" * 400), [])
        self.assertEqual(found("hpo/a.cpp", "int x;\n" * 401), [("file-size", False)])
        self.assertEqual(found("hpo/a.cpp", "int x;\n" * 801), [("file-size", True)])
        self.assertEqual(found("hpo/a.cpp", "// tidy: allow file-size: one table\n" + "int x;\n" * 801), [])

    def test_function_sizes(self):
        def function(lines, indent=""):
            return f"{indent}int f(int a,\n{indent}      int b) {{\n" + f"{indent}  g();\n" * (lines - 3) + f"{indent}}}\n"

        self.assertEqual(found("hpo/a.cpp", function(70)), [])
        self.assertEqual(found("hpo/a.cpp", function(71)), [("function-size", False)])
        self.assertEqual(found("hpo/a.cpp", function(141)), [("function-size", True)])
        self.assertEqual(found("hpo/a.cpp", "class A {\n" + function(141, "  ") + "};\n"), [("function-size", True)])
        self.assertEqual(found("hpo/a.cpp", "namespace a {\n" + function(60) * 3 + "}  // namespace a\n"), [])
        self.assertEqual(found("hpo/a.cpp", "class A {\n  int b();\n\n" + function(60, "  ") * 3 + "};\n}  // namespace a\n"), [])

    def test_headers(self):
        self.assertEqual(found("hpo/a.hpp", HEADER + "int x();\n"), [])
        self.assertEqual(found("hpo/a.hpp", "#pragma once\nint x();\n"), [("header-comment", True)])
        self.assertEqual(found("hpo/a.hpp", "// What it is for.\nint x();\n"), [("pragma-once", True)])


class Programs(unittest.TestCase):
    def test_check_tree_fails_on_an_error_and_on_an_empty_tree(self):
        def run(root):
            done = subprocess.run([sys.executable, HERE / "check_tree.py", root], capture_output=True, text=True)
            return done.returncode, done.stdout

        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(run(root)[0], 1)
            path = pathlib.Path(root) / "hpo" / "a.cpp"
            path.parent.mkdir()
            path.write_text("int x;\n")
            self.assertEqual(run(root)[0], 0)
            path.write_text('#include "actors/messages.hpp"\n')
            code, text = run(root)
            self.assertEqual(code, 1)
            self.assertIn("hpo/a.cpp:1: error: hpo/ must not know actors/ [layer]", text)

    def test_check_headers_fails_on_a_header_that_leans_on_others(self):
        with tempfile.TemporaryDirectory() as root:
            good, bad = pathlib.Path(root) / "good.hpp", pathlib.Path(root) / "bad.hpp"
            good.write_text(HEADER + "#include <string>\nstd::string f();\n")
            bad.write_text(HEADER + "std::string f();\n")
            for headers, code in [([good], 0), ([good, bad], 1)]:
                done = subprocess.run(
                    [sys.executable, HERE / "check_headers.py", "c++", root, root, *headers], capture_output=True)
                self.assertEqual(done.returncode, code, done.stdout)

    def test_check_headers_leaves_out_only_what_the_build_compiles(self):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            (root / "hpo").mkdir()
            (root / "hpo/a.hpp").write_text(HEADER)
            for text, left_out in [
                ('#include "hpo/a.hpp"\n#include <string>\n', True),
                ('#include <string>\n#include "hpo/a.hpp"\n', False),
                ("", False),
            ]:
                (root / "hpo/a.cpp").write_text(text)
                self.assertEqual(check_headers.build_compiles_it(root, root / "hpo/a.hpp"), left_out, text)
            (root / "hpo/a.cpp").unlink()
            self.assertFalse(check_headers.build_compiles_it(root, root / "hpo/a.hpp"))


if __name__ == "__main__":
    unittest.main()
