"""The console as people meet it: a real Chromium, a real `satomori api` on a seeded state, phone and desk."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, StorageState, expect

from satomori_analytics.triage.events import Looker
from satomori_api.accounts import Accounts
from satomori_core.clock import SECOND_US, now_us
from satomori_core.commands import Outcome, Reply
from satomori_store.commands import take_reply, take_steps
from satomori_store.opening import open_registry, open_store
from satomori_store.transactions import transaction
from support.chromium import SCREENS, TILES, Complaints, chromium, need_chromium, open_context
from support.console_region import seed
from support.patience import PATIENCE_S
from support.ports import free_ports
from support.screenshots import SIZE_MOST, take, use_link

pytestmark = pytest.mark.browser
PASSWORD = "the herons are back"  # noqa: S105 - of a user that lives as long as this test
PAGES = {
    "region": "/",
    "assets": "/assets",
    "asset": "/asset/bridge-aoba",
    "asset-without-news": "/asset/sewer-mitsu",
    "asset-operated": "/asset/pond-oike",
    "condition": "/condition",
    "alerts": "/alerts",
    "alerts-resolved": "/alerts?state=resolved",
    "look": "/look",
    "devices": "/devices",
}
# A transparent PNG of one pixel, for a tile.
TILE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364f80f00010501012718e3660000"
    "000049454e44ae426082"
)


@dataclass(frozen=True)
class Running:
    base: str
    state: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    need_chromium()
    folder = tmp_path_factory.mktemp("console")
    state = folder / "state"
    state.mkdir()
    seed(state, time.time_ns() // 1000)
    (port,) = free_ports(1)
    config = folder / "satomori.toml"
    config.write_text("[console]\nrefresh_s = 1.0\n", encoding="utf-8")
    command = [sys.executable, "-m", "satomori_core", "api", "--state", str(state), "--config", str(config)]
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log, cwd=folder)
        try:
            wait_until_it_answers(f"http://127.0.0.1:{port}/login", process, folder / "api.log")
            yield Running(f"http://127.0.0.1:{port}", state)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
    said = (folder / "api.log").read_text(encoding="utf-8")
    assert "Traceback" not in said, said[-3000:]


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(encoding="utf-8")[-3000:]
        try:
            httpx.get(url, timeout=2)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(log.read_text(encoding="utf-8")[-3000:])


@pytest.fixture(scope="module")
def browser(running: Running) -> Iterator[Browser]:
    del running  # it has looked for Chromium already
    with chromium(need_chromium()) as opened:
        yield opened


@pytest.fixture(scope="module")
def logged_in(running: Running, browser: Browser) -> StorageState:
    """The first start's one-time link leads to the region page, once."""
    link = (running.state / "first-login.txt").read_text(encoding="utf-8").strip()
    with open_context(browser, "phone") as context:
        page = context.new_page()
        page.goto(link)
        use_link(page, PASSWORD)
        expect(page.locator("h1")).to_have_text("地域のいま")
        assert page.goto(link)
        expect(page.locator("form input[name=repeated]")).to_have_count(0)
        return context.storage_state()


@pytest.fixture
def desk(running: Running, browser: Browser, logged_in: StorageState) -> Iterator[BrowserContext]:
    with open_context(browser, "desk", storage_state=logged_in, base_url=running.base) as context:
        yield context


def look(context: BrowserContext, path: str) -> Page:
    """The page, when its first figures are there and its socket is connected."""
    page = context.new_page()
    page.goto(path)
    page.wait_for_selector("main.page")
    page.wait_for_function("() => window.socket && window.socket.connected")
    expect(page.locator("main .bone")).to_have_count(0)
    return page


