"""The settings table [console]."""

from dataclasses import dataclass

GSI_TILES = "https://cyberjapandata.gsi.go.jp/xyz/pale/{z}/{x}/{y}.png"
# GSI asks for this attribution with a link (国土地理院コンテンツ利用規約).
GSI_ATTRIBUTION = '<a href="https://maps.gsi.go.jp/development/ichiran.html">国土地理院</a>'


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """`tiles_url`: the map's background, "" for none (a network without a way out).

    `refresh_s`: how often an open page asks for news. `alerts_max`, `assets_max`: how many a list shows at once.
    """

    tiles_url: str = GSI_TILES
    tiles_attribution: str = GSI_ATTRIBUTION
    refresh_s: float = 5.0
    alerts_max: int = 100
    assets_max: int = 300

    def __post_init__(self) -> None:
        for name, least, most in (("refresh_s", 1, 3600), ("alerts_max", 1, 1000), ("assets_max", 1, 5000)):
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} = {value}: a number from {least} to {most} is expected")
        if self.tiles_url and not self.tiles_url.startswith(("http://", "https://", "/")):
            raise ValueError(f"tiles_url = {self.tiles_url!r}: it starts with http://, https:// or /")
