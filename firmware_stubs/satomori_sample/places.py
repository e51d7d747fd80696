"""Who and where in the sample region. All names are invented; the ground under them is a real stretch of countryside.

Three municipalities between the sea and the hills, their prefecture, five farms and a contractor. Tables, one row a
line: the sensors on these assets are in `region.py`.
"""

PREFECTURE = "satoyama"
CONTRACTOR = "yamabiko"

# id, kind, name, name_en
ORGANISATIONS = (
    (PREFECTURE, "prefecture", "里山県", "Satoyama Prefecture"),
    ("minato", "municipality", "みなと市", "Minato City"),
    ("aoba", "municipality", "青葉町", "Aoba Town"),
    ("hikari", "municipality", "ひかり村", "Hikari Village"),
    ("tanaka-farm", "farm", "田中農園", "Tanaka Farm"),
    ("inaho-coop", "farm", "農事組合法人いなほ", "Inaho Rice Cooperative"),
    ("hamakaze-farm", "farm", "はまかぜ園芸", "Hamakaze Greenhouses"),
    ("midori-farm", "farm", "みどり農場", "Midori Farm"),
    ("kogen-dairy", "farm", "ひかり高原牧場", "Hikari Highland Dairy"),
    (CONTRACTOR, "contractor", "やまびこ建設", "Yamabiko Construction"),
)

# What is how much warmer than by the sea.
WARMER_CEL = {"minato": 0.4, "aoba": 0.0, "hikari": -1.6}

# id, organisation, name, name_en, latitude, longitude
SITES = (
    ("minato-hall", "minato", "みなと市役所", "Minato City Hall", 34.1290, 133.6620),
    ("minato-sewer", "minato", "みなと市 下水道区域", "Minato sewer district", 34.1335, 133.6660),
    ("minato-roads", "minato", "みなと市 道路施設", "Minato roads", 34.1260, 133.6790),
    ("minato-ponds", "minato", "みなと市 ため池", "Minato ponds", 34.1130, 133.6910),
    ("aoba-hall", "aoba", "青葉町役場", "Aoba Town Hall", 34.1790, 133.7420),
    ("aoba-water", "aoba", "青葉町 揚水機場とため池", "Aoba pumps and ponds", 34.1700, 133.7350),
    ("aoba-roads", "aoba", "青葉町 道路施設", "Aoba roads", 34.1740, 133.7540),
    ("aoba-sewer", "aoba", "青葉町 下水道区域", "Aoba sewer district", 34.1800, 133.7370),
    ("hikari-office", "hikari", "ひかり村役場", "Hikari Village Office", 34.1150, 133.8010),
    ("hikari-hills", "hikari", "ひかり村 山手", "Hikari hills", 34.1060, 133.8150),
    ("hikari-roads", "hikari", "ひかり村 道路施設", "Hikari roads", 34.1180, 133.7900),
    ("prefecture-roads", PREFECTURE, "里山県 県道", "Prefectural roads", 34.1490, 133.7230),
    ("tanaka-fields", "tanaka-farm", "田中農園 圃場", "Tanaka fields", 34.1390, 133.7010),
    ("inaho-fields", "inaho-coop", "いなほ 圃場", "Inaho fields", 34.1640, 133.7280),
    ("hamakaze-houses", "hamakaze-farm", "はまかぜ園芸 ハウス団地", "Hamakaze greenhouses", 34.1210, 133.6750),
    ("midori-houses", "midori-farm", "みどり農場 ハウス", "Midori greenhouses", 34.1850, 133.7500),
    ("kogen-barns", "kogen-dairy", "ひかり高原牧場 牛舎", "Hikari Highland barns", 34.1010, 133.8050),
)

Attributes = dict[str, float | str]

