"""`satomori playbook check`: every mistake of a municipality's file at once, each with its place and what to do."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from satomori_analytics import forecasts
from satomori_analytics.cli import playbook
from satomori_analytics.playbook import FORECAST_OPTIONS, FORECASTS
from satomori_analytics.playbook_faults import read_document
from satomori_analytics.playbook_files import load_playbooks, read_files, read_folder, shipped
from satomori_core.classes import classes
from satomori_core.errors import SettingsError

NAMES = "ja='暑い'\nen='hot'\n"
TEXTS = f"source='s'\n{NAMES}advice_ja='冷やす'\nadvice_en='cool'\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(folder: Path, text: str, class_: str = "cattle_barn") -> list[tuple[str, str, str]]:
    """(table, key, text) of each fault of a file laid over ours."""
    (laid,) = read_files([write(folder / f"{class_}.toml", text)])
    assert (laid.playbook is None) == bool(laid.faults)
    assert all(fault.file.endswith(f"{class_}.toml") for fault in laid.faults)
    return [(fault.table, fault.key, fault.text) for fault in laid.faults]


@pytest.mark.parametrize("class_", classes())
def test_our_own_playbook_of_each_class_is_without_a_fault(class_: str) -> None:
    """And says of each threshold in which unit it is, so that an override can be held against it."""
    laid = shipped()[class_]
    assert laid.faults == ()
    assert laid.playbook is not None
    assert laid.playbook.people_ja
    assert all(limit.unit for limit in laid.playbook.limit.values())


@pytest.mark.parametrize(
    ("text", "table", "key", "said"),
    [
        ("[metric.amonia]\ngap_factor=3\n", "[metric.amonia]", "", "unknown metric amonia; did you mean 'ammonia'?"),
        ("[limit.x]\non='thii'\nhigh=3\nlevel='watch'\n" + TEXTS, "[limit.x]", "on", "did you mean 'thi'?"),
        ("[watch.x]\ndetector='seasonl'\non=['ammonia']\nlevel='watch'\n" + TEXTS, "[watch.x]", "",
         "no detector 'seasonl'; there are limit"),
        ("[watch.x]\ndetector='univariate'\non=['thi']\nlevel='watch'\n" + TEXTS, "[watch.x]", "on",
         "unknown metric thi"),
        ("[watch.x]\ndetector='univariate'\noptions={lim=3}\non=['ammonia']\nlevel='watch'\n" + TEXTS, "[watch.x]", "",
         "no option lim; it has"),
        ("[watch.x]\ndetector='residual'\nleast=2\non=['ammonia']\nlevel='watch'\n" + TEXTS, "[watch.x]", "least",
         "2 of 1 channels"),
        ("[derived.thi]\nindicator='thj'\n", "[derived.thi]", "", "no indicator 'thj'; did you mean 'thi'?"),
        ("[derived.thi.inputs]\nrh='humidity'\n", "[derived.thi]", "inputs", "unknown metric humidity"),
        ("[derived.thi.inputs]\nrh='ammonia'\n", "[derived.thi]", "inputs", "unit mismatch: rh takes %, but ammonia"),
        ("[derived.thi]\nunit='Cel'\n", "[derived.thi]", "unit", "unit mismatch: thi gives 1, not Cel"),
        ("[derived.thi]\noptions={wind=3}\n", "[derived.thi]", "", "indicator thi takes t_c, rh, not"),
        ("[derived.thi]\naggregates={wind='sum'}\n", "[derived.thi]", "", "aggregates: arguments of inputs, not wind"),
        ("[limit.thi_watch]\nfor_s=7201\n", "[limit.thi_watch]", "for_s", "never seen: [derived.thi] reads 7200 s"),
        ("[limit.ammonia_watch]\nunit='%'\n", "[limit.ammonia_watch]", "unit",
         "unit mismatch: ammonia is in [ppm], not %: convert"),
        ("[limit.thi_watch]\nunit='Cel'\n", "[limit.thi_watch]", "unit", "unit mismatch: thi is in 1, not Cel"),
        ("[limit.ammonia_warning]\nhigh=2000\nsource='s'\n", "[limit.ammonia_warning]", "high",
         "outside of what ammonia can be, 0 to 200 [ppm]"),
        ("[limit.ammonia_watch]\nhigh=inf\nsource='s'\n", "[limit.ammonia_watch]", "high", "is never reached"),
        ("[limit.thi_watch]\nhigh=80\nsource='s'\n", "[limit.thi_watch]", "high",
         "levels out of order: warning 79 of [limit.thi_warning] has to lie above watch 80 of [limit.thi_watch]"),
        ("[limit.thi_danger]\nhigh=75\nsource='s'\n", "[limit.thi_danger]", "high",
         "danger 75 of [limit.thi_danger] has to lie above warning 79"),
        ("[limit.x]\non='thi'\nhigh=85\nlevel='warning'\n" + TEXTS, "[limit.x]", "level",
         "is warning as [limit.thi_warning] is"),
        ("[limit.thi_watch]\nadvice_en=' '\n", "[limit.thi_watch]", "advice_en", "is missing or empty"),
        ("[limit.thi_watch]\nadvice_ja='cool them'\n", "[limit.thi_watch]", "advice_ja", "holds no Japanese"),
        ("[limit.thi_watch]\nadvice_en='冷やす'\n", "[limit.thi_watch]", "advice_en", "holds no English"),
        ("[limit.thi_watch]\nsource=''\n", "[limit.thi_watch]", "source", "name the source"),
        ("[limit.thi_watch]\nhigh=70\n", "[limit.thi_watch]", "high", "add your own `source`"),
        ("[limit.thi_wach]\nhigh=70\n", "[limit.thi_wach]", "", "none below to override; did you mean 'thi_watch'?"),
        ("[limit.thi_watch]\nhihg=70\n", "[limit.thi_watch]", "", "unknown key 'hihg'; did you mean 'high'?"),
        ("[limit.thi_watch]\nlevel='severe'\n", "[limit.thi_watch]", "level", "severe"),
        ("[limit.thi_watch]\nlow=3\nsource='s'\n", "[limit.thi_watch]", "", "disable it and add another"),
        ("[limit.thi_watch]\nmonths=[0]\n", "[limit.thi_watch]", "months", "1 to 12"),
        ("[limits.thi_watch]\nhigh=70\n", "", "limits", "unknown table or key; did you mean 'limit'?"),
        ("limit=3\n", "[limit]", "", "nothing but tables [limit.<name>]"),
        ("[sensor]\nspikes='three'\n", "[sensor]", "spikes", "not a whole number"),
        ("people_en=''\n", "", "people_en", "is missing or empty"),
        ("= 3", "", "", "not valid TOML"),
        ("[limit.thi_watch]\nhigh = ７０\n", "", "", "(at line 2, column 8): high = ７０"),
        ("[limit.thi_watch]\nhigh=70\n[limit.thi_watch]\n", "", "", "twice (at line 3, column 17): [limit.thi_watch]"),
        ("[limit.thi_watch]\nlevel=2\n", "[limit.thi_watch]", "level", "2 is none of watch, warning, danger"),
        ("[limit.thi_watch]\nfor_s=-5\n", "[limit.thi_watch]", "for_s", "-5 can't be: write a number"),
        ("[limit.thi_watch]\nfor_s=inf\n", "[limit.thi_watch]", "for_s", "inf can't be"),
        ("[limit.ammonia_watch]\nhysteresis=nan\n", "[limit.ammonia_watch]", "hysteresis", "nan can't be"),
        ("[limit.ammonia_watch]\nhysteresis=500\n", "[limit.ammonia_watch]", "hysteresis", "never lets it end"),
        ("[limit.thi_watch]\nmonths=[[1]]\n", "[limit.thi_watch]", "months[0]", "[1] is not a whole number"),
        ("[limit.thi_watch]\nmonths=7\n", "[limit.thi_watch]", "months", "a list is expected, not 7"),
        ("[limit.thi_watch]\nunit=1\n", "[limit.thi_watch]", "unit", "1 is not text"),
        ("[limit.thi_watch]\nsource=2024\n", "[limit.thi_watch]", "source", "2024 is not text"),
        ("people_ja=3\n", "", "people_ja", "3 is not text"),
        ("[metric.ammonia]\nspike={suspect=50,fail=10}\n", "[metric.ammonia]", "spike fail", "before suspect's 50"),
        ("[metric.ammonia]\nspike={suspect=-5,fail=10}\n", "[metric.ammonia]", "spike suspect", "more than 0"),
        ("[metric.ammonia]\nspike=5\n", "[metric.ammonia]", "spike", "a table is expected, not 5"),
        ("[metric.ammonia]\nflat={suspect_s=9,fail_s=8}\n", "[metric.ammonia]", "flat fail_s", "suspect_s's 9"),
        ("[metric.ammonia]\ngap_factor=0\n", "[metric.ammonia]", "gap_factor", "more than 0"),
        ("[sensor]\nsilent_factor=-1\n", "[sensor]", "silent_factor", "more than 0"),
        ("[derived.thi.inputs]\nrh='thi'\n", "[derived.thi]", "inputs", "thi is derived itself: inputs are metrics"),
        ("[derived.thi]\nhistory_s=-5\n", "[derived.thi]", "history_s", "more than 0"),
        ("[derived.thi]\noptions={rh=50}\n", "[derived.thi]", "options", "rh is an input too"),
        ("[derived.ammonia]\nindicator='rolling_mean'\ninputs={values='ammonia'}\noptions={window_s=60}\nunit='[ppm]'\n"
         + NAMES, "[derived.ammonia]", "", "ammonia is a metric already"),
        ("[derived.x]\nindicator='rolling_mean'\ninputs={values='ammonia'}\noptions={window_s=-6}\nunit='[ppm]'\n"
         + NAMES, "[derived.x]", "options", "window_s -6 is outside 0 to inf [s]"),
        ("[watch.x]\ndetector='univariate'\non='ammonia'\nlevel='watch'\n" + TEXTS, "[watch.x]", "on",
         "a list is expected, not 'ammonia'"),
        ("[watch.x]\ndetector='univariate'\non=[]\nlevel='watch'\n" + TEXTS, "[watch.x]", "on", "names no metric"),
        ("[watch.x]\ndetector='multichannel'\non=['ammonia','ammonia']\nlevel='watch'\n" + TEXTS, "[watch.x]", "on",
         "names ammonia twice"),
        ("[watch.x]\ndetector='univariate'\noptions={false_alarms_per_month=0}\non=['ammonia']\nlevel='watch'\n"
         + TEXTS, "[watch.x]", "", "false_alarms_per_month is 0: expected more than 0"),
        ("[watch.x]\ndetector='multichannel'\noptions={window=0.3}\non=['ammonia']\nlevel='watch'\n" + TEXTS,
         "[watch.x]", "", "window is 0.3: expected a whole number"),
        ("[watch.x]\ndetector='multichannel'\noptions={learn_rows=3}\non=['ammonia']\nlevel='watch'\n" + TEXTS,
         "[watch.x]", "", "learn_rows is 3: expected twice the window (10) or more"),
        ("[watch.x]\ndetector='univariate'\nleast=0\non=['ammonia']\nlevel='watch'\n" + TEXTS, "[watch.x]", "least",
         "more than 0"),
        ("[watch.x]\ndetector='residual'\non=['ammonia','co2']\nlevel='watch'\n" + TEXTS, "[watch.x]", "least",
         "detector residual needs 2 channels: write least = 2"),
        ("[forecast.heat]\nmonths=[13]\n", "[forecast.heat]", "months", "1 to 12"),
        ("[forecast.heat]\noptions={wether_error_thi=3}\nsource='s'\n", "[forecast.heat]", "options",
         "did you mean 'weather_error_thi'?"),
        ("[evidence.ammonia]\nleast=-3\nsource='s'\n", "[evidence.ammonia]", "least", "more than 0"),
        ("[evidence.ammonia]\nleast=3\nsource='s'\npartners='ammonia'\n", "[evidence.ammonia]", "partners",
         "a list is expected"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, table: str, key: str, said: str) -> None:
    """One mistake is one fault, and nothing else of the file is blamed for it."""
    ((found_table, found_key, found_text),) = faults_of(tmp_path, text)
    assert (found_table, found_key) == (table, key)
    assert said in found_text


def test_options_of_forecasts_are_those_that_they_read() -> None:
    folder = Path(forecasts.__file__).parent
    read = {
        name for path in folder.glob("*.py") for name in re.findall(r'options\.get\("(\w+)"', path.read_text("utf-8"))
    }
    assert read == set().union(*FORECAST_OPTIONS.values())
    assert set(FORECAST_OPTIONS) == set(FORECASTS)


def test_a_byte_order_mark_is_no_mistake_and_other_encodings_are_said(tmp_path: Path) -> None:
    path = tmp_path / "cattle_barn.toml"
    text = "[limit.thi_watch]\nadvice_ja = '冷やす'\n"
    path.write_bytes(text.encode("utf-8-sig"))
    assert read_files([path])[0].faults == ()
    path.write_bytes(text.encode("cp932"))
    assert "save it as UTF-8" in read_files([path])[0].faults[0].text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cattle_barn.yaml", "call it cattle_barn.toml"),
        ("cattle_barn.TOML", "call it cattle_barn.toml"),
        ("aoba/cattle_barn.toml.txt", "call it cattle_barn.toml"),
        ("aoba/south/cattle_barn.toml", "move it up"),
    ],
)
def test_a_file_that_would_not_be_read_is_told(tmp_path: Path, name: str, said: str) -> None:
    """By the folder or by itself; notes that lie beside playbooks are left alone."""
    path = write(tmp_path / name, "")
    write(tmp_path / "README.md", "")
    write(tmp_path / "cattle_barn.toml", "")
    assert [fault.text for laid in read_folder(tmp_path) for fault in laid.faults] == [f"is not read: {said}"]
    if "call" in said:
        assert [fault.text for laid in read_files([path]) for fault in laid.faults] == [f"is not read: {said}"]


def test_a_folder_without_playbooks_is_told(tmp_path: Path) -> None:
    assert "no playbook there" in str(CliRunner().invoke(playbook, ["check", str(tmp_path)]).exception)


def test_low_limits_rise_downwards(tmp_path: Path) -> None:
    ((table, key, text),) = faults_of(tmp_path, "[limit.cold_warning]\nlow = 0\nsource = 's'\n", "greenhouse")
    assert (table, key) == ("[limit.cold_warning]", "low")
    assert "danger 1 of [limit.cold_danger] has to lie below warning 0" in text


def test_a_class_that_is_not_known_is_told(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, "", "cattle_bran")
    assert "unknown asset class 'cattle_bran'; did you mean 'cattle_barn'?" in fault[2]
    with pytest.raises(SettingsError, match="unknown asset class"):
        load_playbooks(tmp_path)


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """Those for everybody, and those of a municipality that lie over them; what lies below is told once, not twice."""
    write(tmp_path / "cattle_barn.toml", "[limit.thi_watch]\nhigh = 70\nadvice_en = ''\n[metric.amonia]\n")
    write(tmp_path / "aoba" / "cattle_barn.toml", "[limit.thi_danger]\nlevel = 'severe'\n")
    write(tmp_path / "aoba" / "tunel.toml", "")
    laid = read_folder(tmp_path)
    told = {(Path(each.file).relative_to(tmp_path).as_posix(), f.table, f.key) for each in laid for f in each.faults}
    assert told == {
        ("cattle_barn.toml", "[metric.amonia]", ""),
        ("cattle_barn.toml", "[limit.thi_watch]", "high"),
        ("cattle_barn.toml", "[limit.thi_watch]", "advice_en"),
        ("aoba/cattle_barn.toml", "[limit.thi_danger]", "level"),
        ("aoba/tunel.toml", "", ""),
    }
    with pytest.raises(SettingsError) as caught:
        load_playbooks(tmp_path)
    assert len(str(caught.value).splitlines()) == len(told)


def test_a_file_of_a_municipality_lies_over_the_one_for_everybody(tmp_path: Path) -> None:
    """Checked alone it is checked as it will be laid: 71 is in order over theirs, and out of order over ours."""
    write(tmp_path / "cattle_barn.toml", "[limit.thi_watch]\nhigh = 70\nsource = 'our vet'\n")
    own = write(tmp_path / "aoba" / "cattle_barn.toml", "[limit.thi_warning]\nhigh = 71\nsource = 'their vet'\n")
    (laid,) = read_files([own])
    assert laid.faults == ()
    assert laid.municipality == "aoba"
    ((_, key, text),) = faults_of(tmp_path / "elsewhere" / "alone", own.read_text("utf-8"))
    assert (key, text.split(":")[0]) == ("high", "levels out of order")


def test_a_new_limit_and_a_disabled_one_are_in_order(tmp_path: Path) -> None:
    """A second warning is no mistake where the first is off; an unchanged threshold keeps its source."""
    text = "[limit.thi_warning]\nenabled = false\nhigh = 79\n[limit.own]\non = 'thi'\nhigh = 80\nlevel = 'warning'\n"
    assert faults_of(tmp_path, text + TEXTS) == []


def test_a_playbook_without_advice_in_a_language_is_not_read() -> None:
    """Of ours too: nothing is below them that could lend it."""
    document = json.loads(json.dumps(shipped()["bridge"].document))
    del document["limit"]["crack_watch"]["advice_en"]
    made, faults = read_document(document, {}, {}, "bridge.toml")
    assert made is None
    assert [str(fault) for fault in faults] == [
        "bridge.toml: [limit.crack_watch] advice_en: the key 'advice_en' is missing"
    ]


def test_the_command_ends_with_status_2_and_tells_all(tmp_path: Path) -> None:
    wrong = write(tmp_path / "cattle_barn.toml", "[limit.thi_watch]\nhigh = 95\nadvice_ja = ''\n")
    seen = CliRunner().invoke(playbook, ["check", str(wrong)])
    assert isinstance(seen.exception, SettingsError)  # the program ends with 2 for it
    assert "mistakes in playbooks: 3" in str(seen.exception)
    told = CliRunner().invoke(playbook, ["check", "--json", str(tmp_path)])
    assert told.exit_code == 2
    assert {row["key"] for row in json.loads(told.stdout)} == {"high", "advice_ja"}


def test_the_command_shows_what_it_checked_and_what_stands(tmp_path: Path) -> None:
    own = write(tmp_path / "cattle_barn.toml", "[limit.thi_watch]\nhigh = 70\nsource = 'our vet'\n")
    checked = CliRunner().invoke(playbook, ["check", str(own), "--json"])
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)[0]["class"] == "cattle_barn"
    ours = CliRunner().invoke(playbook, ["check", "--json"])
    assert {row["class"] for row in json.loads(ours.stdout)} == set(classes())
    config = write(tmp_path / "satomori.toml", f"[analytics]\nplaybooks_dir = '{tmp_path}/own'\n")
    own.rename(write(tmp_path / "own" / "cattle_barn.toml", ""))
    shown = CliRunner().invoke(playbook, ["show", "cattle_barn", "--json", "--config", str(config)])
    rows = {row["table"]: row for row in json.loads(shown.stdout)}
    assert (rows["limit.thi_watch"]["high"], rows["limit.thi_watch"]["source"]) == (70, "our vet")
    assert rows["limit.thi_warning"]["advice_ja"]
    table = CliRunner().invoke(playbook, ["show", "bridge"])
    assert "watch.frequency_shift" in table.stdout
    pond = json.loads(CliRunner().invoke(playbook, ["show", "irrigation_pond", "--json"]).stdout, parse_constant=str)
    assert {row["low"] for row in pond if row["table"] == "limit.level_low"} == {None}
    listed = CliRunner().invoke(playbook, ["show", "--json"])
    assert {row["class"]: row["ja"] for row in json.loads(listed.stdout)} == {c.id: c.ja for c in classes().values()}
    assert isinstance(CliRunner().invoke(playbook, ["show", "brigde"]).exception, SettingsError)


def test_the_example_of_the_readme_is_in_order(tmp_path: Path) -> None:
    """What a municipality copies from there runs, and its first level comes earlier than ours."""
    readme = (Path(__file__).parents[2] / "analytics" / "README.md").read_text(encoding="utf-8")
    start = readme.index("    [limit.thi_watch]")
    example = readme[start : readme.index("`satomori playbook check` (and", start)]
    assert faults_of(tmp_path, "\n".join(line.removeprefix("    ") for line in example.splitlines())) == []
    found = load_playbooks(tmp_path).general["cattle_barn"]
    assert (found.limit["thi_watch"].high, found.limit["ammonia_watch"].enabled) == (68, False)
    assert found.limit["barn_cold"].low == -5
