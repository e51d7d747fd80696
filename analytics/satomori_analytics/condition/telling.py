"""What a condition says to people, in Japanese and English. Pure."""

from collections.abc import Mapping, Sequence

from satomori_analytics.condition.ageing import Ageing
from satomori_analytics.condition.measured import Kind, Measured
from satomori_analytics.condition.reach import Reach
from satomori_analytics.playbook import LEVELS
from satomori_analytics.sentences import LEVEL_EN, LEVEL_JA, amount
from satomori_core.clock import to_datetime
from satomori_core.metrics import catalogue

_NAMES: Mapping[Kind, tuple[str, str]] = {
    "frequency": (
        "固有振動数の変化（温度の影響を除く）",
        "shift of the natural frequency, temperature allowed for",
    ),
    "vibration": ("振動", "vibration"),
    "efficiency": ("ポンプ効率", "pump efficiency"),
    "efficiency_kept": ("ポンプ効率（台帳の基準効率に対する割合）", "pump efficiency, of the ledger's reference"),
    "starts": ("1日の始動回数", "starts a day"),
    "starts_of_limit": ("1日の始動回数（台帳の上限に対する割合）", "starts a day, of the ledger's limit"),
    "leakage": (
        "1日の漏水量（夜間最小流量から、水圧で補正）",
        "a day's leakage by the night flow, allowed for pressure",
    ),
    "leakage_index": ("漏水指標（ILI）", "leakage index (ILI)"),
    "running": ("1日の運転時間", "running hours a day"),
    "hydrogen_sulfide": ("硫化水素（30日平均）", "hydrogen sulfide, mean of 30 days"),
    "night_flow": ("夜間最小流量", "minimum night flow"),
}
_WITHIN = {"above": ("上限を超える", "above the limit"), "within": ("上限以内", "within the limit")}
_GRADES: Mapping[Kind, tuple[str, str]] = {
    "vibration": ("ゾーン", "zone"), "hydrogen_sulfide": ("腐食環境", "corrosion class"),
}  # fmt: skip


def measured_text(found: Measured) -> tuple[str, str]:
    """(Japanese, English): the value with its interval, its class, its rate with its own interval."""
    metric = catalogue()[found.metric]
    ja, en = _NAMES.get(found.kind, (metric.ja, metric.en))
    shown = [amount(value, found.unit) for value in (found.value, found.low, found.high)]
    parts_ja, parts_en = [f"{ja} {shown[0]}"], [f"{en} {shown[0]}"]
    if found.low == found.low:
        parts_ja.append(f"（{shown[1]}〜{shown[2]}）")
        parts_en.append(f" ({shown[1]} to {shown[2]})")
    if found.grade in _WITHIN:
        parts_ja.append(f"、{_WITHIN[found.grade][0]}")
        parts_en.append(f", {_WITHIN[found.grade][1]}")
    elif found.grade is not None:
        name = _GRADES.get(found.kind, ("区分", "class"))
        parts_ja.append(f"、{name[0]} {found.grade}")
        parts_en.append(f", {name[1]} {found.grade}")
    if found.rate is not None:
        rate = [f"{value:+.3g}" for value in (found.rate.rate, found.rate.low, found.rate.high)]
        sure = found.rate.low > 0 or found.rate.high < 0
        days = found.days
        ja, en = ("", "") if found.rate.freed else ("・季節の変化を含む", ", the season's change is in it")
        doubt = ("", "") if sure else ("：傾向は確かでない", ": no sure trend")
        parts_ja.append(f"、1年あたり {rate[0]}（{rate[1]}〜{rate[2]}、{days}日分から{ja}）{doubt[0]}")
        parts_en.append(f", {rate[0]} a year ({rate[1]} to {rate[2]}, from {days} days{en}){doubt[1]}")
    if found.since_us is not None:
        parts_ja.append(f"、{to_datetime(found.since_us):%Y年%-m月}と比べて")
        parts_en.append(f", against {to_datetime(found.since_us):%B %Y}")
    if found.anew_us is not None:
        parts_ja.append(
            f"（{to_datetime(found.anew_us):%Y-%m-%d}からの新しい計器だけの値。以前の計器の値とは比べていない）"
        )
        parts_en.append(
            f" (the new probe's alone, from {to_datetime(found.anew_us):%Y-%m-%d}; the former's are left out)"
        )
    return "".join(parts_ja), "".join(parts_en)


def ageing_text(found: Ageing) -> tuple[str, str]:
    share = [f"{100 * value:.0f}" for value in (found.chance, found.low, found.high)]
    scale = {"health": ("健全度", "rating"), "sewer": ("緊急度", "urgency")}[found.scale]
    years = found.inspected_years
    ago = (f"{years}年前の点検の", f" {years} year{'s' if years > 1 else ''} ago") if years else ("", "")
    ja, en = {
        "rating": (f"{ago[0]}{scale[0]}と{found.rates_ja}から", f"from its {scale[1]}{ago[1]} and {found.rates_en}"),
        "age": (f"建設年と{found.rates_ja}だけから", f"from its age and {found.rates_en} alone"),
    }[found.basis]
    if found.pairs:
        ja, en = (
            f"{ja}、自治体の点検{found.pairs}組で補正",
            f"{en}, brought up to date by {found.pairs} own pairs of inspections",
        )
    state_ja, state_en = f"{scale[0]}{found.reached}", f"{scale[1]} {found.reached}"
    return (
        f"{found.years}年後に{state_ja}以上に進む見込み {share[0]}%（90%区間 {share[1]}〜{share[2]}%、{ja}）",
        f"in {found.years} years at {state_en} or worse: {share[0]}% (90 % interval {share[1]} to {share[2]}%, {en})",
    )


def unread_text(unread: Sequence[str]) -> tuple[str, str]:
    pieces = "; ".join(unread)
    return (
        f"読めない点検履歴: {pieces}（「2019-05-30 II」のように書く）",
        f'inspections that can\'t be read: {pieces} (write "2019-05-30 II")',
    )


def sewer_text(urgency: str) -> tuple[str, str]:
    return (
        f"緊急度{urgency}（腐食・たるみ・破損のランクから）",
        f"urgency {urgency} by its ranks of corrosion, sag and cracks",
    )


def reach_text(found: Reach) -> tuple[str, str]:
    metric, level = catalogue()[found.metric], LEVELS[found.level]
    bound = amount(found.bound, found.unit)
    ja, en = f"{metric.ja}の基準 {bound}（{LEVEL_JA[level]}）", f"{metric.en}'s limit {bound} ({LEVEL_EN[level]})"
    if found.years == 0:
        return f"{ja}を超えている", f"{en} is passed"
    years, low, high = (f"{value:.2g}" for value in (found.years, found.low, found.high))
    return (
        f"{ja}に約{years}年で達する見込み（90%区間 {low}〜{high}年、これまでの傾向が続く場合）",
        f"{en} is reached in about {years} years (90 % interval {low} to {high}) if the trend goes on",
    )
