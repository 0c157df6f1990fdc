#!/usr/bin/env python3
"""Runs the console blocks of one page of the documentation against a real `troupe up`.

usage: run_page.py TROUPE ROOT PAGE

In a ```console block each line that begins with "$ " is a command. All commands of a page run in one shell, in a scratch
folder that holds a copy of docs/examples. A command must exit with 0, unless it ends with "# exits N" or "# exits nonzero".
Other lines are output that must come, in order; "..." in them stands for anything.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

START_SECONDS_MAX = 60
PAGE_SECONDS_MAX = 300


def commands(text):
    """(line number, command, wanted code or "nonzero", expected output lines) of each command of a page."""
    found, inside = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            inside = line.strip() == "```console" and not inside
        elif inside and line.startswith("$ "):
            command = line[2:]
            wanted = re.search(r"\s+# exits (\d+|nonzero)\s*$", command)
            code = wanted.group(1) if wanted else "0"
            found.append((number, command[: wanted.start()] if wanted else command, code, []))
        elif inside and line.strip():
            if not found:
                raise ValueError(f"line {number}: output before any command")
            found[-1][3].append(line)
    return found


def came(output, expected):
    """The first expected line that did not come in order, or None."""
    lines = iter(output.splitlines())
    for want in expected:
        pattern = re.compile(".*".join(re.escape(part) for part in want.split("...")))
        if not any(pattern.fullmatch(line.rstrip()) for line in lines):
            return want
    return None


class Shell:
    """One bash for the whole page, so that variables and the folder carry over."""

    def __init__(self, folder, notes, env):
        self.notes = notes  # beside the folder, or its snapshots would take the outputs along
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=folder, env=env, stdin=subprocess.PIPE, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.count = 0

    def run(self, command, deadline):
        self.count += 1
        output = self.notes / f"output.{self.count}"
        code = self.notes / f"code.{self.count}"
        # The code appears complete or not at all.
        self.process.stdin.write(
            f"{{ {command}\n}} >{output} 2>&1 </dev/null; echo $? >{code}.new; mv {code}.new {code}\n")
        self.process.stdin.flush()
        while not code.exists():
            if time.monotonic() > deadline or self.process.poll() is not None:
                return None, output.read_text(errors="replace") if output.exists() else ""
            time.sleep(0.02)
        return int(code.read_text()), output.read_text(errors="replace")

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()


def start(troupe, folder, env):
    up = subprocess.Popen([troupe, "up", "--port", "0", "--dir", folder / "state", "--cpus", "4"], env=env,
                          stdout=open(folder / "up.log", "w"), stderr=subprocess.STDOUT)
    deadline = time.monotonic() + START_SECONDS_MAX
    while subprocess.run([troupe, "node", "ls"], env=env, capture_output=True).returncode != 0:
        if up.poll() is not None or time.monotonic() > deadline:
            up.kill()
            up.wait()
            sys.exit(f"troupe up did not start:\n{(folder / 'up.log').read_text()}")
        time.sleep(0.05)
    return up


def run_page(page, shell):
    failed = 0
    deadline = time.monotonic() + PAGE_SECONDS_MAX
    for number, command, wanted, expected in commands(page.read_text()):
        code, output = shell.run(command, deadline)
        problem = None
        if code is None:
            problem = "did not end in time"
        elif (code == 0) if wanted == "nonzero" else (str(code) != wanted):
            problem = f"ended with {code}, not {wanted}"
        else:
            missing = came(output, expected)
            problem = missing and f'did not print "{missing}"'
        print(f"{page.name}:{number}: $ {command}" + (f"\n  {problem}; it printed:\n{output}" if problem else ""))
        failed += problem is not None
        if code is None:
            break
    return failed


def main():
    troupe, root, page = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-docs."))
    up = shell = None
    try:
        work = folder / "work"
        shutil.copytree(root / "docs" / "examples", work / "docs" / "examples")
        (folder / "home").mkdir()
        env = {key: value for key, value in os.environ.items() if not key.startswith(("TROUPE_", "XDG_"))}
        env.update(PATH=f"{troupe.parent}:/usr/local/bin:/usr/bin:/bin", HOME=str(folder / "home"),
                   XDG_CONFIG_HOME=str(folder / "config"), XDG_STATE_HOME=str(folder / "xdg-state"), LC_ALL="C.UTF-8")
        up = start(troupe, folder, env)
        shell = Shell(work, folder, env)
        failed = run_page(page, shell)
        if failed:
            print((folder / "up.log").read_text()[-4000:])
        return 1 if failed else 0
    finally:
        if shell:
            shell.close()
        if up:
            up.send_signal(signal.SIGINT)
            try:
                up.wait(30)
            except subprocess.TimeoutExpired:
                up.kill()
                up.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
