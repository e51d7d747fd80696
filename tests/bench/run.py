"""`make bench`: every figure of every bench module, a JSON object a line, on stdout; progress on stderr.

Each `bench_*.py` beside this file has `run()`, which yields {name, value, unit} and, where they apply, reference (the
peer or ceiling measured in the same run), reference_value, ratio, target, met. Names of modules as arguments select.
"""

import importlib.util
import json
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent


def main(selected: list[str]) -> None:
    sys.path[:0] = [str(FOLDER.parent), str(FOLDER)]
    for path in sorted(FOLDER.glob("bench_*.py")):
        if selected and path.stem.removeprefix("bench_") not in selected:
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
        print(f"{path.stem}: {time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