def test_after_an_earthquake_the_page_says_where_to_look_and_who_has(running: Running, desk: BrowserContext) -> None:
    """Told by the form, ordered by analytics, checked off by one, seen so by another page, and taken back."""
    page = look(desk, "/look")
    page.locator("details.card summary").first.click()
    form = page.locator("form.look-form").first
    form.locator(".map.leaflet-container").click(position={"x": 120, "y": 90})
    form.locator("#look-magnitude").fill("7.9")
    expect(form.locator(".epicentre")).to_have_count(1)
    expect(form.locator("#look-latitude")).not_to_have_value("")
    form.locator("#look-note-earthquake").fill("県道は通行止め")
    form.locator("button[type=submit]").dblclick()
    page.wait_for_url("**/look?event=*")
    expect(page.locator("p.notice[role=status]")).to_have_text(["県道は通行止め", "順番を計算しています。"])
    told = page.locator(".rows[aria-label='これまでの地震・大雨'] li")
    expect(told.filter(has_text="earthquake-")).to_have_count(1)
    order(running)
    first = page.locator("li.look-place").first
    expect(first).to_contain_text("1. ", timeout=PATIENCE_S * 1000)
    pins = page.locator(".card > .map .order-pin")
    expect(pins.filter(has_text=re.compile("^1$"))).to_have_count(1)
    other = look(desk, page.url)
    first.get_by_role("button", name="異常なし").click()
    expect(other.locator("li.look-place").first).to_contain_text("に確認: 異常なし", timeout=PATIENCE_S * 1000)
    expect(pins.filter(has_text="✓")).to_have_count(1)
    expect(pins.filter(has_text=re.compile("^1$"))).to_have_count(0)
    expect(other.locator("li.look-place").first.get_by_role("button", name="要対応")).to_have_count(0)
    other.locator("li.look-place").first.get_by_role("button", name="取り消す").click()
    first.get_by_role("button", name="要対応").click(timeout=PATIENCE_S * 1000)
    page.locator("#alert-note").fill("支承にひび")
    page.get_by_role("button", name="記録する").click()
    expect(other.locator("li.look-place").first).to_contain_text("支承にひび", timeout=PATIENCE_S * 1000)


def test_a_flood_is_told_by_the_level_of_the_river(running: Running, desk: BrowserContext) -> None:
    page = look(desk, "/look")
    page.locator("details.card summary", has_text="洪水").click()
    page.locator("#look-river-aoba").fill("3")
    page.locator("form.look-form").last.locator("button[type=submit]").click()
    page.wait_for_url("**/look?event=storm-*")
    order(running)
    expect(page.locator(".rows[aria-label='これまでの地震・大雨'] a[aria-current]")).to_contain_text(
        "河川水位レベル3（青葉町）（管理者）", timeout=PATIENCE_S * 1000
    )
    expect(page.locator("li.look-place").first).to_contain_text("1. 青葉橋")


def order(running: Running) -> None:
    """As the analytics would: one event waits."""
    registry, store = open_registry(running.state, None), open_store(running.state, None)
    assert Looker(registry, store, None).round(now_us()) == 1
    store.close()
    registry.dispose()


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())
def test_a_page_is_whole_on_every_screen(
    running: Running, browser: Browser, logged_in: StorageState, screen: str, path: str
) -> None:
    """Nothing in the console, nothing beside the screen, one headline, landmarks, and room for a thumb."""
    with open_context(browser, screen, storage_state=logged_in, base_url=running.base) as context:
        page = context.new_page()
        complaints = Complaints(page)
        page.goto(path)
        expect(page.locator("main .bone")).to_have_count(0)
        expect(page.locator("h1")).to_have_count(1)
        for landmark in ("header", "nav.tabs", "main:not([role=presentation])"):
            expect(page.locator(landmark)).to_have_count(1)
        assert page.locator("html").get_attribute("lang") == "ja"
        page.wait_for_timeout(1500)  # one refresh, in which something could still break
        assert complaints.found == []
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert page.evaluate(BESIDE_THE_SCREEN) == []
        assert page.evaluate(TOO_SMALL_TO_TOUCH) == []


BESIDE_THE_SCREEN = """() => [...document.querySelectorAll('main *')]
  .filter(e => !e.closest('.map') && !e.closest('.hidden-text') && e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.tagName + '.' + e.className)"""
