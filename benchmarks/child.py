"""Measurements that need a process of their own: run one, read the JSON it prints last."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def measure(module, *arguments, **environment):
    """Run ``python -m module arguments`` from the repository's root and return its answer."""
    return _run(["-m", module, *map(str, arguments)], environment)


def measure_code(code, **environment):
    """Run ``python -c code`` from the repository's root and return its answer."""
    return _run(["-c", code], environment)


def _run(arguments, environment):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments[:4])}\n{done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])
