"""`satomori detect`: a row out for each row in, strictly causal, whatever the file looks like."""

import csv
import io
import json
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
    assert json.loads(result.output)[0]["left_out"] == "anomaly"
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
        ("", (), "a header line is expected"),
        ("2024-01-01 00:00,1.5\n2024-01-01 00:01,1.6\n", (), "the first line is a row already"),
        ("1,1.5\n2,1.6\n", (), "the first line is a row already"),
        ("time;a\n2024-01-01;1,5\n", (), "line 2: '1,5': numbers have a decimal point"),
        ('time,a\n2024-01-01,1\n2024-01-02,"1,100"\n', (), "line 3: '1,100': numbers have a decimal point"),
        ("time,a,a\n2024-01-01,1,2\n", ("--value-columns", "a"), "2 columns are called 'a'"),
        ("time,a\n2024-01-01,1\n", ("--value-columns", "a,a"), "names a column twice"),
        ("time,a\n2024-01-01,1\n", ("--time-column", "a", "--value-columns", "a"), "'a' is the time"),
        ("time,a\n2024-01-01,1\n", ("--delimiter", ",,"), "--delimiter is one character or `tab`"),
        ("time,a\n,1\n", (), "line 2: '' is not a time"),
        ("time,a\n03/09/2020 10:14,1\n", (), "or '' for a row a second"),
        ("time,a\n2024-01-01," + "1" * 200_000 + "\n", (), "line 2: field larger than field limit"),
        ("time,a\n2024-01-01,1\n", ("--value-columns", "b"), "no column 'b'; there are time, a"),
        ("time,a\n2024-01-01,x\n", (), "no column of numbers"),
        ("time,a\n2024-01-01,1\nnoon,2\n", (), "line 3: 'noon' is not a time"),
        ('time,a\n2024-01-01,1\n"broken\n', (), "line 3"),
        ("time,a\n2024-01-01,1\n", ("--detector", "magic"), "no detector 'magic'"),
        ("time,a\n2024-01-01,1\n", ("--detector", "residual"), "detector residual needs 2 columns"),
    ],
)
def test_a_wrong_file_is_said(tmp_path: Path, text: str, options: tuple[str, ...], message: str) -> None:
    source = tmp_path / "in.csv"
    source.write_text(text, encoding="utf-8")
    with pytest.raises(SatomoriError, match=re.escape(message)):
        run(source, tmp_path / "out.csv", *options)
    assert not (tmp_path / "out.csv").exists()


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
        ("2024-04-30T15:00:00.5Z", 1714489200_500_000),
        ("2024/05/01 00:00", 1714521600_000_000),
        ("2024/5/1 0:00", 1714521600_000_000),
        ("20240501", 1714521600_000_000),
        ("202405010000", 1714521600_000_000),
        ("20240501000000", 1714521600_000_000),
        ("1714489200", 1714489200_000_000),
        ("1714489200000", 1714489200_000_000),
        ("1714489200000000", 1714489200_000_000),
        ("1714489200000000000", 1714489200_000_000),
    ],
)
def test_times_as_files_have_them(text: str, expected_us: int) -> None:
    assert files._Clock(Path("x"), 0).read(2, [text]) == expected_us


def test_a_time_that_is_missing_or_goes_back_follows_the_row_before() -> None:
    clock = files._Clock(Path("x"), 1)
    assert [clock.read(2, row) for row in (["", "5"], ["", "5"], ["", ""], [""], ["", "4"], ["", "6"])] == [
        5_000_000, 5_000_001, 5_000_002, 5_000_003, 5_000_004, 6_000_000
    ]  # fmt: skip
    assert clock.retimed == 4


@pytest.mark.parametrize(
    ("head", "first", "columns", "time"),
    [
        ("datetime;p;anomaly;changepoint", "2020-03-09 10:14:33;1;0.0;0.0", "p", "datetime"),
        ("p,is anomaly,Label,Ground-Truth", "1,0,1,0", "p", "(a row a second)"),
        ("Date Time,T,RH", "2024-05-01 00:00,5,60", "T, RH", "Date Time"),
        ("p,when,note", "1,2024-05-01,on", "p", "when"),
        ("t,p", "0.5,1", "p", "t"),
        (",p", "0,1", "p", "(a row a second)"),
        ("time,Unix Time,p", "2024-05-01,1714521600,1", "Unix Time, p", "time"),
        ("time,epoch,p", "2024-05-01,1714521600,1", "p", "time"),
        ("date,time,p", "2024-05-01,10:00:00 PM,1", "p", "date"),
        ('"a;b";"c";d', "1;;NA", "a;b, c, d", "(a row a second)"),
        ("日時,水位", "2024-05-01 00:00,1", "水位", "日時"),
        ("time,0.1,0.3", "2024-05-01,1,2", "0.1, 0.3", "time"),
        ("time,p", "", "p", "time"),
    ],
)
def test_which_column_is_what(tmp_path: Path, head: str, first: str, columns: str, time: str) -> None:
    """By header and first row; what others judged, texts, row numbers and further times are no values. It is told."""
    source = tmp_path / "in.csv"
    source.write_text(f"{head}\n{first}\n", encoding="utf-8")
    [told] = json.loads(run(source, tmp_path / "out.csv", "--json").stdout)
    assert (told["columns"], told["time"], told["rows"]) == (columns, time, 1 if first else 0)
    assert set(told["left_out"].split(", ")).isdisjoint(columns.split(", "))