TOO_SMALL_TO_TOUCH = """() => [...document.querySelectorAll(
    'button, .tab, .btn, .segment, summary, select, input:not([type=hidden])')]
  .filter(e => e.offsetParent !== null && !e.closest('.map'))
  .filter(e => e.getBoundingClientRect().height < 44)
  .map(e => e.tagName + '.' + e.className + ' ' + e.getBoundingClientRect().height)"""


def test_a_stranger_is_sent_to_the_login_and_back(running: Running, browser: Browser, logged_in: StorageState) -> None:
    del logged_in  # the password is set by then
    with open_context(browser, "phone", base_url=running.base) as context:
        page = context.new_page()
        page.goto("/alerts?state=resolved")
        assert "/login?next=" in page.url
        page.fill("input[name=user]", "admin")
        page.fill("input[name=password]", PASSWORD)
        page.locator("form button").last.click()
        page.wait_for_url("**/alerts?state=resolved")
        expect(page.locator(".alert")).to_contain_text("大池")


def test_the_region_shows_the_worst_first_by_shape_and_word(desk: BrowserContext) -> None:
    page = look(desk, "/")
    expect(page.locator(".counts .count-n")).to_have_text(["1", "2", "3", "1", "11"])
    matrix = page.locator("table.matrix-wide")
    expect(matrix.locator("tbody tr").first).to_contain_text("三ツ峰町")
    worst = matrix.get_by_role("link", name="三ツ峰町・斜面：危険 1、全1")
    expect(worst.locator("svg")).to_have_count(1)
    expect(page.locator(".area-alerts .row-link").first).to_contain_text("県道52号 法面")
    worst.click()
    page.wait_for_url("**/assets?municipality=mitsumine&class=slope")
    expect(page.locator("a.row-link")).to_have_count(1)


def test_structures_stand_by_urgency_and_are_narrowed_down(desk: BrowserContext) -> None:
    """From the assets page to all eight structures, then one class of them, then one of these."""
    page = look(desk, "/assets")
    page.get_by_role("link", name="施設の状態の一覧").click()
    page.wait_for_url("**/condition")
    rows = page.locator("table.conditions tbody tr")
    expect(rows).to_have_count(8)
    page.select_option("#filter-class", "slope")
    page.wait_for_url("**class=slope**")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="県道52号 法面")).to_contain_text("1年あたり")
    rows.filter(has_text="県道52号 法面").get_by_role("link").click()
    page.wait_for_url("**/asset/slope-mitsu")


def test_the_map_is_useful_without_its_tiles(desk: BrowserContext) -> None:
    """Markers with shapes, municipality names, a graticule and a word about it; a marker leads to its asset."""
    page = look(desk, "/")
    expect(page.locator(".map .map-away")).to_contain_text("背景地図を取得できません")
    expect(page.locator(".map .pin svg")).to_have_count(16)  # 15 assets, and the gateway that is silent
    expect(page.locator(".map .place-name")).to_have_count(3)
    expect(page.locator(".map .leaflet-graticule-pane path").first).to_be_attached()
    assert page.locator(".map .leaflet-control-attribution").inner_text() == "国土地理院"
    page.locator(".map .pin[aria-label^='青葉橋']").click()
    page.locator(".map .pop-link").click()
    page.wait_for_url("**/asset/bridge-aoba")


def test_the_map_takes_its_tiles_where_there_are_any(desk: BrowserContext) -> None:
    asked: list[str] = []
    page = desk.new_page()

    def serve(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body=TILE, content_type="image/png")

    page.route(f"{TILES}/**", serve)
    page.goto("/")
    expect(page.locator(".map .leaflet-tile-loaded").first).to_be_attached()
    expect(page.locator(".map .map-away")).to_have_count(0)
    assert asked[0].startswith(f"{TILES}/xyz/pale/")