# Every asset of the class has these, unless its row says otherwise.
CLASS_ATTRIBUTES: dict[str, Attributes] = {
    "paddy": {"transplanting_date": "06-10"},
    "irrigation_pond": {"level_warning_m": 3.9, "level_danger_m": 4.2},
    "sewer_manhole": {"level_warning_m": 1.5, "level_danger_m": 2.2},
    "bridge": {"displacement_warning_mm": 60},
}
# Degree-days above 10 °C from transplanting to heading, and of heading to harvest; round numbers of our own.
VARIETY_ATTRIBUTES: dict[str, Attributes] = {
    "コシヒカリ": {"heading_degree_days": 950},
    "ヒノヒカリ": {"heading_degree_days": 1200, "harvest_degree_days": 1050},
}
# A loam's: water by volume that it holds, and that plants can't take.
_LOAM: Attributes = {"field_capacity": 0.32, "wilting_point": 0.14}

# id, class, site, municipality, name, name_en, latitude, longitude, built_year, attributes
ASSETS: tuple[tuple[str, str, str, str, str, str, float, float, int | None, Attributes], ...] = (
    ("tanaka-paddy-1", "paddy", "tanaka-fields", "minato", "田中 一の田", "Tanaka paddy 1",
     34.1398, 133.7002, None, {"area_a": 30, "variety": "コシヒカリ"}),
    ("tanaka-paddy-2", "paddy", "tanaka-fields", "minato", "田中 二の田", "Tanaka paddy 2",
     34.1383, 133.7021, None, {"area_a": 28, "variety": "コシヒカリ"}),
    ("tanaka-paddy-3", "paddy", "tanaka-fields", "minato", "田中 川端の田", "Tanaka riverside paddy",
     34.1369, 133.7044, None, {"area_a": 22, "variety": "ヒノヒカリ"}),
    ("inaho-paddy-1", "paddy", "inaho-fields", "aoba", "いなほ 東区1号", "Inaho east 1",
     34.1652, 133.7295, None, {"area_a": 50, "variety": "ヒノヒカリ"}),
    ("inaho-paddy-2", "paddy", "inaho-fields", "aoba", "いなほ 東区2号", "Inaho east 2",
     34.1640, 133.7312, None, {"area_a": 50, "variety": "ヒノヒカリ"}),
    ("inaho-paddy-3", "paddy", "inaho-fields", "aoba", "いなほ 西区1号", "Inaho west 1",
     34.1631, 133.7255, None, {"area_a": 45, "variety": "コシヒカリ"}),
    ("inaho-paddy-4", "paddy", "inaho-fields", "aoba", "いなほ 西区2号", "Inaho west 2",
     34.1620, 133.7240, None, {"area_a": 45, "variety": "コシヒカリ"}),
    ("inaho-paddy-5", "paddy", "inaho-fields", "aoba", "いなほ 池下", "Inaho below the pond",
     34.1665, 133.7330, None, {"area_a": 38, "variety": "ヒノヒカリ"}),
    ("tanaka-upland", "upland_field", "tanaka-fields", "minato", "田中 たまねぎ畑", "Tanaka onion field",
     34.1378, 133.7058, None,
     {"area_a": 18, "crop": "タマネギ", "planting_date": "11-10", "root_depth_m": 0.4, **_LOAM}),
    ("inaho-orchard", "orchard", "inaho-fields", "aoba", "いなほ 梨園", "Inaho pear orchard",
     34.1673, 133.7268, None, {"area_a": 25, "crop": "ナシ", "root_depth_m": 0.8, **_LOAM}),
    ("hamakaze-house-1", "greenhouse", "hamakaze-houses", "minato", "はまかぜ 1号棟", "Hamakaze house 1",
     34.1214, 133.6745, 2009, {"crop": "ミニトマト"}),
    ("hamakaze-house-2", "greenhouse", "hamakaze-houses", "minato", "はまかぜ 2号棟", "Hamakaze house 2",
     34.1209, 133.6751, 2009, {"crop": "ミニトマト"}),
    ("hamakaze-house-3", "greenhouse", "hamakaze-houses", "minato", "はまかぜ 3号棟", "Hamakaze house 3",
     34.1204, 133.6758, 2014, {"crop": "キュウリ"}),
    ("midori-house-1", "greenhouse", "midori-houses", "aoba", "みどり いちご棟", "Midori strawberry house",
     34.1853, 133.7496, 2017, {"crop": "イチゴ"}),
    ("midori-house-2", "greenhouse", "midori-houses", "aoba", "みどり 育苗棟", "Midori nursery house",
     34.1847, 133.7505, 2017, {"crop": "イチゴ"}),
    ("kogen-barn-1", "cattle_barn", "kogen-barns", "hikari", "高原牧場 搾乳牛舎", "Highland milking barn",
     34.1013, 133.8046, 2016, {"herd": 62}),
    ("kogen-barn-2", "cattle_barn", "kogen-barns", "hikari", "高原牧場 乾乳牛舎", "Highland dry-cow barn",
     34.1009, 133.8055, 2016, {"herd": 18}),
    ("kogen-barn-3", "cattle_barn", "kogen-barns", "hikari", "高原牧場 育成牛舎", "Highland heifer barn",
     34.1004, 133.8061, 2020, {"herd": 35}),
    ("oike", "irrigation_pond", "minato-ponds", "minato", "大池", "Oike pond",
     34.1128, 133.6905, 1652, {"capacity_m3": 210000}),
    ("shin-ike", "irrigation_pond", "minato-ponds", "minato", "新池", "Shin-ike pond",
     34.1158, 133.6968, 1794, {"capacity_m3": 64000}),
    ("kame-ike", "irrigation_pond", "aoba-water", "aoba", "亀池", "Kame-ike pond",
     34.1690, 133.7362, 1701, {"capacity_m3": 120000}),
    ("hasu-ike", "irrigation_pond", "aoba-water", "aoba", "蓮池", "Hasu-ike pond",
     34.1722, 133.7318, 1820, {"capacity_m3": 48000}),
    ("tani-ike", "irrigation_pond", "hikari-hills", "hikari", "谷池", "Tani-ike pond",
     34.1085, 133.8092, 1868, {"capacity_m3": 35000}),
    ("oku-ike", "irrigation_pond", "hikari-hills", "hikari", "奥池", "Oku-ike pond",
     34.1041, 133.8186, 1911, {"capacity_m3": 82000}),
    ("minato-bridge-1", "bridge", "minato-roads", "minato", "みなと大橋", "Minato Great Bridge",
     34.1271, 133.6770, 1971, {"length_m": 84, "span_m": 28, "material": "鋼", "health_rating": "II",
                                 "inspections": "2015-06 I; 2020-06 II; 2025-06 II"}),
    ("minato-bridge-2", "bridge", "minato-roads", "minato", "塩田橋", "Shioda Bridge",
     34.1238, 133.6828, 1966, {"length_m": 38, "span_m": 12, "material": "RC", "health_rating": "III",
                                 "inspections": "2015-06 II; 2020-06 II; 2025-06 III"}),
    ("aoba-bridge-1", "bridge", "aoba-roads", "aoba", "青葉橋", "Aoba Bridge",
     34.1745, 133.7536, 1974, {"length_m": 52, "span_m": 26, "material": "鋼", "health_rating": "II"}),
    ("aoba-bridge-2", "bridge", "aoba-roads", "aoba", "水車橋", "Suisha Bridge",
     34.1719, 133.7580, 1983, {"length_m": 31, "span_m": 30, "material": "PC", "health_rating": "I"}),
    ("hikari-bridge-1", "bridge", "hikari-roads", "hikari", "ひかり橋", "Hikari Bridge",
     34.1184, 133.7893, 1969, {"length_m": 45, "span_m": 22, "material": "鋼", "health_rating": "III"}),
    ("kendo-bridge-1", "bridge", "prefecture-roads", "aoba", "県道 中川橋", "Nakagawa Bridge (prefectural road)",
     34.1492, 133.7226, 1978, {"length_m": 67, "span_m": 33, "material": "鋼", "health_rating": "II"}),
    ("minato-manhole-1", "sewer_manhole", "minato-sewer", "minato", "港町1丁目 人孔", "Minatomachi 1 manhole",
     34.1331, 133.6652, 1988, {"material": "ヒューム管", "diameter_m": 0.6}),
    ("minato-manhole-2", "sewer_manhole", "minato-sewer", "minato", "港町3丁目 人孔", "Minatomachi 3 manhole",
     34.1346, 133.6664, 1986, {"material": "ヒューム管", "diameter_m": 0.5}),
    ("minato-manhole-3", "sewer_manhole", "minato-sewer", "minato", "駅前 人孔", "Station manhole",
     34.1318, 133.6678, 1991, {"material": "ヒューム管", "diameter_m": 0.45}),
    ("minato-manhole-4", "sewer_manhole", "minato-sewer", "minato", "市場通り 人孔", "Market street manhole",
     34.1305, 133.6645, 1984, {"material": "ヒューム管", "diameter_m": 0.7}),
    ("aoba-manhole-1", "sewer_manhole", "aoba-sewer", "aoba", "青葉 役場前 人孔", "Aoba town hall manhole",
     34.1796, 133.7411, 1996, {"material": "塩化ビニル管", "diameter_m": 0.3}),
    ("aoba-manhole-2", "sewer_manhole", "aoba-sewer", "aoba", "青葉 川西 人孔", "Aoba Kawanishi manhole",
     34.1808, 133.7352, 1998, {"material": "ヒューム管", "diameter_m": 0.4}),
    ("aoba-pump-1", "pump_station", "aoba-water", "aoba", "青葉第一揚水機場", "Aoba pump station 1",
     34.1683, 133.7390, 1993, {"power_kw": 37, "starts_per_day_max": 72}),
    ("aoba-pump-2", "pump_station", "aoba-water", "aoba", "青葉第二揚水機場", "Aoba pump station 2",
     34.1712, 133.7402, 1999, {"power_kw": 30}),
    ("minato-pump-1", "pump_station", "minato-sewer", "minato", "港町排水機場", "Minatomachi drainage pumps",
     34.1352, 133.6671, 1987, {"power_kw": 55}),
    ("hikari-slope-1", "slope", "hikari-hills", "hikari", "村道峠線 法面", "Toge road slope",
     34.1052, 133.8131, 1992, {"health_rating": "III", "material": "風化花崗岩"}),
    ("hikari-slope-2", "slope", "hikari-hills", "hikari", "谷集落 裏山", "Hill behind Tani hamlet",
     34.1078, 133.8108, None, {"material": "風化花崗岩"}),
    ("kendo-slope-1", "slope", "prefecture-roads", "aoba", "県道 切土法面", "Prefectural road cutting",
     34.1515, 133.7265, 1985, {"health_rating": "II", "material": "砂岩"}),
)  # fmt: skip

