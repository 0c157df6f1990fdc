#!/usr/bin/env python3
"""Negative controls: what the runner of console blocks must notice."""
import pathlib
import tempfile
import time
import unittest

import run_page


class RunPage(unittest.TestCase):
    def failures(self, text):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            page = folder / "page.md"
            page.write_text(text)
            shell = run_page.Shell(folder, folder, {"PATH": "/usr/bin:/bin"})
            try:
                return run_page.run_page(page, shell)
            finally:
                shell.close()

    def test_only_console_blocks_run(self):
        self.assertEqual(self.failures("```sh\n$ false\n```\n$ false\n```console\n$ true\n```\n"), 0)

    def test_notices_a_wrong_code(self):
        self.assertEqual(self.failures("```console\n$ false\n$ true  # exits 1\n$ sh -c 'exit 3' # exits 3\n```\n"), 2)
        self.assertEqual(self.failures("```console\n$ true # exits nonzero\n$ false # exits nonzero\n```\n"), 1)

    def test_notices_missing_output_and_wrong_order(self):
        self.assertEqual(self.failures("```console\n$ echo one; echo two\none\ntwo\n```\n"), 0)
        self.assertEqual(self.failures("```console\n$ echo one; echo two\ntwo\none\n```\n"), 1)
        self.assertEqual(self.failures("```console\n$ echo a 42 b\na ... b\n```\n"), 0)
        self.assertEqual(self.failures("```console\n$ echo a 42 c\na ... b\n```\n"), 1)

    def test_variables_and_the_folder_carry_over(self):
        self.assertEqual(self.failures("```console\n$ mkdir d && cd d && x=5\n$ test $x = 5 && test \"${PWD##*/}\" = d\n```\n"), 0)

    def test_a_page_that_hangs_ends(self):
        with tempfile.TemporaryDirectory() as name:
            shell = run_page.Shell(pathlib.Path(name), pathlib.Path(name), {"PATH": "/usr/bin:/bin"})
            try:
                self.assertEqual(shell.run("cat /dev/zero >/dev/null", time.monotonic() + 0.2)[0], None)
            finally:
                shell.close()


if __name__ == "__main__":
    unittest.main()
