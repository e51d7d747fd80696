// The region's map: markers by level over 国土地理院 tiles, and still a map (graticule, names, markers) without them.
import { leaflet as L } from "nicegui-leaflet";
import { loadResource } from "../../static/utils/resources.js";

const STEPS = [5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005];

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export default {
  template: "<div></div>",
  props: {
    markers: Array,
    places: Array,
    glyphs: Array,
    tiles: Object,
    words: Object,
    picking: Boolean,
    picked: Object,
    resourcePath: String,
  },
  emits: ["pick"],
  async mounted() {
    await this.$nextTick(); // window.path_prefix is set by then
    await loadResource(window.path_prefix + `${this.resourcePath}/leaflet/leaflet.css`);
    if (!this.$el.isConnected) return;
    // What is folded away has no size yet, and without one there is no view.
    this.observer = new ResizeObserver(() => (this.map ? this.map.invalidateSize() : this.build()));
    this.observer.observe(this.$el);
    this.build();
  },
  unmounted() {
    this.observer?.disconnect();
    this.map?.remove();
  },
  watch: {
    markers() {
      if (this.map && this.shown.size === 0 && !this.picking) this.fit(); // the first ones; later the view stays
      this.draw();
    },
    picked() {
      this.draw_picked();
    },
  },
  methods: {
    build() {
      if (this.map || this.$el.clientWidth === 0) return;
      const map = L.map(this.$el, { scrollWheelZoom: false, zoomSnap: 0.5, attributionControl: true });
      map.attributionControl.setPrefix(false);
      map.on("focus", () => map.scrollWheelZoom.enable());
      map.on("blur", () => map.scrollWheelZoom.disable());
      map.createPane("graticule").style.zIndex = 150; // below the tiles, which are at 200
      this.map = map;
      this.shown = new Map();
      this.grid = L.layerGroup().addTo(map);
      map.on("moveend", () => this.draw_grid());
      this.fit(); // a marker gets its element only when the map has a view
      this.draw();
      this.draw_picked();
      this.add_tiles();
      if (this.picking)
        map.on("click", (event) =>
          this.$emit("pick", { latitude: event.latlng.lat, longitude: event.latlng.wrap().lng }),
        );
    },
    draw_picked() {
      if (!this.map) return;
      this.cross?.remove();
      if (!this.picked) return;
      const at = [this.picked.latitude, this.picked.longitude];
      const icon = L.divIcon({ className: "epicentre", iconSize: [36, 36], html: element("span", "", "×") });
      this.cross = L.marker(at, { icon, interactive: false, keyboard: false }).addTo(this.map);
      if (!this.map.getBounds().contains(at)) this.map.panTo(at);
    },
    add_tiles() {
      if (!this.tiles.url) return;
      const layer = L.tileLayer(this.tiles.url, { attribution: this.tiles.attribution, maxZoom: 18, minZoom: 5 });
      const note = L.control({ position: "bottomleft" });
      note.onAdd = () => element("div", "notice map-away", this.words.tilesAway);
      let loaded = 0;
      layer.on("tileload", () => {
        loaded += 1;
        if (note._map) note.remove();
      });
      layer.on("tileerror", () => {
        if (loaded === 0 && !note._map && this.map) note.addTo(this.map);
      });
      layer.addTo(this.map);
    },
    fit() {
      const points = (this.picking ? this.places : this.markers).map((m) => [m.latitude, m.longitude]);
      // An epicentre may lie a hundred kilometres off.
      if (points.length === 0) this.map.setView([36.5, 138], 6);
      else this.map.fitBounds(points, { padding: [36, 36], maxZoom: this.picking ? 8 : 14 });
    },
    draw() {
      if (!this.map) return;
      const wanted = new Set(this.markers.map((m) => m.id));
      for (const [id, { marker }] of this.shown) {
        if (!wanted.has(id)) {
          marker.remove();
          this.shown.delete(id);
        }
      }
      for (const m of this.markers) this.draw_marker(m);
      this.names?.remove();
      this.names = L.layerGroup(
        this.places.map((place) =>
          L.marker([place.latitude, place.longitude], {
            interactive: false,
            keyboard: false,
            zIndexOffset: 1000,
            icon: L.divIcon({
              className: "place-name",
              iconSize: [160, 20],
              iconAnchor: [80, 42], // above the northernmost marker
              html: element("span", "", place.name),
            }),
          }),
        ),
      ).addTo(this.map);
    },
    draw_marker(m) {
      const before = this.shown.get(m.id);
      const signature = JSON.stringify(m);
      if (before?.signature === signature) return;
      before?.marker.remove();
      const size = m.level === 0 ? 22 : m.level === 1 ? 24 : 30;
      const icon = m.pin
        ? L.divIcon({
            className: `pin order-pin l${m.level}${m.done ? " done" : ""}${m.pin === "•" ? " dot" : ""}`,
            iconSize: m.pin === "•" ? [20, 20] : [32, 32],
            html: element("span", "", m.pin),
          })
        : L.divIcon({ className: "pin", iconSize: [size, size], html: this.glyphs[m.level] });
      const marker = L.marker([m.latitude, m.longitude], {
        icon,
        alt: m.label,
        title: m.label,
        zIndexOffset: m.pin && !m.done ? 2000 - 10 * (Number(m.pin) || 99) : m.level * 100,
      });
      const box = element("div", "pop");
      box.append(element("span", "pop-name", m.name), element("span", "", m.detail), document.createElement("br"));
      const link = element("a", "pop-link", this.words.open);
      link.href = m.href;
      box.append(link);
      marker.bindPopup(box);
      marker.addTo(this.map);
      marker.getElement()?.setAttribute("aria-label", m.label);
      this.shown.set(m.id, { marker, signature });
    },
    draw_grid() {
      const bounds = this.map.getBounds();
      const width = bounds.getEast() - bounds.getWest();
      const step = STEPS.find((s) => width / s >= 3) ?? STEPS[STEPS.length - 1];
      const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3;
      this.grid.clearLayers();
      const line = (points) =>
        this.grid.addLayer(
          L.polyline(points, { pane: "graticule", color: "#9fb0a5", weight: 1, opacity: 0.6, interactive: false }),
        );
      const label = (point, text, anchor) =>
        this.grid.addLayer(
          L.marker(point, {
            pane: "graticule",
            interactive: false,
            keyboard: false,
            icon: L.divIcon({ className: "grid-label", iconSize: [60, 14], iconAnchor: anchor, html: element("span", "", text) }),
          }),
        );
      const north = bounds.getNorth(), south = bounds.getSouth(), west = bounds.getWest(), east = bounds.getEast();
      for (let lon = Math.ceil(west / step) * step; lon <= east; lon += step) {
        line([[south, lon], [north, lon]]);
        label([south, lon], `${lon.toFixed(digits)}°E`, [-3, 16]);
      }
      for (let lat = Math.ceil(south / step) * step; lat <= north; lat += step) {
        line([[lat, west], [lat, east]]);
        label([lat, west], `${lat.toFixed(digits)}°N`, [-60, 15]);
      }
    },
  },
};
