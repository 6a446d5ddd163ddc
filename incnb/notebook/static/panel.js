/* The panel of incnb: one row for each tracked cell, live.
 *
 * A Store holds what one kernel-side panel has told, and is shared by all its views: rows by key, their order, what a
 * person asked for. A View is one place where it is shown. Updates are keyed: a message names the rows that changed, and
 * only their elements are touched; details and arcs exist only while they are looked at.
 *
 * Texts of the user's go into the page by `textContent` alone, nothing is fetched, and keys that are pressed inside stay
 * inside, so that no shortcut of the notebook deletes a cell while somebody moves through rows.
 */

const STATUSES = {
  reused: "✓",
  cutoff: "✂",
  executed: "▲",
  failed: "✗",
  blocked: "■",
};
const RAN = new Set(["executed", "failed", "blocked"]);
const QUEUED = { force: "run next time", forget: "forget", pin: "pin", unpin: "unpin", accept: "accept" };
const ASKED = { force: "runs next time", accept: "accept waits for the next run", forget: "to be forgotten", pin: "to be pinned" };
const KIND_ORDER = ["config", "code", "value", "file", "env", "package", "module", "ambient", "python", "source", "version"];
const NOT_KNOWN = "–";
const SVG = "http://www.w3.org/2000/svg";
const ARC_ROW = 26;
let ids = 0;

/* -- small things */

/** An element: attributes by name (`class`, `text`, `on*` for listeners), then children. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function drawn(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Rounded as Python rounds: a half goes to the even neighbour. No more than one digit. */
function rounded(value, digits = 0) {
  const steps = digits ? 2 : 1; // a half of the last digit is n + 1/2, or n + 1/4 and n + 3/4: exact in binary
  const isHalf = Number.isInteger(value * 2 * steps) && !Number.isInteger(value * steps);
  const scale = 10 ** digits;
  return isHalf ? ((2 * Math.round((value * scale) / 2)) / scale).toFixed(digits) : value.toFixed(digits);
}

/* durations and sizes as `incnb.explain.words` says them everywhere else */

