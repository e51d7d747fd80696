"""An asset among its like, drawn. Pure, SVG."""

from satomori_analytics.peers.comparing import Difference

_WIDE, _THIN, _DOT = 320.0, 16.0, 5.0


def among(found: Difference) -> str:
    """The others' band and middle on a line, and the asset's own dot. Words stand beside it, so it has none itself."""
    least, most = min(found.low, found.value), max(found.high, found.value)
    wide = max(most - least, 1e-12)

    def x(value: float) -> float:
        return _DOT + (_WIDE - 2 * _DOT) * (value - least) / wide

    low, high, middle = x(found.low), x(found.high), x(found.middle)
    own = "own" if found.low <= found.value <= found.high else "own off"
    half = _THIN / 2
    return (
        f'<svg viewBox="0 0 {_WIDE:.0f} {_THIN:.0f}" aria-hidden="true">'
        f'<line class="axis" x1="0" x2="{_WIDE:.0f}" y1="{half:.0f}" y2="{half:.0f}"/>'
        f'<rect class="band" x="{low:.1f}" y="2" width="{max(high - low, 2):.1f}" height="{_THIN - 4:.0f}"/>'
        f'<line class="middle" x1="{middle:.1f}" x2="{middle:.1f}" y1="2" y2="{_THIN - 2:.0f}"/>'
        f'<circle class="{own}" cx="{x(found.value):.1f}" cy="{half:.0f}" r="{_DOT:.0f}"/></svg>'
    )
