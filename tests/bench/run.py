"""`make bench`: every figure of every bench module, a JSON object a line, on stdout; progress on stderr.

Each `bench_*.py` beside this file has `run()`, which yields {name, value, unit} and, where they apply, reference (the
peer or ceiling measured in the same run), reference_value, ratio, target, met. Names of modules as arguments select;
`--table FILE` also writes them as the table of docs/figures.md.
"""

import argparse
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def main(arguments: list[str]) -> None:
    sys.path[:0] = [str(FOLDER.parent), str(FOLDER)]
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--table", type=Path)
    options = parser.parse_args(arguments)
    figures: list[dict[str, Any]] = []
    for path in sorted(FOLDER.glob("bench_*.py")):
        if options.names and path.stem.removeprefix("bench_") not in options.names:
            continue
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        started = time.monotonic()
        print(f"{path.stem} …", file=sys.stderr)
        for figure in module.run():
            print(json.dumps(figure, ensure_ascii=False), flush=True)
            figures.append(figure)
        print(f"{path.stem}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    if options.table is not None:
        options.table.write_text(as_table(figures), encoding="utf-8")


def as_table(figures: list[dict[str, Any]]) -> str:
    lines = ["| figure | value | reference | ratio | target |", "|---|---|---|---|---|"]
    for figure in figures:
        reference = f"{figure['reference']}: {figure['reference_value']:,}" if "reference" in figure else ""
        target = f"{figure['target']:g}: {'met' if figure['met'] else 'not met'}" if "target" in figure else ""
        value = f"{figure['value']:,} {figure['unit']}"
        lines.append(f"| {figure['name']} | {value} | {reference} | {figure.get('ratio', '')} | {target} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