def test_an_asset_page_tells_what_to_do_and_draws_its_history(desk: BrowserContext) -> None:
    page = look(desk, "/asset/bridge-aoba")
    expect(page.locator(".verdict-word")).to_have_text("警戒")
    expect(page.locator(".todo")).to_contain_text("支承と主桁を目視で点検")
    expect(page.locator(".metric")).to_have_count(3)
    expect(page.locator(".metric", has_text="ひずみ").locator(".metric-unit")).to_have_text("µε")
    strain = page.get_by_role("img", name="ひずみの推移")
    expect(strain.locator("svg path").first).to_be_attached()
    expect(strain.locator("svg text", has_text="基準 350")).to_have_count(1)
    day = page.locator(".chart").first.inner_html()
    page.get_by_role("button", name="7日", exact=True).click()
    expect(page.get_by_role("button", name="7日", exact=True)).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("before => document.querySelector('.chart').innerHTML !== before", arg=day)


@pytest.mark.parametrize("screen", SCREENS)
def test_a_card_shows_its_finding_as_a_picture_that_opens_large(
    running: Running, browser: Browser, logged_in: StorageState, screen: str
) -> None:
    """What the finding kept is what is drawn, with words for who can't see it; nothing is wider than the screen."""
    with open_context(browser, screen, storage_state=logged_in, base_url=running.base) as context:
        page = look(context, "/alerts?state=open")
        image = page.locator(".alert", has_text="法面").locator("img")
        image.scroll_into_view_if_needed()
        expect(image).to_have_attribute("alt", re.compile("^傾斜角 .+平常なら .+〜"))
        page.wait_for_function("img => img.naturalWidth > 0", arg=image.element_handle())
        assert image.evaluate("img => img.getBoundingClientRect().width > 100")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        source = str(image.get_attribute("src")).split("?")[0]
        finding = source.split("/")[4]
        found = context.request.get("/api/v1/findings?limit=100").json()["items"]
        (shown,) = next(f for f in found if str(f["id"]) == finding)["evidence"]["picture"]["channels"]
        with context.expect_page() as opened:
            image.click()
        large = opened.value
        large.wait_for_load_state()
        assert large.url.endswith(source)
        assert large.locator("polyline.observed").evaluate("line => line.points.numberOfItems") == len(
            shown["observed"]
        )
        assert large.locator("polygon.band").evaluate("band => band.points.numberOfItems") == 2 * len(shown["low"])
        expect(large.locator("rect.found")).to_have_count(1)
        # When it begins and ends, then what it says.
        *when, what, normal = (text.split(" ")[0] for text in large.locator("text").all_text_contents())
        assert (what, normal) == ("傾斜角", "平常なら")
        assert [re.fullmatch(r"(.+日 ?)?(\d\d:\d\d)?", text) is not None for text in when[-2:]] == [True, True]


def test_the_language_is_switched_and_kept(desk: BrowserContext) -> None:
    page = look(desk, "/asset/slope-mitsu")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.locator(".verdict-word")).to_have_text("Danger")
    assert page.url.endswith("/asset/slope-mitsu")
    expect(page.locator("h1")).to_have_text("Route 52 slope")
    page.goto("/alerts")
    expect(page.locator("h1")).to_have_text("Alerts")
    expect(page.locator(".alert", has_text="manhole 4")).to_contain_text("sensor trouble")
    assert page.locator("html").get_attribute("lang") == "en-US"
    page.get_by_role("button", name="日本語に切り替える").click()
    expect(page.locator("h1")).to_have_text("警報")


def test_what_a_visitor_may_not_see_is_not_there(running: Running, browser: Browser) -> None:
    """A farmer sees the farm's own paddies, no button that a viewer may not press, and no bridge."""
    engine = open_registry(running.state, None)
    link = Accounts(engine).invite(
        user_id="sato", name="佐藤", organisation_id="sato-farm", role="viewer", language="ja", by="admin"
    )
    engine.dispose()
    with open_context(browser, "phone", base_url=running.base) as context:
        page = context.new_page()
        page.goto(f"/login?token={link}")
        use_link(page, PASSWORD)
        page.goto("/assets")
        expect(page.locator("a.row-link")).to_have_count(2)
        page.goto("/alerts")
        expect(page.locator(".alert")).to_have_count(1)
        expect(page.get_by_role("button", name="対応する")).to_have_count(0)
        answer = page.goto("/asset/bridge-aoba")
        assert answer is not None
        assert answer.status == 404
        expect(page.locator("main.gate")).to_contain_text("見つからないか、見る権限がありません")