# id, name, name_en, class (all of it), or members
GROUPS: tuple[tuple[str, str, str, str | tuple[str, ...]], ...] = (
    ("bridges", "三市町村の橋梁群", "Bridges of the three municipalities", "bridge"),
    ("sewers", "下水道管路群", "Sewer network", "sewer_manhole"),
    ("ponds", "防災重点ため池群", "Irrigation ponds", "irrigation_pond"),
    ("pumps", "ポンプ場群", "Pump stations", "pump_station"),
    ("slopes", "道路法面・斜面群", "Slopes", "slope"),
    ("paddies", "水田（水管理）", "Paddies", "paddy"),
    ("protected-crops", "施設園芸", "Greenhouses", "greenhouse"),
    ("kamegawa-water", "亀池水系（ため池・揚水・水田）", "Kame-ike water system",
     ("kame-ike", "hasu-ike", "aoba-pump-1", "aoba-pump-2", "inaho-paddy-1", "inaho-paddy-2", "inaho-paddy-5")),
)  # fmt: skip

# organisation, with, group (None: all of it)
SHARES: tuple[tuple[str, str, str | None], ...] = (
    ("minato", PREFECTURE, None),
    ("aoba", PREFECTURE, None),
    ("hikari", PREFECTURE, None),
    ("minato", "aoba", "bridges"),
    ("minato", "hikari", "bridges"),
    ("aoba", "minato", "bridges"),
    ("aoba", "hikari", "bridges"),
    ("hikari", "minato", "bridges"),
    ("hikari", "aoba", "bridges"),
    ("minato", CONTRACTOR, "bridges"),
    ("aoba", CONTRACTOR, "bridges"),
    ("hikari", CONTRACTOR, "bridges"),
    (PREFECTURE, CONTRACTOR, "slopes"),
    ("hikari", CONTRACTOR, "slopes"),
    ("aoba", "inaho-coop", "kamegawa-water"),
    ("minato", "tanaka-farm", "ponds"),
)
