"""`satomori detect`: a row out for each row in, strictly causal, whatever the file looks like."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from satomori_analytics import files
from satomori_analytics.cli import detect
from satomori_core.errors import SatomoriError, SettingsError


def run(source: Path, target: Path, *options: str) -> Result:
    return CliRunner().invoke(
        detect, ["--input", str(source), "--output", str(target), *options], catch_exceptions=False
    )


def rows_of(path: Path) -> list[tuple[float, int]]:
    with path.open(encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        assert reader.fieldnames == ["score", "alarm"]
        return [(float(row["score"]), int(row["alarm"])) for row in reader]


def recording(count: int, channels: int, delimiter: str = ",", *, label: bool = False) -> str:
    rng = np.random.default_rng(7)
    out = io.StringIO()
    names = [f"v{i}" for i in range(channels)] + (["anomaly"] if label else [])
    out.write(delimiter.join(["timestamp", *names]) + "\n")
    for i, row in enumerate(rng.normal(0, 1, (count, channels))):
        values = [f"{v + (8 if i > count * 0.8 else 0):.4f}" for v in row] + (["1"] if label else [])
        out.write(delimiter.join([f"2024-05-01 {i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}", *values]) + "\n")
    return out.getvalue()


@pytest.mark.parametrize(("channels", "delimiter"), [(1, ","), (8, ";"), (3, "\t")])
def test_a_row_out_for_each_row_in(tmp_path: Path, channels: int, delimiter: str) -> None:
    """Delimiter and columns are found; scores are 0 to 1; the jump is found; labels are not read."""
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(recording(900, channels, delimiter, label=True), encoding="utf-8")
    result = run(source, target, "--train-rows", "300", "--json")
    assert result.exit_code == 0
    assert "anomaly" not in result.output
    scores = rows_of(target)
    assert len(scores) == 900
    assert all(0 <= score <= 1 and alarm in {0, 1} for score, alarm in scores)
    assert any(alarm for _, alarm in scores[720:])
    assert sum(alarm for _, alarm in scores[:720]) < 36


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 699), st.sampled_from([1, 3]), st.integers(0, 3))
def test_scores_do_not_change_when_later_rows_are_cut_off(tmp_path: Path, cut: int, channels: int, odd: int) -> None:
    """The file's causality, with holes, repeated times and a last line without its end."""
    lines = recording(700, channels).splitlines()
    lines[200] = lines[200].split(",")[0] + "," * channels
    lines[300] = lines[299]
    whole, part = tmp_path / "whole.csv", tmp_path / "part.csv"
    whole.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.write_text("\n".join(lines[: cut + 1]) + "\n" * (odd % 2), encoding="utf-8")
    options = ("--train-rows", "100", "--value-columns", ",".join(f"v{i}" for i in range(channels)))
    run(whole, tmp_path / "a.csv", *options)
    run(part, tmp_path / "b.csv", *options)
    assert rows_of(tmp_path / "b.csv") == rows_of(tmp_path / "a.csv")[:cut]


@pytest.mark.parametrize("name", ["stuck", "silent", "limit", "residual", "univariate"])
def test_any_detector_by_name(tmp_path: Path, name: str) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(recording(200, 2), encoding="utf-8")
    assert run(source, target, "--detector", name).exit_code == 0
    assert len(rows_of(target)) == 200


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", (), "a header line and at least one row"),
        ("time,a\n2024-01-01,1\n", ("--value-columns", "b"), "no column 'b'; there are time, a"),
        ("time,a\n2024-01-01,x\n", (), "no column of numbers"),
        ("time,a\n2024-01-01,1\nnoon,2\n", (), "line 3: 'noon' is not a time"),
        ('time,a\n2024-01-01,1\n"broken\n', (), "line 3"),
        ("time,a\n2024-01-01,1\n", ("--detector", "magic"), "no detector 'magic'"),
    ],
)
def test_a_wrong_file_is_said(tmp_path: Path, text: str, options: tuple[str, ...], message: str) -> None:
    source = tmp_path / "in.csv"
    source.write_text(text, encoding="utf-8")
    with pytest.raises(SatomoriError, match=re.escape(message)):
        run(source, tmp_path / "out.csv", *options)


def test_a_missing_file_and_bytes_are_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.csv"):
        run(tmp_path / "nowhere.csv", tmp_path / "out.csv")
    (tmp_path / "in.csv").write_bytes(b"\xff\xfe\x00\x01" * 50)
    with pytest.raises(SettingsError, match="UTF-8"):
        run(tmp_path / "in.csv", tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("text", "expected_us"),
    [
        ("2024-05-01T00:00:00+09:00", 1714489200_000_000),
        ("2024/05/01 00:00", 1714521600_000_000),
        ("1714489200", 1714489200_000_000),
        ("1714489200000", 1714489200_000_000),
        ("1714489200000000", 1714489200_000_000),
    ],
)
def test_times_as_files_have_them(text: str, expected_us: int) -> None:
    assert files._parse_time(Path("x"), 2, text) == expected_us