def test_pictures_are_small(running: Running, browser: Browser, logged_in: StorageState, tmp_path: Path) -> None:
    taken = take(browser, running.base, logged_in, tmp_path, names=("asset",))
    assert len(taken) == len(SCREENS)
    assert all(0 < picture.stat().st_size <= SIZE_MOST for picture in taken)


def test_an_alert_is_acknowledged_and_every_open_page_sees_it(desk: BrowserContext) -> None:
    """With the keyboard alone: the dialog, a note, the confirmation. Another open page follows without a reload."""
    other = look(desk, "/alerts")
    other.evaluate("window.notReloaded = true")
    expect(other.locator(".alert")).to_have_count(5)
    page = look(desk, "/asset/bridge-aoba")
    page.locator(".alert-foot button").focus()
    page.keyboard.press("Enter")
    page.locator(".dialog textarea").fill("佐々木班が午後に点検します")
    page.locator(".dialog button[type=submit]").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("対応中にしました")).to_be_visible()
    expect(page.locator(".alert")).to_contain_text("佐々木班が午後に点検します")
    expect(page.locator(".alert")).to_contain_text("管理者 が")
    expect(page.locator(".alert-foot button")).to_have_count(0)
    expect(other.locator(".alert")).to_have_count(4)
    expect(other.locator("nav.states a").first).to_have_text("未対応 4")
    expect(other.locator(".tab-badge")).to_have_text("4")
    assert other.evaluate("window.notReloaded") is True
    other.goto("/alerts?state=acknowledged")
    expect(other.locator(".alert", has_text="青葉橋")).to_contain_text("佐々木班が午後に点検します")


@pytest.mark.parametrize("screen", SCREENS)
def test_a_false_alarm_is_said_seen_and_undone(
    running: Running, browser: Browser, logged_in: StorageState, screen: str
) -> None:
    """The word stands on the card, what it does on the asset's page with who said it; undone, both are as before."""
    with open_context(browser, screen, storage_state=logged_in, base_url=running.base) as context:
        page = look(context, "/asset/green-1")
        complaints = Complaints(page)
        said = page.locator(".judge").get_by_role("button", name="誤報")
        lowered = page.locator(".sensitivity")
        expect(lowered).to_have_count(0)
        said.click()
        page.locator("#alert-note").fill("清掃で扉を開けていた")
        page.get_by_role("button", name="記録する").click()
        expect(said).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".alert")).to_contain_text("管理者 が")
        expect(lowered).to_contain_text("感度を下げています: 河合トマト温室")
        expect(lowered).to_contain_text("危険の基準は変わりません")
        expect(lowered).to_contain_text("管理者 が")
        expect(lowered).to_contain_text("清掃で扉を開けていた")
        expect(page.locator(".alert")).to_contain_text("清掃で扉を開けていた")
        expect(page.locator("form.dialog")).to_have_count(0)  # it shrinks away
        assert page.evaluate(BESIDE_THE_SCREEN) == []
        assert page.evaluate(TOO_SMALL_TO_TOUCH) == []
        lowered.get_by_role("button", name="取り消す").click()
        expect(lowered).to_have_count(0)
        expect(said).to_have_attribute("aria-pressed", "false")
        known = page.locator(".judge").get_by_role("button", name="把握済み")
        known.click()
        page.get_by_role("button", name="記録する").click()
        expect(page.locator(".alert .chip", has_text="把握済み")).to_have_count(1)
        known.click()  # pressing what was said takes it back
        expect(page.locator(".alert .chip", has_text="把握済み")).to_have_count(0)
        assert complaints.found == []


