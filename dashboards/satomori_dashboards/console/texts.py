"""Every string that the console shows, Japanese and English side by side, and the choice between them."""

from satomori_api.formatting import Language
from satomori_core.classes import classes
from satomori_core.metrics import catalogue
from satomori_core.vocabulary import Level, Quality

LANGUAGES: tuple[Language, ...] = ("ja", "en")

# key: (Japanese, English). Keys are `<place>.<what>`; `{…}` is filled by `text`.
TEXTS: dict[str, tuple[str, str]] = {
    "app.name": ("里守", "Satomori"),
    "app.skip": ("本文へ移動", "Skip to the content"),
    "nav.label": ("主なページ", "Main pages"),
    "nav.region": ("地域", "Region"),
    "nav.assets": ("設備", "Assets"),
    "nav.alerts": ("警報", "Alerts"),
    "nav.devices": ("機器", "Devices"),
    "nav.language": ("English", "日本語"),
    "nav.language_label": ("Switch to English", "日本語に切り替える"),
    "nav.account": ("利用者メニュー", "Account menu"),
    "nav.logout": ("ログアウト", "Log out"),
    "role.viewer": ("閲覧", "Viewer"),
    "role.crew": ("現場班", "Crew"),
    "role.engineer": ("技術者", "Engineer"),
    "role.admin": ("管理者", "Administrator"),
    "live.on": ("自動更新中", "Live"),
    "live.at": ("{time} 現在", "as of {time}"),
    "live.away": (
        "いまデータを読み出せません。自動で再試行しています。表示は{time}のものです。",
        "Can't read the data right now; trying again by itself. What you see is from {time}.",
    ),
    "error.title": ("表示できませんでした", "This could not be shown"),
    "error.unavailable": (
        "データの保管先に届きません。数秒後にもう一度お試しください。",
        "The data store can't be reached. Please try again in a few seconds.",
    ),
    "error.not_found": (
        "このページの対象は見つからないか、見る権限がありません。",
        "What this page is about does not exist, or you may not see it.",
    ),
    "error.bug": (
        "内部の誤りで表示できませんでした。記録されています。",
        "Something inside went wrong and this could not be shown. It has been logged.",
    ),
    "error.home": ("地域のページへ", "To the region page"),
    # region
    "region.title": ("地域のいま", "The region now"),
    "region.counts": ("状態ごとの設備数", "Assets by level"),
    "region.matrix": ("市町村 × 種別", "Municipality × class"),
    "region.matrix_hint": (
        "色と形は最も悪い状態、数字はその状態の数／全体の数",
        "Colour and shape: the worst level; figures: how many at that level / of all",
    ),
    "region.cell": (
        "{municipality}・{class_}：{level} {count}、全{total}",
        "{municipality}, {class_}: {level} {count} of {total}",
    ),
    "region.none_here": ("該当なし", "none"),
    "region.groups": ("群（まとめて管理する設備）", "Groups managed together"),
    "region.groups_none": (
        "群はまだ登録されていません。台帳に [[group]] を加えると、ここに並びます。",
        "No groups yet. Add a [[group]] to the registry and it appears here.",
    ),
    "region.map": ("地図", "Map"),
    "region.map_label": ("設備の位置と状態の地図", "Map of the assets and their levels"),
    "region.map_open": ("この設備を開く", "Open this asset"),
    "region.tiles_away": (
        "背景地図を取得できません（位置と状態は表示できます）",
        "No background map (positions and levels are shown)",
    ),
    "region.alerts": ("最近の警報", "Latest alerts"),
    "region.alerts_all": ("すべての警報", "All alerts"),
    "region.alerts_none": ("いま開いている警報はありません。", "No open alerts now."),
    "region.assets_unit": ("件", "assets"),
    "region.empty": (
        "見られる設備がまだありません。台帳を取り込むと（satomori registry import）、ここに並びます。",
        "There are no assets you can see yet. Import a registry (satomori registry import) and they appear here.",
    ),
    # asset list
    "assets.title": ("設備の一覧", "Assets"),
    "assets.search": ("名前でさがす", "Search by name"),
    "assets.municipality": ("市町村", "Municipality"),
    "assets.group": ("群", "Group"),
    "assets.class": ("種別", "Class"),
    "assets.level": ("状態", "Level"),
    "assets.all": ("すべて", "All"),
    "assets.count": ("{count} 件", "{count} assets"),
    "assets.capped": (
        "{total} 件のうち {count} 件を表示（条件で絞り込めます）",
        "{count} of {total} assets shown (narrow it down with the filters)",
    ),
    "assets.none": ("条件に合う設備はありません。", "No asset matches."),
    # asset page
    "asset.since": ("{time} から（{age}）", "since {time} ({age})"),
    "asset.why": ("理由", "Why"),
    "asset.todo": ("すること", "What to do"),
    "alerts.picture": ("根拠の図を大きく開く — {told}", "Open the picture of the evidence — {told}"),
    "asset.evidence": ("根拠 — 帯は平常の範囲", "Evidence — the band is what would be normal"),
    "asset.condition": ("施設の状態", "Condition"),
    "asset.peers": ("似た資産との比較 — 帯は10のうち9が収まる範囲", "Against its like — 9 in 10 lie within the band"),
    "asset.rating": ("法定点検の健全度 {rating}", "Legal health rating {rating}"),
    "asset.coming": ("今夜から・これから", "Coming up"),
    "asset.coming_missing": ("まだ作れない予測 — {what}", "Forecasts that can't be made yet — {what}"),
    "asset.now": ("いまの値と推移", "Values now and before"),
    "asset.value_none": ("まだ値がありません", "No value yet"),
    "asset.no_streams": (
        "この設備にはまだ計測がつながっていません。",
        "Nothing measures this asset yet.",
    ),
    "asset.running": ("運転中", "running"),
    "asset.stopped": ("停止", "stopped"),
    "asset.quality": ("品質", "quality"),
    "asset.late": ("予定より遅れています", "later than expected"),
    "asset.expected": ("{every}ごと", "every {every}"),
    "asset.chart": ("推移", "History"),
    "asset.range_label": ("期間", "Period"),
    "asset.range_24h": ("24時間", "24 h"),
    "asset.range_7d": ("7日", "7 d"),
    "asset.range_30d": ("30日", "30 d"),
    "asset.chart_none": ("この期間の観測はありません", "No observations in this period"),
    "asset.chart_label": (
        "{metric}の推移。最小 {low}、最大 {high} {unit}",
        "History of {metric}: from {low} to {high} {unit}",
    ),
    "asset.alerts": ("開いている警報", "Open alerts"),
    "asset.alerts_none": ("開いている警報はありません。", "No open alerts."),
    "asset.about": ("台帳", "Registry"),
    "asset.owner": ("所有", "Owner"),
    "asset.municipality": ("所在", "Where"),
    "asset.built": ("建設年", "Built"),
    "asset.id": ("番号", "Id"),
    "asset.place": ("位置", "Position"),
    "asset.groups": ("群", "Groups"),
    "asset.back": ("設備の一覧へ", "All assets"),
    "asset.limit": ("基準 {value}", "limit {value}"),
    # operate
    "operate.title": ("操作", "Operate"),
    "operate.position": ("位置 {value}（{time} の読み返し）", "position {value} (read back {time})"),
    "operate.position_none": ("位置はまだ読み返されていません", "its position has not been read back yet"),
    "operate.away": ("親機はいま操作を受け付けていません。", "Its gateway takes no commands for it now."),
    "operate.offline": (
        "親機が切断されています。つながらないまま期限が来れば、指示は実行されません。",
        "Its gateway is offline. An order that does not reach it in time is not carried out.",
    ),
    "operate.forbidden": (
        "あなたの役割では操作できません。所有者の現場班か管理者に相談してください。",
        "Your role can't operate this. Ask its owner's crew or an administrator.",
    ),
    "operate.set": ("{value} にする", "Set to {value}"),
    "operate.move": ("動かす", "Move"),
    "operate.stop": ("安全位置（{value}）へ戻す", "Stop: to the safe position ({value})"),
    "operate.sample": ("測定間隔", "Sampling interval"),
    "operate.told_sample": ("{device}: {span} ごとに測定", "{device}: a reading each {span}"),
    "operate.ask_sample": (
        "{device}。親機が次に起動するまで有効で、その後は親機の設定に戻ります。",
        "{device}. Holds until its gateway's next start; then its own settings do.",
    ),
    "operate.told_stop": ("安全位置へ戻す", "to the safe position"),
    "operate.told_run": ("{value} に {span}", "{value} for {span}"),
    "operate.ask": ("{asset}・{actuator}。いまの{position}。", "{asset}, {actuator}. Now: {position}."),
    "operate.value": ("動かす位置（{low} から {high}）", "Position ({low} to {high})"),
    "operate.interval": ("測定間隔（秒）", "Sampling interval (seconds)"),
    "operate.run": ("運転時間（分）", "For how long (minutes)"),
    "operate.run_hint": ("最長 {most} 分。過ぎると自動で戻ります", "at most {most}; then it goes back by itself"),
    "operate.why": ("理由", "Why"),
    "operate.why_hint": ("記録に残ります（必須）", "Kept on record (required)"),
    "operate.why_missing": ("理由を書いてください。", "Write why."),
    "operate.confirm": ("指示する", "Order it"),
    "operate.cancel": ("やめる", "Cancel"),
    "operate.rejected": ("この指示は出せません: {reason}", "This can't be ordered: {reason}"),
    "operate.conflict": ("すでに指示済みです。", "It has been ordered already."),
    "operate.state.waiting": ("送信待ち", "waiting to be sent"),
    "operate.state.sent": ("送信済み・返事待ち（{count}回）", "sent, no answer yet ({count}×)"),
    "operate.state.done": ("実行", "done"),
    "operate.state.refused": ("親機が拒否", "refused by the gateway"),
    "operate.state.expired": ("期限切れ・実行されていません", "expired, not carried out"),
    "operate.state.failed": ("失敗", "failed"),
    "operate.state.lost": ("返事なし・実行されたか不明", "no answer; it may have been carried out"),
    "operate.late": ("遅れて返事", "answered late"),
    "operate.read_back": ("読み返し {value}", "read back {value}"),
    "operate.until": ("{time} に自動で戻る", "goes back by itself at {time}"),
    "operate.overdue": (
        "{time} に自動で戻る予定・確認の返事待ち",
        "was to go back by itself at {time}, not confirmed yet",
    ),
    "operate.ended": ("{time} に終了（{why}）", "ended at {time} ({why})"),
    "operate.ended.run_time": ("時間どおり", "its time was over"),
    "operate.ended.link_lost": ("通信断", "connection lost"),
    "operate.ended.stopped": ("停止の指示", "stopped"),
    "operate.ended.replaced": ("次の指示", "another order"),
    "operate.ended.restart": ("親機の再起動", "the gateway restarted"),
    "operate.ended.failed": ("読み返せず安全位置へ", "not read back, to the safe position"),
    # what a gateway says of what it did not do: satomori_core.commands.Reason, and ours of what was never sent
    "operate.reason.not_sent": ("送れませんでした", "it could not be sent"),
    "operate.reason.not_command": ("指示として読めない", "not understood"),
    "operate.reason.retained": ("いつの指示か不明", "of unknown age"),
    "operate.reason.remote_off": ("遠隔操作は無効", "remote operation is off there"),
    "operate.reason.clock": ("親機の時計が不確か", "the gateway's clock is not sure"),
    "operate.reason.future": ("時刻か期限が先すぎる", "too far ahead"),
    "operate.reason.late": ("期限後に到着", "it came too late"),
    "operate.reason.forgotten": ("親機の記録より古い", "older than the gateway's memory"),
    "operate.reason.busy": ("指示が多すぎる", "too many commands"),
    "operate.reason.unknown": ("親機にない操作対象", "not known there"),
    "operate.reason.arguments": ("指示の内容の誤り", "wrong arguments"),
    "operate.reason.value": ("許されない位置", "position not allowed"),
    "operate.reason.run_time": ("許されない運転時間", "run time not allowed"),
    "operate.reason.pause": ("休止時間中", "in its pause"),
    "operate.reason.interval": ("許されない間隔", "interval not allowed"),
    "operate.reason.not_safe": ("安全位置を確認できていない", "not at its safe position yet"),
    "operate.reason.journal": ("親機が記録できない", "the gateway can't write it down"),
    "operate.reason.no_answer": ("機器が答えない", "the device does not answer"),
    "operate.reason.device": ("機器が断った", "the device says no"),
    "operate.reason.read_back": ("読み返しが一致しない", "read back otherwise"),
    "operate.reason.overtaken": ("次の指示が先に来た", "overtaken by another order"),
    "operate.reason.interrupted": ("親機が途中で止まった", "the gateway ended in the midst of it"),
    # alerts
    "alerts.title": ("警報", "Alerts"),
    "alerts.tabs": ("警報の状態", "Alert states"),
    "alerts.open": ("未対応", "Open"),
    "alerts.acknowledged": ("対応中", "Acknowledged"),
    "alerts.resolved": ("解消", "Resolved"),
    "alerts.none_open": (
        "対応が必要な警報はありません。新しい警報は自動でここに出ます。",
        "Nothing needs you. New alerts appear here by themselves.",
    ),
    "alerts.none_acknowledged": ("対応中の警報はありません。", "No alert is being dealt with."),
    "alerts.none_resolved": ("解消した警報はまだありません。", "No alert has been resolved yet."),
    "alerts.more": (
        "新しい順に {count} 件まで表示しています",
        "Showing the newest {count}",
    ),
    "alerts.advice": ("すること", "What to do"),
    "alerts.since": ("{time} から", "since {time}"),
    "alerts.acknowledge": ("対応する", "Acknowledge"),
    "alerts.acknowledge_label": ("「{text}」に対応する", "Acknowledge: {text}"),
    "alerts.acknowledged_by": ("{name} が {time} に対応を開始", "{name} acknowledged at {time}"),
    "alerts.resolved_at": ("{time} に解消", "resolved at {time}"),
    "alerts.note": ("メモ", "Note"),
    "alerts.note_hint": (
        "だれが、いつ、何をするか（任意）",
        "Who does what, and when (optional)",
    ),
    "alerts.confirm": ("対応を始める", "Acknowledge"),
    "alerts.cancel": ("やめる", "Cancel"),
    "alerts.done": ("対応中にしました", "Acknowledged"),
    "alerts.conflict": (
        "この警報はすでに対応中か、解消しています。",
        "This alert is already acknowledged or resolved.",
    ),
    "alerts.forbidden": (
        "あなたの役割では対応を記録できません。管理者に相談してください。",
        "Your role can't acknowledge alerts. Ask your administrator.",
    ),
    "alerts.inhibited": ("別の警報が原因です", "explained by another alert"),
    "alerts.historical": ("過去のデータから", "from past data"),
    # what people say of alerts
    "verdict.true": ("本当だった", "True"),
    "verdict.false": ("誤報", "False alarm"),
    "verdict.known": ("把握済み", "Known"),
    "judge.label": ("「{text}」は", "Say of: {text}"),
    "judge.by": ("{name} が {time} に「{verdict}」と判定", "{name} said “{verdict}” at {time}"),
    "judge.quiet": ("把握済み・通知しません", "known, nobody is told"),
    "judge.known_done": (
        "把握済みにしました。収まるか悪化するまで通知しません。",
        "Marked as known: nobody is told until it ends or gets worse.",
    ),
    "judge.undone": ("判定を取り消しました。", "Undone."),
    "judge.conflict": (
        "ほかの人が先に判定したか、警報がもう解消しています。",
        "Somebody was first, or the alert is over.",
    ),
    "judge.title": ("感度", "Sensitivity"),
    "judge.lowered": ("感度を下げています: {text}", "Sensitivity lowered: {text}"),
    "judge.kept_quiet": ("把握済み: {text}", "Known: {text}"),
    "judge.undo": ("取り消す", "Undo"),
    "judge.undo_label": ("取り消す: {text}", "Undo: {text}"),
    "priority.high": ("優先度 高", "High priority"),
    "priority.medium": ("優先度 中", "Medium priority"),
    "priority.low": ("優先度 低", "Low priority"),
    # devices
    "devices.title": ("機器と記録", "Devices and records"),
    "devices.gateways": ("ゲートウェイ", "Gateways"),
    "devices.gateways_none": (
        "ゲートウェイはまだ登録されていません。台帳に [[gateway]] を加えてください。",
        "No gateways yet. Add a [[gateway]] to the registry.",
    ),
    "devices.online": ("接続中", "Online"),
    "devices.offline": ("切断", "Offline"),
    "devices.never": ("まだ通信なし", "Never heard of"),
    "devices.silent": ("通信が途絶えています", "Silent"),
    "devices.seen": ("最終通信 {age}", "last heard {age}"),
    "devices.kind_edge": ("エッジ（未送信を保管）", "Edge (keeps what is unsent)"),
    "devices.kind_direct": ("直結（機器が直接送信）", "Direct (the device sends by itself)"),
    "devices.behind": ("配下の機器", "Devices behind it"),
    "devices.stream": ("系列", "Stream"),
    "devices.ledger": ("受信記録", "Ledger"),
    "devices.ledger_hint": (
        "エッジが付けた通し番号ごとに、届いて保存されたものを数えています",
        "Counts by the sequence numbers that the edge gave",
    ),
    "devices.gateway": ("ゲートウェイ", "Gateway"),
    "devices.stored": ("保存済み", "Stored"),
    "devices.gaps": ("欠番", "Gaps"),
    "devices.resent": ("再送", "Resent"),
    "devices.set_aside": ("隔離", "Set aside"),
    "devices.lost": ("エッジで消失", "Lost at the edge"),
    "devices.ledger_none": ("受信記録はまだありません。", "Nothing recorded yet."),
    "quarantine.title": ("隔離された受信", "Set aside"),
    "quarantine.hint": (
        "受け付けられなかった受信は、理由とともに残っています。台帳を直すと再投入できます。",
        "What could not be accepted is kept with its reason. Once the registry is right, it can be replayed.",
    ),
    "quarantine.none": ("隔離された受信はありません。", "Nothing is set aside."),
    "quarantine.messages": ("{count}件", "{count} waiting"),
    "quarantine.capped": ("新しい {count} 件だけを数えています", "only the newest {count} are counted"),
    "quarantine.adopt": ("受け入れる手順", "How to adopt it"),
    # reasons of quarantine and of losses; one that is not here is shown as it is
    "reason.unknown_gateway": ("登録のないゲートウェイ", "Unknown gateway"),
    "reason.unknown_device": ("登録のない機器", "Unknown device"),
    "reason.not_behind_gateway": ("別のゲートウェイの機器", "Device of another gateway"),
    "reason.unknown_metric": ("登録のない計測項目", "Unknown metric"),
    "reason.retired": ("廃止された計測", "Retired datastream"),
    "reason.future": ("未来の時刻", "Time in the future"),
    "reason.time": ("時刻の誤り", "Wrong time"),
    "reason.time_unset": ("時計が未設定", "Clock not set"),
    "reason.not_json": ("JSON として読めない", "Not JSON"),
    "reason.not_senml": ("SenML として読めない", "Not SenML"),
    "reason.not_numeric": ("数値ではない", "Not a number"),
    "reason.not_finite": ("有限の数ではない", "Not a finite number"),
    "reason.unit": ("単位の誤り", "Wrong unit"),
    "reason.name": ("名前の誤り", "Wrong name"),
    "reason.seq": ("通し番号の誤り", "Wrong sequence numbers"),
    "reason.gzip": ("圧縮の誤り", "Broken gzip"),
    "reason.too_large": ("大きすぎる", "Too large"),
    "reason.topic": ("トピックの誤り", "Wrong topic"),
    "reason.thinned": ("間引き", "thinned"),
    "reason.dropped": ("あふれて破棄", "dropped"),
    "reason.damaged": ("保管の破損", "damaged"),
    # quality
    "quality.1": ("良", "good"),
    "quality.2": ("未検査", "not checked"),
    "quality.3": ("疑わしい", "suspect"),
    "quality.4": ("不良", "fail"),
    "quality.9": ("欠測", "missing"),
    "chart.value": ("値", "value"),
    "chart.suspect": ("疑わしい値", "suspect"),
    "chart.fail": ("不良の値", "fail"),
    "chart.limit": ("基準", "limit"),
    # levels
    "level.0": ("良好", "Good"),
    "level.1": ("不明", "Unknown"),
    "level.2": ("注意", "Watch"),
    "level.3": ("警戒", "Warning"),
    "level.4": ("危険", "Danger"),
    "level.say.0": ("いま手当ては要りません。", "Nothing needs doing now."),
    "level.say.1": (
        "新しい値がなく、判断できません。",
        "There are no recent values, so it can't be judged.",
    ),
    "level.say.2": ("いつもと違います。近いうちに様子を見てください。", "Unusual. Have a look soon."),
    "level.say.3": ("今日のうちに確認してください。", "Check it today."),
    "level.say.4": ("すぐに確認してください。", "Check it at once."),
    # causes
    "cause.sensor": ("センサーの不調", "sensor trouble"),
    "cause.gateway": ("通信の不調", "connection trouble"),
    # ages
    "age.now": ("たった今", "just now"),
    "age.ahead": ("未来の時刻", "in the future"),
    "age.second": ("{n}秒前", "{n} s ago"),
    "age.minute": ("{n}分前", "{n} min ago"),
    "age.hour": ("{n}時間前", "{n} h ago"),
    "age.day": ("{n}日前", "{n} d ago"),
    "span.second": ("{n}秒", "{n} s"),
    "span.minute": ("{n}分", "{n} min"),
    "span.hour": ("{n}時間", "{n} h"),
    "span.day": ("{n}日", "{n} d"),
    "list.separator": ("・", ", "),
}


def text(language: Language, key: str, **values: object) -> str:
    """The string `key` in `language`, its places filled."""
    ja, en = TEXTS[key]
    return (ja if language == "ja" else en).format(**values)


def named(language: Language, name: str, name_en: str) -> str:
    """A thing's own name; the Japanese one where there is no English one."""
    return (name_en or name) if language == "en" else name


def level_word(language: Language, level: Level) -> str:
    return text(language, f"level.{int(level)}")


def quality_word(language: Language, quality: Quality) -> str:
    return text(language, f"quality.{int(quality)}")


def class_word(language: Language, class_: str) -> str:
    """The class's word; one that is not in the catalogue keeps its own id."""
    entry = classes().get(class_)
    return class_ if entry is None else named(language, entry.ja, entry.en)


def metric_word(language: Language, metric: str) -> str:
    entry = catalogue().get(metric)
    return metric if entry is None else named(language, entry.ja, entry.en)