function duration(value) {
  if (typeof value !== "number") return NOT_KNOWN;
  if (value < 0.00005) return "0 ms";
  if (value < 0.01) return `${rounded(value * 1000, 1)} ms`;
  if (value < 0.9995) return `${rounded(value * 1000)} ms`;
  if (value < 59.95) return `${rounded(value, 1).replace(/\.0$/, "")} s`;
  const whole = Number(rounded(value));
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function bytes(count) {
  if (typeof count !== "number") return NOT_KNOWN;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${rounded(value, unit === 0 || value >= 99.95 ? 0 : 1)} ${units[unit]}`;
}

function isSaving(event) {
  return (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "s";
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function clock(seconds) {
  return seconds ? new Date(seconds * 1000).toLocaleTimeString() : "an unknown time";
}

function statusOf(row) {
  return row.status ?? "not run";
}

function statusClass(row) {
  return `is-${statusOf(row).replace(" ", "-")}`;
}

function name(row) {
  return row.number === null || row.number === undefined ? row.title : `${row.title} [${row.number}]`;
}

/** The first reason in words, and how many more there are; of a blocked cell what blocks it comes first. */
function why(row) {
  let reasons = (row.reasons ?? []).filter((reason) => reason.kind !== "items");
  if (row.status === "blocked") reasons = [...reasons].sort((a, b) => (b.code === "effect") - (a.code === "effect"));
  if (!reasons.length) return { text: row.status ? "" : row.line ?? "", more: 0 };
  return { text: reasons[0].text || reasons[0].detail || reasons[0].code, more: reasons.length - 1 };
}

const searchable = new WeakMap();

function haystack(row) {
  let text = searchable.get(row);
  if (text === undefined) {
    text = [
      row.title,
      row.number === null ? "" : `[${row.number}]`,
      ...(row.reasons ?? []).flatMap((reason) => [reason.text, reason.locator, reason.code]),
      ...(row.changes ?? []).map((change) => change.locator),
      ...(row.outputs ?? []).map((output) => output.name),
    ]
      .join("\n")
      .toLowerCase();
    searchable.set(row, text);
  }
  return text;
}

/* -- what is known */

class Store {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.asks = new Map();
    this.answers = new Map(); // by key: the latest answer, until the cell runs again
    this.over = "";
    this.load(model.get("state") ?? {});
    this.onMessage = (message) => this.receive(message);
    this.onReplaced = () => {
      this.load(this.model.get("state") ?? {});
      this.changed(null);
    };
    model.on("msg:custom", this.onMessage);
    model.on("change:state", this.onReplaced);
  }

  load(state) {
    this.rows = new Map((state.rows ?? []).map((row) => [row.key, row]));
    this.order = (state.rows ?? []).map((row) => row.key);
    this.seq = state.seq ?? 0;
    this.time = state.time ?? 0;
    this.running = state.running ?? null;
    this.refresher = state.refresher ?? "";
    if (state.over) this.over = state.over;
  }

  dispose() {
    this.model.off("msg:custom", this.onMessage);
    this.model.off("change:state", this.onReplaced);
  }

  receive(message) {
    if (message.do === "rows") this.take(message);
    else if (message.do === "running") {
      const before = this.running;
      this.running = message.running;
      this.answers.delete(message.running?.key);
      this.changed([before?.key, this.running?.key].filter(Boolean));
    } else if (message.do === "state") {
      this.load(message.state);
      this.changed(null);
    } else if (message.do === "refresher") {
      this.refresher = message.line;
      this.changed([]);
    } else if (message.do === "answer") this.answered(message);
    else if (message.do === "ended") this.end(message.text);
  }

  take(message) {
    if (message.seq > this.seq + 1) this.model.send({ do: "sync" });
    this.seq = Math.max(this.seq, message.seq);
    this.time = message.time;
    const keys = [];
    for (const row of message.rows) {
      if (this.rows.get(row.key)?.line !== row.line) this.answers.delete(row.key); // another run
      this.rows.set(row.key, row);
      keys.push(row.key);
      if (this.running?.key === row.key) this.running = null;
      if (!this.order.includes(row.key)) this.order.push(row.key);
    }
    if (message.order) {
      this.order = message.order.filter((key) => this.rows.has(key));
      const known = new Set(this.order);
      for (const key of [...this.rows.keys()]) if (!known.has(key)) this.rows.delete(key);
    }
    this.changed(keys, true);
  }

  end(text) {
    if (this.over) return;
    this.over = text;
    for (const ask of this.asks.values()) {
      this.answers.set(ask.key, { ok: false, text: `${QUEUED[ask.action]}: not done. ${text}` });
    }
    this.asks.clear();
    this.running = null;
    this.changed(null);
  }

  /** Whether the front end has lost the kernel: the model says so, which may be behind a proxy that does not. */
  async isCut() {
    if ("comm_live" in this.model) return this.model.comm_live === false;
    try {
      return (await this.model.widget_manager.get_model(this.model.get("uid"))).comm_live === false;
    } catch {
      return false;
    }
  }

  gone() {
    this.end(`The kernel is gone; what is shown is of ${clock(this.time)}.`);
  }

  ask(action, key, reason) {
    if (this.queued(key).includes(action)) return;
    const ask = ++ids;
    this.answers.delete(key);
    this.asks.set(ask, { ask, action, key });
    try {
      this.model.send({ do: "act", ask, action, key, reason: reason ?? "" });
    } catch {
      this.gone(); // a front end that lost its kernel without saying so
      return;
    }
    this.say(`${QUEUED[action]}: queued`);
    this.changed([key]);
  }

  answered(message) {
    this.asks.delete(message.ask);
    this.answers.set(message.key, { ok: message.ok, text: message.text });
    this.say(message.ok ? message.text : `Not done: ${message.text}`);
    this.changed([message.key]);
  }

  queued(key) {
    return [...this.asks.values()].filter((ask) => ask.key === key).map((ask) => ask.action);
  }

  say(text) {
    for (const view of this.views) view.say(text);
  }

  /** `keys` null: everything. `news`: rows were decided, which is worth telling somebody who cannot see it. */
  changed(keys, news = false) {
    for (const view of this.views) view.changed(keys, news);
  }
}

/* -- a place where it is shown */

class View {
  constructor(store, el) {
    this.store = store;
    this.el = el;
    this.id = `incnb-${++ids}`;
    this.elements = new Map();
    this.open = new Map(); // key -> the elements of its details
    this.folds = new Map(); // key -> which folded parts are open
    this.only = new Set(); // statuses that are shown; none = all
    this.query = "";
    this.mode = "table";
    this.current = null; // the key of the row that Tab leads to
    this.dirty = new Set();
    this.all = true;
    this.news = new Set();
    this.waiting = 0;
    this.build();
    store.views.add(this);
    this.flush();
    this.watch();
  }

  dispose() {
    this.store.views.delete(this);
    window.removeEventListener("keydown", this.onAnyKey, true);
    this.watcher?.disconnect();
    this.store.model.off?.("comm_live_update", this.onLive);
    this.unschedule();
    this.root.remove();
  }

  build() {
    this.counts = make("div", { class: "incnb-counts", role: "group", "aria-label": "Show only" });
    this.chips = new Map();
    this.total = make("span", { class: "incnb-total" });
    this.saved = make("span", { class: "incnb-saved" });
    this.items = make("span", { class: "incnb-saved" });
    this.search = make("input", {
      class: "incnb-search",
      type: "search",
      placeholder: "Search title, reason, name  ( / )",
      "aria-label": "Search title, reason or name",
      spellcheck: "false",
      oninput: () => {
        this.query = this.search.value.trim().toLowerCase();
        this.changed(null);
      },
    });
    this.modes = ["table", "arcs"].map((mode) =>
      make("button", {
        type: "button",
        class: "incnb-mode",
        text: mode === "table" ? "Cells" : "Who reads whom",
        "aria-pressed": String(mode === this.mode),
        "data-mode": mode,
        onclick: () => this.show(mode),
      }),
    );
    this.refresher = make("div", { class: "incnb-refresher", hidden: true });
    this.notice = make("div", { class: "incnb-notice", role: "status", hidden: true });
    const columns = ["Status", "No.", "Cell", "Why", "Items", "Now", "Recorded", "Saved", "Size"];
    const classes = ["status", "number", "title", "why", "items", "now", "recorded", "saved", "size"];
    const head = make("div", { role: "row", class: "incnb-row incnb-columns" });
    columns.forEach((text, at) => head.append(make("div", { role: "columnheader", class: `incnb-${classes[at]}`, text })));
    this.body = make("div", { role: "rowgroup", class: "incnb-body" });
    this.grid = make(
      "div",
      { role: "treegrid", class: "incnb-grid", "aria-label": "Tracked cells of this session", tabindex: "-1" },
      make("div", { role: "rowgroup", class: "incnb-names" }, head),
      this.body,
    );
    this.arcs = make("div", { class: "incnb-arcs", hidden: true });
    this.empty = make("p", { class: "incnb-empty", hidden: true });
    this.live = make("div", { class: "incnb-live", "aria-live": "polite" });
    this.root = make(
      "section",
      { class: "incnb-panel", tabindex: "-1", "aria-label": "incnb: the cells of this session", "data-lm-suppress-shortcuts": "true" },
      make("div", { class: "incnb-head" }, this.total, this.counts, this.items, this.saved),
      make("div", { class: "incnb-tools" }, this.search, make("div", { class: "incnb-modes", role: "group", "aria-label": "View" }, ...this.modes)),
      this.refresher,
      this.notice,
      this.grid,
      this.arcs,
      this.empty,
      this.live,
    );
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("pointerdown", (event) => this.takeFocus(event.target));
    this.root.addEventListener("mousedown", (event) => this.takeFocus(event.target));
    // before the application looks: saving is the one shortcut of it that works in here as well
    this.onAnyKey = (event) => this.root.toggleAttribute("data-lm-suppress-shortcuts", !isSaving(event));
    window.addEventListener("keydown", this.onAnyKey, true);
    this.body.addEventListener("click", (event) => this.click(event));
    this.body.addEventListener("focusin", (event) => {
      const element = event.target.closest(".incnb-row[data-key]");
      if (element) this.rove(element.dataset.key);
    });
    this.el.append(this.root);
  }

  /** The front end marks the view when the way to the kernel is cut. */
  watch() {
    const look = async () => {
      if ((await this.store.isCut()) || this.el.closest(".jupyter-widgets-disconnected")) this.store.gone();
    };
    this.onLive = () => setTimeout(look, 0);
    this.store.model.on("comm_live_update", this.onLive);
    this.watcher = new MutationObserver(look);
    this.watcher.observe(this.el, { attributes: true, attributeFilter: ["class"] });
    setTimeout(look, 0);
  }

  /* -- updating */

  changed(keys, news) {
    if (keys === null) this.all = true;
    else
      for (const key of keys) {
        this.dirty.add(key);
        if (news) this.news.add(key);
      }
    if (this.waiting) return;
    // a page in the background draws no frames
    this.frame = !document.hidden;
    this.waiting = this.frame ? requestAnimationFrame(() => this.flush()) : setTimeout(() => this.flush(), 50);
  }

  unschedule() {
    if (this.waiting) (this.frame ? cancelAnimationFrame : clearTimeout)(this.waiting);
    this.waiting = 0;
  }

  flush() {
    this.unschedule();
    const { all, dirty, news } = this;
    this.all = false;
    this.dirty = new Set();
    this.news = new Set();
    const focused = this.root.contains(document.activeElement);
    this.drawHead();
    this.drawNotice();
    const keys = this.keys();
    if (this.mode === "table") this.drawRows(keys, all ? null : dirty);
    else this.drawArcs(keys);
    const at = document.activeElement;
    if (focused && (!this.root.contains(at) || at.closest("[hidden]"))) this.root.focus({ preventScroll: true });
    this.announce([...news]);
  }

  /** The keys that are shown, in order; a cell that runs for the first time comes last. */
  keys() {
    const { store } = this;
    const order = [...store.order];
    if (store.running && !store.rows.has(store.running.key)) order.push(store.running.key);
    return order;
  }

  row(key) {
    const { store } = this;
    return store.rows.get(key) ?? { key, title: store.running?.title ?? "", number: null, status: null, line: "it runs for the first time" };
  }

  isShown(row) {
    if (this.only.size && !this.only.has(statusOf(row))) return false;
    return !this.query || haystack(row).includes(this.query);
  }

  drawHead() {
    const counts = new Map();
    let ran = 0;
    let reused = 0;
    let failed = 0;
    let saved = null;
    let unknown = 0;
    for (const row of this.store.rows.values()) {
      counts.set(statusOf(row), (counts.get(statusOf(row)) ?? 0) + 1);
      if (row.items) {
        ran += row.items.executed;
        reused += row.items.reused;
        failed += row.items.failed;
      }
      if (typeof row.seconds?.saved === "number") saved = (saved ?? 0) + row.seconds.saved;
      else if (row.status === "reused" || row.status === "cutoff") unknown += 1;
    }
    setText(this.total, plural(this.store.rows.size, "cell"));
    for (const status of [...Object.keys(STATUSES), "not run"]) {
      const count = counts.get(status) ?? 0;
      let chip = this.chips.get(status);
      if (!chip && count) {
        chip = make("button", {
          type: "button",
          class: `incnb-chip is-${status.replace(" ", "-")}`,
          "aria-pressed": "false",
          "data-status": status,
          title: `Show only cells that are ${status}`,
          onclick: () => this.toggle(status),
        });
        this.chips.set(status, chip);
        this.counts.append(...[...Object.keys(STATUSES), "not run"].map((s) => this.chips.get(s)).filter(Boolean));
      }
      if (chip) {
        setText(chip, `${STATUSES[status] ?? "·"} ${count} ${status}`);
        chip.hidden = !count && !this.only.has(status);
      }
    }
    const items = ran + reused + failed;
    const parts = [`${reused} of ${plural(items, "item")} reused`];
    if (failed) parts.push(`${failed} failed`);
    setText(this.items, items ? parts.join(", ") : "");
    this.items.hidden = !items;
    const known = saved === null ? "seconds saved: unknown" : `saved ${duration(saved)}, measured`;
    setText(this.saved, saved !== null && unknown ? `${known} (${unknown} unknown)` : known);
    this.saved.hidden = !this.store.rows.size;
  }

  drawNotice() {
    setText(this.refresher, `Refresher: ${this.store.refresher}`);
    this.refresher.hidden = !this.store.refresher;
    setText(this.notice, this.store.over);
    this.notice.hidden = !this.store.over;
    this.root.classList.toggle("is-over", Boolean(this.store.over));
  }

  drawRows(keys, dirty) {
    const wanted = new Set(keys);
    for (const [key, parts] of this.elements) {
      if (!wanted.has(key)) {
        this.close(key);
        parts.row.remove();
        this.elements.delete(key);
      }
    }
    let shown = 0;
    let at = this.body.firstChild;
    const fresh = document.createDocumentFragment();
    for (const key of keys) {
      const row = this.row(key);
      let parts = this.elements.get(key);
      const isNew = !parts;
      if (isNew) {
        parts = this.makeRow(key);
        this.elements.set(key, parts);
      }
      if (isNew || dirty === null || dirty.has(key)) this.fillRow(parts, row);
      const hidden = !this.isShown(row);
      if (parts.row.hidden !== hidden) parts.row.hidden = hidden;
      const details = this.open.get(key);
      if (details) details.element.hidden = hidden;
      if (!hidden) shown += 1;
      if (isNew && at === null) fresh.append(parts.row);
      else if (at === parts.row) at = (details?.element ?? parts.row).nextSibling;
      else {
        this.place(parts.row, at);
        if (details) this.place(details.element, at);
      }
    }
    if (fresh.childNodes.length) this.body.append(fresh);
    const current = this.elements.get(this.current);
    if (!current || current.row.hidden) this.rove(keys.find((key) => !this.elements.get(key).row.hidden) ?? null);
    this.grid.hidden = !shown;
    this.tellEmpty(shown);
  }

  /** Move an element; what has the focus in it keeps it. */
  place(element, before) {
    const active = document.activeElement;
    this.body.insertBefore(element, before);
    if (element.contains(active)) active.focus({ preventScroll: true });
  }

  tellEmpty(shown) {
    this.empty.hidden = shown > 0;
    if (shown) return;
    const none = "No tracked cell has run in this session yet. Begin a cell with %%incremental, or track all with %incremental on.";
    setText(this.empty, this.store.rows.size ? "No cell is like that." : none);
  }

  makeRow(key) {
    const cell = (kind, ...children) => make("div", { role: "gridcell", class: `incnb-${kind}` }, ...children);
    const parts = {
      glyph: make("span", { class: "incnb-glyph", "aria-hidden": "true" }),
      status: make("span"),
      number: cell("number"),
      title: make("span", { class: "incnb-name" }),
      tags: make("span", { class: "incnb-tags" }),
      why: make("span"),
      more: make("span", { class: "incnb-more" }),
      items: cell("items"),
      now: cell("now"),
      recorded: cell("recorded"),
      saved: cell("saved"),
      size: cell("size"),
    };
    parts.row = make(
      "div",
      { role: "row", class: "incnb-row", "data-key": key, tabindex: "-1", "aria-expanded": "false", "aria-level": "1" },
      cell("status", parts.glyph, " ", parts.status),
      parts.number,
      cell("title", parts.title, " ", parts.tags),
      cell("why", parts.why, " ", parts.more),
      parts.items,
      parts.now,
      parts.recorded,
      parts.saved,
      parts.size,
    );
    return parts;
  }

  fillRow(parts, row) {
    const { store } = this;
    const runs = store.running?.key === row.key;
    parts.row.className = `incnb-row ${runs ? "is-running" : statusClass(row)}`;
    setText(parts.glyph, runs ? "◌" : row.glyph ?? "·");
    setText(parts.status, runs ? "running" : statusOf(row));
    setText(parts.number, row.number === null || row.number === undefined ? "" : `[${row.number}]`);
    setText(parts.title, row.title);
    parts.title.title = row.title;
    const tags = [];
    if (row.pinned) tags.push(["pinned", ""]);
    for (const asked of row.asked ?? []) tags.push([ASKED[asked] ?? asked, "is-asked"]);
    for (const action of store.queued(row.key)) tags.push([`queued: ${QUEUED[action]}`, "is-queued"]);
    if (store.answers.get(row.key)?.ok === false) tags.push(["not done", "is-refused"]);
    const told = JSON.stringify(tags);
    if (parts.told !== told) {
      parts.told = told;
      parts.tags.replaceChildren(...tags.map(([text, kind]) => make("span", { class: `incnb-tag ${kind}`, text })));
    }
    const { text, more } = why(row);
    setText(parts.why, text);
    parts.why.title = row.line ?? "";
    setText(parts.more, more > 0 ? `+${more}` : "");
    parts.more.title = more > 0 ? plural(more, "more reason") : "";
    this.fillItems(parts.items, row.items);
    const seconds = row.seconds ?? {};
    setText(parts.now, duration(row.status ? seconds.now : null));
    setText(parts.recorded, duration(seconds.recorded));
    setText(parts.saved, duration(seconds.saved));
    setText(parts.size, bytes(row.bytes));
    const details = this.open.get(row.key);
    if (details) this.fillDetails(details, row);
  }

  fillItems(cell, items) {
    const told = items ? JSON.stringify(items) : "";
    if (cell.dataset.told === told) return;
    cell.dataset.told = told;
    cell.replaceChildren();
    cell.removeAttribute("title");
    const all = items ? items.executed + items.reused + items.failed : 0;
    if (!all) return;
    const bar = make("span", { class: "incnb-bar", "aria-hidden": "true" });
    for (const kind of ["reused", "executed", "failed"]) {
      if (!items[kind]) continue;
      const piece = make("span", { class: `incnb-piece is-${kind}` });
      piece.style.flexGrow = String(items[kind]);
      bar.append(piece);
    }
    const text = `${items.reused} of ${all} items reused, ${items.executed} executed${items.failed ? `, ${items.failed} failed` : ""}`;
    cell.title = text;
    cell.append(bar, make("span", { class: "incnb-of", "aria-hidden": "true", text: `${items.reused}/${all}` }), make("span", { class: "incnb-live", text }));
  }

  announce(keys) {
    const rows = keys.map((key) => this.store.rows.get(key)).filter(Boolean);
    if (rows.length > 3) this.say(`${rows.length} cells updated`);
    else if (rows.length) this.say(rows.map((row) => `${name(row)}: ${statusOf(row)}. ${why(row).text}`).join(" "));
  }

  say(text) {
    setText(this.live, text);
  }

  /* -- details */

  toggleRow(key, focus) {
    if (this.open.has(key)) this.close(key);
    else this.openRow(key);
    if (focus) this.elements.get(key)?.row.focus();
  }

  openRow(key) {
    const parts = this.elements.get(key);
    if (!parts || this.open.has(key)) return;
    const row = this.row(key);
    const id = `${this.id}-${++ids}`;
    const details = { actions: make("div", { class: "incnb-actions" }), body: make("div", { class: "incnb-more-of" }) };
    details.element = make(
      "div",
      { role: "row", class: "incnb-details", "aria-level": "2", id, "data-of": key },
      make("div", { role: "gridcell", class: "incnb-inside", "aria-label": `More about ${row.title}` }, details.actions, details.body),
    );
    this.makeActions(details, key);
    this.open.set(key, details);
    parts.row.setAttribute("aria-expanded", "true");
    parts.row.setAttribute("aria-controls", id);
    parts.row.after(details.element);
    this.fillDetails(details, row);
  }

  close(key) {
    const details = this.open.get(key);
    if (!details) return;
    const inside = details.element.contains(document.activeElement);
    details.element.remove();
    this.open.delete(key);
    const row = this.elements.get(key)?.row;
    row?.setAttribute("aria-expanded", "false");
    row?.removeAttribute("aria-controls");
    if (inside) row?.focus();
  }

  makeActions(details, key) {
    // a button that loses its use keeps the focus: pressing it again does nothing
    const button = (text, title, action) =>
      make("button", {
        type: "button",
        class: "incnb-button",
        text,
        title,
        onclick: (event) => {
          this.fillDetails(details, this.row(key)); // a second click may come before the next frame
          if (event.currentTarget.getAttribute("aria-disabled") !== "true") action();
        },
      });
    const { store } = this;
    details.force = button("Run next time", "The next run of this cell executes it, whatever is saved", () => store.ask("force", key));
    details.pin = button("Pin", "", () => store.ask(this.row(key).pinned ? "unpin" : "pin", key));
    details.accept = button("Accept…", "An edit did not change the result: reuse what is saved", () => this.askWhy(details, key));
    details.forget = button("Forget…", "Drop what is saved of this cell", () => this.askWhether(details, key));
    details.form = make("form", { class: "incnb-form", novalidate: true, hidden: true });
    details.draft = "";
    details.answer = make("p", { class: "incnb-answer", hidden: true });
    details.actions.append(details.force, details.pin, details.accept, details.forget, details.form, details.answer);
  }

  /** A line with a question below the buttons; `send` is called when it is answered with yes. */
  question(details, opener, content, yes, send) {
    const done = () => {
      if (opener === details.accept) details.draft = "";
      details.form.hidden = true;
      details.form.replaceChildren();
      opener.focus();
    };
    details.form.replaceChildren(
      ...content,
      make("button", { type: "submit", class: "incnb-button is-strong", text: yes }),
      make("button", { type: "button", class: "incnb-button", text: "Cancel", onclick: done }),
    );
    details.form.onsubmit = (event) => {
      event.preventDefault();
      event.stopPropagation();
      if (send() !== false) done();
    };
    details.cancel = done;
    details.form.hidden = false;
  }

  askWhy(details, key) {
    const wanted = make("span", { class: "incnb-wanted", role: "alert" });
    const field = make("input", {
      class: "incnb-search",
      type: "text",
      required: true,
      maxlength: "200",
      placeholder: "Why is the result the same?",
      oninput: () => {
        details.draft = field.value;
        setText(wanted, "");
      },
    });
    field.value = details.draft;
    const label = make("label", { class: "incnb-label" }, "Reason, kept and shown: ", field);
    this.question(details, details.accept, [label, wanted], "Accept", () => {
      if (!field.value.trim()) {
        setText(wanted, "A reason is wanted: it is kept and shown.");
        field.focus();
        return false;
      }
      this.store.ask("accept", key, field.value.trim());
      return true;
    });
    field.focus();
  }

  askWhether(details, key) {
    const text = make("span", { text: "What is saved of this cell is dropped; it will execute. " });
    this.question(details, details.forget, [text], "Forget", () => this.store.ask("forget", key));
    details.form.querySelector("button").focus();
  }

  fillDetails(details, row) {
    const { store } = this;
    const queued = new Set(store.queued(row.key));
    const over = Boolean(store.over) || !store.rows.has(row.key);
    const forced = queued.has("force") || (row.asked ?? []).includes("force");
    details.force.setAttribute("aria-disabled", String(over || forced));
    setText(details.force, queued.has("force") ? "Run next time: queued" : forced ? "Runs next time" : "Run next time");
    details.pin.setAttribute("aria-disabled", String(over || queued.has("pin") || queued.has("unpin")));
    const pin = queued.has("pin") ? "Pin: queued" : queued.has("unpin") ? "Unpin: queued" : row.pinned ? "Unpin" : "Pin";
    setText(details.pin, pin);
    details.pin.title = row.pinned ? "What is saved may be left out or collected again" : "Always save it, and never collect it";
    details.accept.setAttribute("aria-disabled", String(over || queued.has("accept")));
    setText(details.accept, queued.has("accept") ? "Accept: queued" : "Accept…");
    details.forget.setAttribute("aria-disabled", String(over || queued.has("forget")));
    setText(details.forget, queued.has("forget") ? "Forget: queued" : "Forget…");
    const answer = store.answers.get(row.key);
    setText(details.answer, answer?.text ?? "");
    details.answer.classList.toggle("is-refused", answer?.ok === false);
    details.answer.hidden = !answer;
    if (details.row === row) return;
    details.row = row;
    const at = details.body.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
    details.body.replaceChildren(...this.sections(row));
    if (at) details.body.querySelector(`[data-focus="${CSS.escape(at)}"]`)?.focus();
  }

  sections(row) {
    return [this.reasons(row), this.relied(row), this.outputs(row), this.readings(row), this.facts(row)].filter(Boolean);
  }

  section(title, ...children) {
    return make("div", { class: "incnb-section" }, make("h4", { text: title }), ...children);
  }

  reasons(row) {
    const reasons = row.reasons ?? [];
    if (!reasons.length) return null;
    const list = make("ul", { class: "incnb-reasons" });
    for (const reason of reasons) {
      list.append(make("li", {}, make("code", { class: "incnb-code", text: reason.code }), " ", reason.text || reason.detail || ""));
    }
    for (const of of row.items?.why ?? []) {
      const what = [of.locator, of.detail].filter(Boolean).join(" ");
      list.append(make("li", {}, make("code", { class: "incnb-code", text: of.code }), ` ${plural(of.items, "item")}: ${what || of.code}`));
    }
    return this.section(RAN.has(row.status) ? "Why it ran" : "Why it was reused", list);
  }

  relied(row) {
    const changes = row.changes ?? [];
    if (!changes.length) return null;
    const rank = (change) => (KIND_ORDER.indexOf(change.kind) + 1 || 99);
    const moved = changes.filter((change) => change.moved).sort((a, b) => rank(a) - rank(b));
    const open = changes.filter((change) => change.moved === null || change.moved === undefined);
    const same = changes.filter((change) => change.moved === false);
    const parts = [];
    if (moved.length) parts.push(this.changeList(moved));
    else if (same.length) parts.push(make("p", { class: "incnb-quiet", text: open.length ? "Nothing is known to have changed." : "Nothing changed." }));
    // what the kernel left out comes with the longer of the two lists
    const unshown = row.unshown ?? 0;
    const first = open.length === changes.length;
    const few = (list, more) => () => {
      const shown = this.changeList(list);
      if (more) shown.append(make("li", { class: "incnb-quiet", text: `and ${more} more` }));
      return shown;
    };
    const more = first ? unshown : 0;
    const uncompared = first
      ? `${plural(open.length + more, "thing")}, with nothing earlier to compare with`
      : `${open.length} that cannot be compared`;
    if (open.length) parts.push(this.fold(row.key, "open", uncompared, few(open, more)));
    if (same.length) parts.push(this.fold(row.key, "same", `${same.length + unshown - more} unchanged`, few(same, unshown - more)));
    return this.section("What it relied on", ...parts);
  }

  /** A folded part, made when it is opened first; it stays open while its row is updated. */
  fold(key, part, text, content) {
    const opened = this.folds.get(key) ?? new Set();
    this.folds.set(key, opened);
    const element = make("details", { class: "incnb-fold" }, make("summary", { text, "data-focus": part }));
    const fill = () => {
      if (element.open && element.childNodes.length === 1) element.append(content());
    };
    element.open = opened.has(part);
    fill();
    element.addEventListener("toggle", () => {
      if (element.open) opened.add(part);
      else opened.delete(part);
      fill();
    });
    return element;
  }

  changeList(changes) {
    const list = make("ul", { class: "incnb-changes" });
    for (const change of changes) {
      const line = make("div", { class: "incnb-change" }, make("span", { class: "incnb-kind", text: change.kind }), " ", make("code", { text: change.locator }));
      if (change.moved && (change.was ?? "") !== (change.now ?? "")) {
        line.append(
          make("span", { class: "incnb-old" }, make("span", { class: "incnb-live", text: "was " }), change.was || "–"),
          make("span", { "aria-hidden": "true", text: "→" }),
          make("span", { class: "incnb-new" }, make("span", { class: "incnb-live", text: "now " }), change.now || "–"),
        );
      } else if (!change.diff && (change.now || change.was)) line.append(make("span", { class: "incnb-quiet", text: change.now || change.was }));
      const notes = [...(change.parts ?? [])];
      if (change.place) notes.push(change.place);
      if (change.via) notes.push(`used by ${change.via}`);
      if (notes.length) line.append(make("span", { class: "incnb-quiet", text: notes.join(" · ") }));
      const item = make("li", {}, line);
      if (change.diff) item.append(this.diff(change.diff, change.locator));
      list.append(item);
    }
    return list;
  }

  diff(text, locator) {
    const block = make("pre", { class: "incnb-diff", tabindex: "0", "aria-label": `What changed in ${locator}` });
    for (const line of text.trimEnd().split("\n")) {
      const kind = line.startsWith("+") ? "add" : line.startsWith("-") ? "gone" : line.startsWith("@@") ? "hunk" : "same";
      block.append(make("span", { class: `incnb-line is-${kind}`, text: `${line}\n` }));
    }
    return block;
  }

  outputs(row) {
    const outputs = row.outputs ?? [];
    if (!outputs.length) return null;
    const list = make("ul", { class: "incnb-kept" });
    for (const output of outputs) {
      const more = [output.shown, output.bytes ? bytes(output.bytes) : ""].filter(Boolean).join(", ");
      list.append(make("li", {}, make("span", { class: "incnb-kind", text: output.what }), " ", make("code", { text: output.name }), more ? ` ${more}` : ""));
    }
    return this.section(`Kept${row.bytes ? `: ${bytes(row.bytes)}` : ""}`, list);
  }

  readings(row) {
    const { store } = this;
    const readers = [...store.rows.values()].filter((other) => (other.reads ?? []).some((read) => read.key === row.key));
    const link = (key, text) =>
      make("button", { type: "button", class: "incnb-link", text, "data-focus": `to ${key}`, onclick: () => this.goTo(key) });
    const lines = [];
    for (const read of row.reads ?? []) {
      const from = store.rows.get(read.key);
      lines.push(make("li", {}, "reads ", make("code", { text: read.names.join(", ") }), " of ", from ? link(read.key, name(from)) : "another cell"));
    }
    for (const reader of readers) {
      const names = reader.reads.find((read) => read.key === row.key).names;
      lines.push(make("li", {}, make("code", { text: names.join(", ") }), " is read by ", link(reader.key, name(reader))));
    }
    return lines.length ? this.section("Who reads whom", make("ul", { class: "incnb-kept" }, ...lines)) : null;
  }

  facts(row) {
    const seconds = row.seconds ?? {};
    const facts = [
      ["now", duration(row.status ? seconds.now : null)],
      ["recorded", duration(seconds.recorded)],
      ["saved", duration(seconds.saved)],
      ["size", bytes(row.bytes)],
    ];
    const list = make("p", { class: "incnb-facts" });
    for (const [term, text] of facts) list.append(make("span", { text: `${term} ` }, make("b", { text })));
    return list;
  }

  /* -- who reads whom */

  drawArcs(all) {
    const keys = all.filter((key) => this.isShown(this.row(key)));
    const place = new Map(keys.map((key, at) => [key, at * ARC_ROW + ARC_ROW / 2]));
    const focused = this.arcs.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    const far = Math.min(40, keys.length);
    const width = Math.min(180, 40 + far * 8);
    const svg = drawn("svg", { class: "incnb-svg", width, height: keys.length * ARC_ROW, "aria-hidden": "true", focusable: "false" });
    this.edges = [];
    const list = make("ul", { class: "incnb-arclist" });
    for (const key of keys) {
      const row = this.row(key);
      const runs = this.store.running?.key === key;
      const to = place.get(key);
      const reads = [];
      for (const read of row.reads ?? []) {
        const from = place.get(read.key);
        const source = this.store.rows.get(read.key);
        reads.push(`${read.names.join(", ")} of ${source ? source.title : "another cell"}`);
        if (from === undefined) continue;
        const out = width - Math.min(width - 6, 12 + (Math.abs(to - from) / ARC_ROW) * 9);
        const path = drawn("path", { d: `M ${width - 2} ${from} C ${out} ${from} ${out} ${to} ${width - 2} ${to}`, class: `incnb-arc ${statusClass(row)}` });
        const title = drawn("title", {});
        title.textContent = `${row.title} reads ${read.names.join(", ")} of ${source ? source.title : ""}`;
        path.append(title);
        const dot = drawn("circle", { cx: width - 3, cy: to, r: 3, class: `incnb-dot ${statusClass(row)}` });
        svg.append(path, dot);
        this.edges.push({ reader: key, source: read.key, path, dot });
      }
      const because = (row.blamed ?? []).map((cause) => this.store.rows.get(cause)?.title).filter(Boolean);
      const button = make(
        "button",
        { type: "button", class: `incnb-arcrow ${runs ? "is-running" : statusClass(row)}`, "data-key": key, tabindex: key === this.current ? "0" : "-1", onclick: () => this.goTo(key) },
        make("span", { class: "incnb-glyph", "aria-hidden": "true", text: runs ? "◌" : row.glyph ?? "·" }),
        make("span", { class: "incnb-live", text: runs ? "running" : statusOf(row) }),
        make("span", { class: "incnb-name", text: name(row) }),
        make("span", { class: "incnb-quiet", text: reads.length ? `reads ${reads.join("; ")}` : "" }),
        because.length ? make("span", { class: "incnb-cause", text: `← ${because.join(" ← ")}` }) : null,
      );
      button.addEventListener("focus", () => {
        this.roveArc(key);
        this.light(key);
      });
      button.addEventListener("blur", () => this.light(null));
      button.addEventListener("mouseenter", () => this.light(key));
      button.addEventListener("mouseleave", () => this.light(null));
      list.append(make("li", {}, button));
    }
    this.arcs.replaceChildren(svg, list);
    this.arcs.hidden = !keys.length;
    const first = list.querySelector('[tabindex="0"]') ?? list.querySelector("button");
    first?.setAttribute("tabindex", "0");
    if (focused) [...list.querySelectorAll("button")].find((button) => button.dataset.key === focused)?.focus();
    this.tellEmpty(keys.length);
  }

  roveArc(key) {
    this.current = key;
    for (const button of this.arcs.querySelectorAll(".incnb-arcrow")) {
      button.setAttribute("tabindex", button.dataset.key === key ? "0" : "-1");
    }
  }

  /** Light the path from a cell to what caused its decision, and on to what caused that. */
  light(key) {
    const lit = new Set();
    const along = new Set();
    const next = key === null ? [] : [key];
    while (next.length) {
      const at = next.pop();
      if (lit.has(at)) continue;
      lit.add(at);
      for (const cause of this.row(at).blamed ?? []) {
        along.add(`${at}\n${cause}`);
        next.push(cause);
      }
    }
    this.arcs.classList.toggle("is-lit", key !== null);
    for (const { reader, source, path, dot } of this.edges ?? []) {
      const cause = along.has(`${reader}\n${source}`);
      const direct = reader === key || source === key;
      for (const element of [path, dot]) {
        element.classList.toggle("is-cause", cause);
        element.classList.toggle("is-direct", direct && !cause);
      }
    }
    for (const button of this.arcs.querySelectorAll(".incnb-arcrow")) {
      button.classList.toggle("is-on-path", lit.has(button.dataset.key));
    }
  }

  show(mode) {
    this.mode = mode;
    for (const button of this.modes) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    this.arcs.hidden = mode !== "arcs";
    this.grid.hidden = mode !== "table";
    this.all = true;
    this.flush();
  }

  goTo(key) {
    this.only.clear();
    for (const chip of this.chips.values()) chip.setAttribute("aria-pressed", "false");
    this.query = this.search.value = "";
    this.show("table");
    this.openRow(key);
    const row = this.elements.get(key)?.row;
    row?.scrollIntoView({ block: "nearest" });
    row?.focus();
  }

  toggle(status) {
    if (this.only.has(status)) this.only.delete(status);
    else this.only.add(status);
    this.chips.get(status).setAttribute("aria-pressed", String(this.only.has(status)));
    this.changed(null);
  }

  /* -- keys and clicks */

  rove(key) {
    if (this.current !== key) this.elements.get(this.current)?.row.setAttribute("tabindex", "-1");
    this.current = key;
    this.elements.get(key)?.row.setAttribute("tabindex", "0");
  }

  /** A click on what is no control: keys that follow it are meant for the panel, and must not reach the notebook. */
  takeFocus(target) {
    const control = target.closest("button, input, summary, [tabindex]");
    if (control === this.root || control === this.grid) control.focus({ preventScroll: true });
  }

  visible() {
    const found = this.mode === "table" ? this.body.querySelectorAll(".incnb-row:not([hidden])") : this.arcs.querySelectorAll(".incnb-arcrow");
    return [...found];
  }

  move(from, step) {
    const rows = this.visible();
    const at = rows.indexOf(from) + step;
    const to = rows[Math.max(0, Math.min(rows.length - 1, at))];
    to?.focus();
    to?.scrollIntoView({ block: "nearest" });
  }

  click(event) {
    const row = event.target.closest(".incnb-row[data-key]");
    if (!row || String(getSelection() ?? "")) return; // somebody selects text
    this.toggleRow(row.dataset.key, true);
  }

  key(event) {
    if (isSaving(event)) return;
    event.stopPropagation();
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target, key } = event;
    const typing = target.matches("input, textarea");
    const row = target.matches(".incnb-row[data-key], .incnb-arcrow") ? target : null;
    const inside = target.closest(".incnb-details");
    let taken = true;
    if (key === "/" && !typing) {
      this.search.focus();
      this.search.select();
    } else if (key === "Escape") taken = this.escape(target, row, inside);
    else if (typing && target === this.search && key === "ArrowDown") this.visible()[0]?.focus();
    else if (!row) taken = false;
    else if (key === "ArrowDown") this.move(row, 1);
    else if (key === "ArrowUp") this.move(row, -1);
    else if (key === "Home") this.move(row, -Infinity);
    else if (key === "End") this.move(row, Infinity);
    else if (key === "PageDown") this.move(row, 10);
    else if (key === "PageUp") this.move(row, -10);
    else if (this.mode === "arcs") taken = false;
    else if (key === "Enter" || key === " ") this.toggleRow(row.dataset.key, true);
    else if (key === "ArrowRight") this.openRow(row.dataset.key);
    else if (key === "ArrowLeft") this.close(row.dataset.key);
    else taken = false;
    if (taken) event.preventDefault();
  }

  escape(target, row, inside) {
    if (inside) {
      const details = this.open.get(inside.dataset.of);
      if (target.closest(".incnb-form")) details.cancel();
      else {
        this.close(inside.dataset.of);
        this.elements.get(inside.dataset.of)?.row.focus();
      }
    } else if (row && this.open.has(row.dataset.key)) this.close(row.dataset.key);
    else if (target === this.search && this.search.value) {
      this.query = this.search.value = "";
      this.changed(null);
    } else return false;
    return true;
  }
}

/* -- the widget: one store for all views of a model */

const stores = new Map();

function storeOf(model) {
  const uid = model.get("uid");
  if (!stores.has(uid)) stores.set(uid, new Store(model));
  return stores.get(uid);
}

function initialize({ model }) {
  const store = storeOf(model);
  return () => {
    store.dispose();
    stores.delete(model.get("uid"));
  };
}

function render({ model, el }) {
  const view = new View(storeOf(model), el);
  return () => view.dispose();
}

export default { initialize, render };