@pytest.mark.parametrize("screen", SCREENS)
def test_an_order_is_given_by_hand_and_followed_to_its_end(
    running: Running, browser: Browser, logged_in: StorageState, screen: str
) -> None:
    """With mouse and finger: nothing without a why; sent, done, read back, and when it ends, without a reload."""
    engine = open_registry(running.state, None)
    with open_context(browser, screen, storage_state=logged_in, base_url=running.base) as context:
        page = look(context, "/asset/pond-oike")
        complaints = Complaints(page)
        dialog, newest = page.locator(".dialog"), page.locator(".told li").first
        page.get_by_role("button", name="取水ゲート: 1 にする").click()
        expect(dialog).to_contain_text("大池・取水ゲート")
        dialog.get_by_label("運転時間（分）").fill("90")
        dialog.get_by_role("button", name="指示する").click()
        expect(page.locator(".q-notification", has_text="最長 60 分")).to_be_visible()
        dialog.get_by_label("運転時間（分）").fill("2")
        dialog.get_by_role("button", name="指示する").click()
        expect(page.locator(".q-notification", has_text="理由を書いてください。")).to_be_visible()
        dialog.get_by_label("理由").click()
        page.keyboard.type(f"{screen}の試し通水")
        dialog.get_by_role("button", name="指示する").dblclick()
        expect(newest).to_contain_text("送信待ち")
        expect(newest).to_contain_text(f"{screen}の試し通水")
        expect(newest).to_contain_text("管理者")
        expect(newest).to_contain_text("1 に 2分")
        expect(dialog).to_be_hidden()
        [sent] = take_steps(engine, now_us(), can_send=True, can_hear=True)
        expect(newest).to_contain_text("送信済み・返事待ち（1回）")
        until_us = now_us() + 120 * SECOND_US
        reply = Reply(sent.command.id, now_us(), Outcome.DONE, read_back=1.0, until_us=until_us)
        with transaction(engine) as session:
            take_reply(session, sent.gateway, reply, now_us())
        expect(newest).to_contain_text("実行 · 読み返し 1 · ")
        expect(newest).to_contain_text("に自動で戻る")
        expect(page.locator(".machine")).to_contain_text("位置 1（")
        page.get_by_role("button", name="取水ゲート: 安全位置（0）へ戻す").click()
        expect(dialog.get_by_label("運転時間（分）")).to_be_hidden()
        dialog.get_by_role("button", name="やめる").click()
        expect(dialog).to_be_hidden()
        page.get_by_role("button", name="7日").click()  # nothing of the dialog lies over the page
        assert complaints.found == []
    engine.dispose()


def test_the_devices_page_tells_gaps_losses_and_how_to_adopt(desk: BrowserContext) -> None:
    page = look(desk, "/devices")
    expect(page.locator(".gateway").first).to_contain_text("通信が途絶えています")
    row = page.locator(".ledger tbody tr", has_text="清流村 中継局")
    expect(row.locator(".flag")).to_have_text("4")
    expect(row).to_contain_text("88215–88218")
    pile = page.locator(".pile", has_text="登録のない機器")
    expect(pile).to_contain_text("14件")
    expect(pile.locator("code")).to_contain_text("satomori registry adopt soil-7")


def test_an_address_that_leads_nowhere_says_so_in_plain_words(desk: BrowserContext) -> None:
    page = desk.new_page()
    answer = page.goto("/no/such/page")
    assert answer is not None
    assert answer.status == 404
    expect(page.locator("h1")).to_have_text("表示できませんでした")
    page.get_by_role("link", name="地域のページへ").click()
    expect(page.locator("h1")).to_have_text("地域のいま")


def test_logging_out_ends_it(running: Running, browser: Browser, logged_in: StorageState) -> None:
    """An open page of the same session goes to the login by itself. This test ends the others' session: it is last."""
    with open_context(browser, "desk", storage_state=logged_in, base_url=running.base) as context:
        other, page = look(context, "/"), look(context, "/alerts")
        page.locator("details.menu summary").click()
        page.get_by_role("button", name="ログアウト").click()
        page.wait_for_url("**/login**")
        other.wait_for_url("**/login**")