def test_what_a_user_names_is_no_guessed_time(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("t,time\n5,2024-05-01\n", encoding="utf-8")
    told = run(tmp_path / "in.csv", tmp_path / "out.csv", "--value-columns", "t,time").stdout
    assert "(a row a second)" in told
    told = run(tmp_path / "in.csv", tmp_path / "out.csv", "--value-columns", "t", "--time-column", "").stdout
    assert "(a row a second)" in told


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    """As spreadsheets save them; blank lines are no rows, a quoted cell may hold a line's end."""
    rows = [f'2024/5/{day} 0:00,"ポンプ\n室",{day}' for day in range(1, 30)]
    text = end.join(["", "日時,注記,水位", rows[0], "", *rows[1:], ""])
    (tmp_path / "in.csv").write_bytes(text.encode(encoding))
    result = run(tmp_path / "in.csv", tmp_path / "out.csv", "--value-columns", "水位", "--json")
    assert json.loads(result.stdout)[0]["left_out"] == "注記"
    assert len(rows_of(tmp_path / "out.csv")) == 29


def test_standard_input_and_output(tmp_path: Path) -> None:
    text = recording(30, 1)
    (tmp_path / "in.csv").write_text(text, encoding="utf-8")
    run(tmp_path / "in.csv", tmp_path / "out.csv")
    result = CliRunner().invoke(detect, ["--input", "-", "--output", "-"], input=text, catch_exceptions=False)
    assert result.stdout == (tmp_path / "out.csv").read_text(encoding="utf-8")


def test_the_recording_itself_is_no_output(tmp_path: Path) -> None:
    source, link = tmp_path / "in.csv", tmp_path / "link.csv"
    text = recording(30, 1)
    source.write_text(text, encoding="utf-8")
    link.symlink_to(source)
    for target in (source, link):
        with pytest.raises(SettingsError, match="is the recording itself"):
            run(source, target)
    assert source.read_text(encoding="utf-8") == text
    with pytest.raises(SettingsError, match="No such file or directory"):
        run(source, tmp_path / "nowhere" / "out.csv")


def test_a_failure_half_way_leaves_no_scores(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(recording(6000, 1) + "noon,1\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="line 6002: 'noon' is not a time"):
        run(tmp_path / "in.csv", tmp_path / "out.csv", "--detector", "stuck")
    assert not (tmp_path / "out.csv").exists()


def test_missing_and_absurd_values_are_missing_and_counted(tmp_path: Path) -> None:
    """Fill values too; a column without any number, and a file too short to judge, are said."""
    cells = ["5", "", "nan", "inf", "-inf", "1e300", "9.96921e36", "N/A", "on", "6"]
    rows = "".join(f"{i},{cell},off\n" for i, cell in enumerate(cells))
    (tmp_path / "in.csv").write_text("t,a,b\n" + rows, encoding="utf-8")
    result = run(tmp_path / "in.csv", tmp_path / "out.csv", "--value-columns", "a,b", "--json")
    assert json.loads(result.stdout)[0]["missing"] == 18
    assert "no number in any row of 'b'" in result.stderr
    assert "too short: the first 400 rows are learned from only" in result.stderr
    assert all(np.isfinite(score) for score, _ in rows_of(tmp_path / "out.csv"))


@pytest.mark.parametrize("channels", [1, 2])
def test_a_value_that_never_moves_and_none_at_all(tmp_path: Path, channels: int) -> None:
    for cell in ("5", ""):
        rows = "".join(f"{i}" + f",{cell}" * channels + "\n" for i in range(120))
        names = [f"v{i}" for i in range(channels)]
        (tmp_path / "in.csv").write_text(",".join(["t", *names]) + "\n" + rows, encoding="utf-8")
        run(tmp_path / "in.csv", tmp_path / "out.csv", "--train-rows", "20")
        assert not any(alarm for _, alarm in rows_of(tmp_path / "out.csv"))


def test_days_begin_where_the_file_says(tmp_path: Path) -> None:
    """By the zone of its first time; one series, several, or a district's: all learn the day's hours."""
    for zone, expected_s in (("+09:00", 9 * 3600), ("", 0), ("-03:30", -12600)):
        rows = "".join(f"2024/5/{day} 0:00{zone},{day},1\n" for day in range(1, 5))
        (tmp_path / "in.csv").write_text("time,a,inflow\n" + rows, encoding="utf-8")
        wanted = files.Wanted(inflow_first=True)
        told: list[int] = []
        layout = files.score_file(
            tmp_path / "in.csv",
            tmp_path / "out.csv",
            wanted,
            lambda layout: files.build_detector("stuck", layout, None),
            told.append,
        ).layout
        assert (layout.utc_offset_s, layout.value_names, told) == (expected_s, ["inflow", "a"], [4])
        for name in ("univariate", "multichannel", "leak"):
            assert vars(files.build_detector(name, layout, None))["utc_offset_s"] == expected_s
