"""``python -m benchmarks``: measure, print Markdown, write results.json and results.png."""

import argparse
import json
import sys
import time
import traceback
from pathlib import Path

from benchmarks import goals, machine, picture, report

HERE = Path(__file__).parent


def main(arguments=None):
    """Returns 1 if a measurement failed, else 0; a goal that is missed is no failure."""
    options = _parse(arguments)
    directory = HERE / "build" if options.only else HERE
    directory.mkdir(exist_ok=True)
    path = directory / "results.json"
    if options.report:
        run = json.loads(path.read_text())
    else:
        run = _measure(options.only or list(report.SECTIONS), options.quick, path)
    run["verdicts"] = [verdict._asdict() for verdict in goals.judge_all(run["sections"])]
    path.write_text(json.dumps(run, indent=1) + "\n")
    picture.draw(run, path.with_suffix(".png"))
    text = report.markdown(run)
    print(text)
    if options.write_readme:
        report.write_readme(text)
    print()
    print("\n".join(report.misses(run)) or "Every goal is met.")
    print(f"\nWritten: {path} and {path.with_suffix('.png')}", file=sys.stderr)
    return int(any("failed" in result for result in run["sections"].values()))


def _parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats of shorter fits")
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=list(report.SECTIONS),
        help="one measurement (may be repeated), written into benchmarks/build/; "
        + ", ".join(report.SECTIONS),
    )
    parser.add_argument(
        "--report", action="store_true", help="measure nothing, report results.json again"
    )
    parser.add_argument(
        "--write-readme", action="store_true", help="put the tables into benchmarks/README.md"
    )
    options = parser.parse_args(arguments)
    if options.only and options.write_readme:
        parser.error("--write-readme wants a whole run, not --only")
    return options


def _measure(names, quick, path):
    """Run the measurements; what is done is on the disk before the next one starts."""
    run = {
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "quick": quick,
        "machine": machine.describe(),
        "sections": {},
    }
    for name in names:
        module, title = report.SECTIONS[name]
        print(f"{title} ...", file=sys.stderr, flush=True)
        begin = time.perf_counter()
        with machine.OtherPrograms() as others:
            result = _run_section(module, quick)
        seconds = time.perf_counter() - begin
        run["sections"][name] = {**result, "seconds": seconds, "others_cores": others.cores}
        print(f"  {seconds:.0f} s", file=sys.stderr, flush=True)
        path.write_text(json.dumps(run, indent=1) + "\n")
    return run


def _run_section(module, quick):
    """The measurement's result; if it raises, what it raised, so that the others still run."""
    try:
        return module.run(quick)
    except Exception as error:
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {(str(error).splitlines() or [''])[-1]}"}


if __name__ == "__main__":
    sys.exit(main())
