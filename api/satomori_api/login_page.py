"""The page to log in with, or to set a password after a one-time link. Plain HTML, no script. Pure."""

from html import escape

from satomori_api.refusals import CrossSiteError, RefusedError, TooManyAttemptsError
from satomori_core.errors import RejectedError, SatomoriError

_TEXTS = {
    "ja": {
        "name": "里守",
        "motto": "里の田畑と橋・水路を見守ります",
        "user": "利用者ID",
        "password": "パスワード",
        "new": "新しいパスワード（10文字以上）",
        "repeated": "もう一度",
        "log_in": "ログイン",
        "set": "パスワードを設定して始める",
        "for": "利用者",
        "RefusedError": "利用者IDまたはパスワードが違います。",
        "link": "このリンクは使用済みか、期限が切れています。新しいリンクを発行してください。",
        "TooManyAttemptsError": "試行が続いたため、しばらく受け付けません。あと{:.0f}秒お待ちください。",
        "CrossSiteError": "別のサイトから送信されました。この画面からもう一度お試しください。",
        "RejectedError": "パスワードは10文字以上1000文字以下で、2回とも同じものを入力してください。",
    },
    "en": {
        "name": "Satomori",
        "motto": "watches over the region's fields and structures",
        "user": "User",
        "password": "Password",
        "new": "New password (10 characters or more)",
        "repeated": "Once more",
        "log_in": "Log in",
        "set": "Set the password and begin",
        "for": "User",
        "RefusedError": "The user or the password is wrong.",
        "link": "This link has been used or is too old. Ask for a new one.",
        "TooManyAttemptsError": "Too many attempts. Try again in {:.0f} s.",
        "CrossSiteError": "This came from another site. Try again from this page.",
        "RejectedError": "A password has 10 to 1000 characters, and both fields have to agree.",
    },
}
_STYLE = """
:root{color-scheme:light dark;--green:#2f6b4f;--ink:#1d2b24;--paper:#f4f6f2;--card:#fff;--line:#cfd8d1;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--green:#7cc4a0;--ink:#e6ece8;--paper:#141a17;--card:#1d2521;--line:#3a463f;--bad:#ffb4ab}}
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);
color:var(--ink);font:16px/1.6 system-ui,"Hiragino Sans","Noto Sans CJK JP","Noto Sans JP",sans-serif;padding:16px}
main{width:100%;max-width:380px;background:var(--card);border:1px solid var(--line);
border-radius:14px;padding:28px 24px}
h1{margin:0;font-size:28px;color:var(--green);letter-spacing:.08em}p{margin:4px 0 20px}
label{display:block;margin:14px 0 4px;font-size:14px}
input{width:100%;font:inherit;padding:11px 12px;border:1px solid var(--line);border-radius:8px;
background:transparent;color:inherit}
button{width:100%;margin-top:22px;padding:13px;font:inherit;font-weight:600;border:0;
border-radius:8px;background:var(--green);color:var(--card);cursor:pointer}
input:focus-visible,button:focus-visible{outline:3px solid var(--green);outline-offset:2px}
.bad{color:var(--bad);border-left:4px solid var(--bad);padding-left:10px}
"""


def login_page(
    language: str, *, token: str = "", user: str = "", following: str = "/", error: SatomoriError | None = None
) -> str:
    """The whole page. With `token`: to set a password; `user` then is whose it is."""
    texts = _TEXTS["en" if language == "en" else "ja"]
    told = f'<p class="bad" role="alert">{escape(_explain(error, texts, token))}</p>' if error else ""
    fields = _password_fields(texts, token, user) if token else _login_fields(texts, user, following)
    return f"""<!doctype html><html lang="{"en" if language == "en" else "ja"}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>{texts["name"]}</title>
<style>{_STYLE}</style></head><body><main><h1>{texts["name"]}</h1><p>{texts["motto"]}</p>{told}
<form method="post" action="/login">{fields}</form></main></body></html>"""


def _login_fields(texts: dict[str, str], user: str, following: str) -> str:
    return (
        f'<input type="hidden" name="next" value="{escape(following)}">'
        f'<label for="user">{texts["user"]}</label><input id="user" name="user" value="{escape(user)}" '
        f'autocomplete="username" autocapitalize="none" required autofocus>'
        f'<label for="password">{texts["password"]}</label><input id="password" name="password" type="password" '
        f'autocomplete="current-password" required><button>{texts["log_in"]}</button>'
    )


def _password_fields(texts: dict[str, str], token: str, user: str) -> str:
    return (
        f'<input type="hidden" name="token" value="{escape(token)}"><p>{texts["for"]}: <b>{escape(user)}</b></p>'
        f'<input type="hidden" name="user" value="{escape(user)}" autocomplete="username">'
        f'<label for="password">{texts["new"]}</label><input id="password" name="password" type="password" '
        f'minlength="10" maxlength="1000" autocomplete="new-password" required autofocus>'
        f'<label for="repeated">{texts["repeated"]}</label><input id="repeated" name="repeated" type="password" '
        f'autocomplete="new-password" required><button>{texts["set"]}</button>'
    )


def _explain(error: SatomoriError, texts: dict[str, str], token: str) -> str:
    match error:
        case TooManyAttemptsError():
            return texts["TooManyAttemptsError"].format(error.retry_after_s)
        case RefusedError():
            return texts["link"] if token or "link" in str(error) else texts["RefusedError"]
        case CrossSiteError():
            return texts["CrossSiteError"]
        case RejectedError():
            return texts["RejectedError"]
    return str(error)
