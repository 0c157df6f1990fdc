#!/usr/bin/env python3
"""Reads ctest's JUnit reports and prints "N passed, N failed[, N skipped]" as the last line.

With --details: one line a failed test with the end of its output, one a skipped test with its reason, no exit code.
A report NAME.again.xml is of the tests that failed in NAME.xml, run once more without others beside them: what passes
there counts as passed, and is printed as unsteady with what it said the first time.
Otherwise exits 1 if anything failed or nothing ran.
"""
import argparse
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

OUTPUT_LINES_MAX = 60  # of a failed test: the end is where the reason stands


def skip_reason(case):
    """The text of GTEST_SKIP stands between its file:line and "[  SKIPPED ]"; scripts print "SKIP: reason"."""
    text = case.findtext("system-out") or ""
    found = re.search(r"SKIP: *(.+)", text) or re.search(r"\.cpp:\d+: Skipped\n+(.+)", text)
    if found:
        return found.group(1).strip()
    skipped = case.find("skipped")
    return (skipped.get("message") if skipped is not None else "") or "no reason given"


def verdict(case):
    status = case.get("status")
    if status == "run" and case.find("failure") is None:
        return "passed"
    if status in ("notrun", "disabled") or case.find("skipped") is not None:
        # ctest reports a program that could not be started as "notrun" too: that is no skip.
        message = (case.find("skipped").get("message") or "") if case.find("skipped") is not None else ""
        return "failed" if "Unable to find executable" in message else "skipped"
    return "failed"


def print_output(title, case):
    print(f"--- {title} {case.get('name')} ({case.get('time')} s)")
    print("\n".join((case.findtext("system-out") or "").splitlines()[-OUTPUT_LINES_MAX:]))


def read(reports):
    """The tests that count, and those of them that passed only the second time."""
    cases, unsteady = [], []
    for report in reports:
        if not report.exists() or report.name.endswith(".again.xml"):  # the former: an unmatched pattern of the shell
            continue
        again = report.with_name(report.stem + ".again.xml")
        second = {}
        if again.exists():
            second = {case.get("name"): case for case in xml.parse(again).getroot().iter("testcase")}
        for case in xml.parse(report).getroot().iter("testcase"):
            later = second.get(case.get("name"))
            if verdict(case) == "failed" and later is not None and verdict(later) == "passed":
                unsteady.append(case)
                case = later
            cases.append(case)
    return cases, unsteady


def details(cases, unsteady):
    reasons = {}
    for case in unsteady:
        print_output("UNSTEADY: failed beside other tests, passed without them:", case)
    for case in cases:
        kind = verdict(case)
        if kind == "failed":
            print_output("FAILED", case)
        elif kind == "skipped":
            reasons.setdefault(skip_reason(case), []).append(case.get("name"))
    for reason, names in sorted(reasons.items()):
        print(f"--- skipped: {reason}: {', '.join(names)}")
    slow = sorted(cases, key=lambda case: -float(case.get("time") or 0))[:5]
    print("    slowest: " + ", ".join(f"{c.get('name')} {float(c.get('time') or 0):.1f} s" for c in slow))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--details", action="store_true")
    parser.add_argument("--count-failed", action="store_true", help="print that number alone")
    parser.add_argument("--also-failed", type=int, default=0, help="failures that have no report")
    parser.add_argument("reports", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    cases, unsteady = read(args.reports)
    counts = {"passed": 0, "failed": args.also_failed, "skipped": 0}
    for case in cases:
        counts[verdict(case)] += 1
    if args.count_failed:
        print(counts["failed"])
        return 0
    if args.details:
        details(cases, unsteady)
    if not cases and not args.also_failed:
        print("no test ran", file=sys.stderr)
        counts["failed"] = 1
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    if unsteady:
        print(f"unsteady: {', '.join(case.get('name') for case in unsteady)}")
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    return 0 if args.details or counts["failed"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
