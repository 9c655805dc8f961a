
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);
const tree = document.querySelector('[role="tree"]');
const rows = all("#layers tbody tr");

/* Tabs: the arrow keys move between them and show the selected one. */

const tabs = all('[role="tab"]');

function choose(tab) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    byId(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  drawSkips();
}

for (const [index, tab] of tabs.entries()) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const next = {
      ArrowRight: (index + 1) % tabs.length,
      ArrowLeft: (index + tabs.length - 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    choose(tabs[next]);
    tabs[next].focus();
  });
}

/* Collapsible frames. */

const isFrame = (item) => item.hasAttribute("aria-expanded");
const isOpen = (frame) => frame.getAttribute("aria-expanded") === "true";
const frameAround = (item) => item.parentElement.closest(".frame");

/* A frame's name with those of the frames around it: without figures, which change with the spec. */
function pathOf(frame) {
  const above = frameAround(frame);
  const name = frame.querySelector(".head .label").textContent;
  return above ? `${pathOf(above)} / ${name}` : name;
}

function setOpen(frames, open) {
  const opened = { ...kept.opened };
  for (const frame of frames) {
    frame.setAttribute("aria-expanded", String(open));
    opened[pathOf(frame)] = open;
  }
  keep("opened", opened);
  const focused = tree.querySelector('[tabindex="0"]');
  if (focused && !isVisible(focused)) makeCurrent(visibleItem(focused));
  drawSkips();
}

function isVisible(item) {
  return visibleItem(item) === item;
}

/* The item itself, or the outermost folded frame that hides it. */
function visibleItem(item) {
  let visible = item;
  for (let frame = frameAround(item); frame; frame = frameAround(frame)) {
    if (!isOpen(frame)) visible = frame;
  }
  return visible;
}

function reveal(item) {
  const frames = [];
  for (let frame = frameAround(item); frame; frame = frameAround(frame)) frames.push(frame);
  setOpen(frames, true);
}

/* The graph gets wider or narrower: keep the current item in view. */
function toggle(frame) {
  setOpen([frame], !isOpen(frame));
  frame.querySelector(".head .label").scrollIntoView({ block: "nearest", inline: "nearest" });
}

function toggleAll(open) {
  setOpen(all(".frame"), open);
  center();
}

for (const frame of kept.opened ? all(".frame") : []) {
  const open = kept.opened[pathOf(frame)];
  if (typeof open === "boolean") frame.setAttribute("aria-expanded", String(open));
}

byId("folds").hidden = false;
byId("open-all").addEventListener("click", () => toggleAll(true));
byId("fold-all").addEventListener("click", () => toggleAll(false));

/* The graph is a single tab stop; the arrow keys move inside it. */

function makeCurrent(item) {
  for (const other of all('[tabindex="0"]', tree)) other.tabIndex = -1;
  item.tabIndex = 0;
}

function visibleItems() {
  return all('[role="treeitem"]', tree).filter(isVisible);
}

function moveTo(item) {
  if (!item) return;
  makeCurrent(item);
  item.focus();
}

makeCurrent(tree.querySelector('[role="treeitem"]'));

tree.addEventListener("click", (event) => {
  const item = event.target.closest('[role="treeitem"]');
  if (!item) return;
  moveTo(item);
  if (!isFrame(item)) show(item);
  else if (event.target.closest(".head")) toggle(item);
});

tree.addEventListener("keydown", (event) => {
  const item = event.target.closest('[role="treeitem"]');
  if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
  const items = visibleItems();
  const index = items.indexOf(item);
  const actions = {
    ArrowDown: () => moveTo(items[index + 1]),
    ArrowUp: () => moveTo(items[index - 1]),
    Home: () => moveTo(items[0]),
    End: () => moveTo(items[items.length - 1]),
    ArrowRight: () => {
      if (isFrame(item) && !isOpen(item)) toggle(item);
      else if (isFrame(item)) moveTo(items[index + 1]);
    },
    ArrowLeft: () => {
      if (isFrame(item) && isOpen(item)) toggle(item);
      else moveTo(frameAround(item));
    },
    Enter: () => (isFrame(item) ? toggle(item) : show(item, true)),
    " ": () => (isFrame(item) ? toggle(item) : show(item)),
    Escape: closeDetails,
    "+": () => zoomTo(zoom() * STEP),
    "=": () => zoomTo(zoom() * STEP),
    "-": () => zoomTo(zoom() / STEP),
    0: () => zoomTo(1),
    f: () => fit(),
  };
  if (!(event.key in actions)) return;
  event.preventDefault();
  event.stopPropagation();
  actions[event.key]();
});

/* Links between graph and table. */

const rowOf = (op) => byId(op.id.replace(/^\D*/, "row-"));
const opOf = (row) => byId(row.id.replace("row-", "op-"));

function light(op, row) {
  for (const lit of all(".lit")) lit.classList.remove("lit");
  if (op) visibleItem(op).classList.add("lit");
  if (row) row.classList.add("lit");
}

function showRow(op, focus = false) {
  const row = rowOf(op);
  if (!row) return;
  light(op, row);
  // Not the page, in which the drawing may stand above the table.
  const area = row.closest(".scroll");
  area.scrollTop = row.offsetTop - (area.clientHeight - row.offsetHeight) / 2;
  if (focus) row.querySelector("a").focus();
}

function show(op, focus = false) {
  showDetails(op);
  showRow(op, focus);
}

function followItem(event) {
  const op = event.target.closest(".op");
  if (!op) return;
  light(op, rowOf(op));
  if (event.type === "focusin" && !details.hidden) showDetails(op);
}

function followRow(event) {
  const row = event.target.closest("tbody tr");
  if (row) light(opOf(row), row);
}

tree.addEventListener("mouseover", followItem);
tree.addEventListener("focusin", followItem);
byId("layers").addEventListener("mouseover", followRow);
byId("layers").addEventListener("focusin", followRow);
for (const area of [byId("layers"), byId("details")]) area.addEventListener("click", followLink);

function followLink(event) {
  const link = event.target.closest("a");
  if (!link) return;
  event.preventDefault();
  const target = byId(link.hash.slice(1));
  if (link.hash.startsWith("#op-")) {
    reveal(target);
    light(target, link.closest("tr"));
    makeCurrent(target);
    target.scrollIntoView({ block: "center", inline: "center" });
    target.focus({ preventScroll: true });
    return;
  }
  const tab = byId("tab-spec");
  choose(tab);
  tab.focus();
  light(null, target);
  target.scrollIntoView({ block: "center" });
}

/* The attributes of an op: its fields and inputs, and the cells of its row. */

const details = byId("details");
let shown = null;

function element(name, ...content) {
  const made = document.createElement(name);
  made.append(...content);
  return made;
}

function showDetails(op) {
  const lines = (op.dataset.attributes ?? "").split("\n").filter(Boolean).map((line) => {
    const end = line.indexOf(": ");
    return [line.slice(0, end), line.slice(end + 2)];
  });
  const row = rowOf(op);
  const cells = row ? [...row.cells] : [];
  for (const [column, cell] of cells.entries()) {
    if (column < 2) continue;
    const link = cell.querySelector("a");
    lines.push([heads[column].textContent, link ? link.cloneNode(true) : cell.textContent]);
  }
  const names = cells.length ? `${cells[0].textContent}: ${cells[1].textContent}` : op.title || op.textContent;
  const close = element("button", "\u00d7");
  close.type = "button";
  close.setAttribute("aria-label", "Close");
  close.addEventListener("click", closeDetails);
  const list = lines.flatMap(([name, value]) => [element("dt", name), element("dd", value)]);
  details.replaceChildren(element("h2", names), close, element("dl", ...list));
  details.hidden = false;
  shown = op;
}

function closeDetails() {
  if (details.hidden) return;
  const inside = details.contains(document.activeElement);
  details.hidden = true;
  if (inside) moveTo(visibleItem(shown));
}

details.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeDetails();
});

/* Search: every word must occur in the layer's name, op, shapes or receptive field. */

const texts = rows.map((row) => (
  [...row.cells].map((cell) => cell.textContent).join("\n").toLowerCase()
));

byId("search").addEventListener("input", () => {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const [index, row] of rows.entries()) {
    const isMatch = words.every((word) => texts[index].includes(word));
    row.hidden = !isMatch;
    const op = opOf(row);
    if (op) op.classList.toggle("dim", !isMatch);
    count += isMatch;
  }
  byId("matches").textContent = words.length ? `${count} of ${rows.length} layers` : "";
});

/* Sorting: ascending, descending, and back to the network's order. */

const heads = all("#layers thead th");

for (const [column, head] of heads.entries()) {
  head.querySelector("button").addEventListener("click", () => {
    const next = { none: "ascending", ascending: "descending", descending: "none" };
    const order = next[head.getAttribute("aria-sort")];
    for (const other of heads) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    byId("layers").tBodies[0].append(...sorted(column, order));
  });
}

function sorted(column, order) {
  if (order === "none") return rows;
  const sign = order === "ascending" ? 1 : -1;
  const keyed = rows.map((row) => {
    const cell = row.cells[column];
    return { row, key: "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent };
  });
  keyed.sort((a, b) => sign * (a.key < b.key ? -1 : Number(a.key > b.key)));
  return keyed.map(({ row }) => row);
}

/* Skip edges run in lanes on the right of the series that contains both ends. */

const SPACE = 12;
const ARROW = 6;
const targets = all("[data-skips]", tree);
const partial = all(".partial", tree);
const overlay = document.createElementNS("http://www.w3.org/2000/svg", "svg");

function part(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function seriesAround(source, target) {
  let series = source.closest(".series");
  while (!series.contains(target)) series = series.parentElement.closest(".series");
  return series;
}

function drawSkips() {
  if (!(targets.length || partial.length) || !tree.offsetParent) return;
  const bundles = new Map();
  for (const target of targets) {
    for (const index of target.dataset.skips.split(" ")) {
      const ends = [visibleItem(byId(`op-${index}`)), visibleItem(target)];
      if (ends[0] === ends[1] || ends[0].contains(ends[1])) continue;
      const series = seriesAround(...ends);
      if (!bundles.has(series)) bundles.set(series, new Map());
      const lanes = bundles.get(series);
      if (!lanes.has(ends[0])) lanes.set(ends[0], new Set());
      lanes.get(ends[0]).add(ends[1]);
    }
  }
  for (const series of all(".series", tree)) {
    const lanes = bundles.get(series);
    const room = lanes ? `${SPACE * (lanes.size + 1)}px` : "";
    series.style.paddingRight = room;
    // The line into a frame meets the middle of its series.
    series.style.paddingLeft = series.parentElement === tree ? "" : room;
  }
  const origin = tree.getBoundingClientRect();
  const scale = scaleOf(origin);
  const drawn = partial.flatMap((parallel) => bars(parallel, origin));
  for (const [series, lanes] of bundles) {
    const right = (series.getBoundingClientRect().right - origin.left) / scale;
    let lane = right - SPACE * lanes.size;
    for (const [source, ends] of lanes) {
      for (const target of ends) drawn.push(...skip(source, target, lane, origin));
      lane += SPACE;
    }
  }
  overlay.replaceChildren(...drawn);
}

/* Branches of which some come from elsewhere, or lead elsewhere: the lines above and below them, from
   those that do not to the middle. */
function bars(parallel, origin) {
  if (!parallel.offsetParent) return [];
  const scale = scaleOf(origin);
  const area = parallel.getBoundingClientRect();
  const middle = (area.left + area.right) / 2;
  const lines = [];
  const [start, end] = parallel.closest(".up") ? ["leaves", "enters"] : ["enters", "leaves"];
  for (const [kind, y] of [[start, area.top], [end, area.bottom]]) {
    const centers = [...parallel.children].filter((branch) => branch.classList.contains(kind))
      .map((branch) => branch.getBoundingClientRect())
      .map((branch) => (branch.left + branch.right) / 2);
    if (!centers.length) continue;
    const ends = [Math.min(middle, ...centers), Math.max(middle, ...centers)]
      .map((x) => (x - origin.left) / scale);
    const height = (y - origin.top) / scale - (kind === end ? 0.5 : -0.5);
    lines.push(part("path", { d: `M${ends[0]} ${height}H${ends[1]}`, class: "join" }));
  }
  return lines;
}

function skip(source, target, lane, origin) {
  const from = side(source, origin);
  const to = side(target, origin);
  const down = from.y + 4;
  const up = to.y - 4;
  const tip = `M${to.x} ${up}l${ARROW} ${-ARROW / 2}v${ARROW}z`;
  return [
    part("path", { d: `M${from.x} ${down}H${lane}V${up}H${to.x}` }),
    part("path", { d: tip, class: "head" }),
  ];
}

/* Coordinates inside the tree are those of a tree that is not zoomed. */
const scaleOf = (area) => area.width / tree.offsetWidth;

function side(item, origin) {
  const scale = scaleOf(origin);
  const head = isFrame(item) ? item.querySelector(".head") : item;
  const box = head.getBoundingClientRect();
  return {
    x: (box.right - origin.left) / scale,
    y: ((box.top + box.bottom) / 2 - origin.top) / scale,
  };
}

overlay.id = "skips";
overlay.setAttribute("aria-hidden", "true");
tree.append(overlay);
new ResizeObserver(drawSkips).observe(tree);
drawSkips();

/* The theme: that of the system, or a selected one. */

const themes = ["automatic", "light", "dark"];
const theme = byId("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const current = document.documentElement.dataset.theme ?? "automatic";
  const next = themes[(themes.indexOf(current) + 1) % themes.length];
  setTheme(next);
  keep("theme", next);
});

function setTheme(name) {
  if (name === "automatic") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  theme.textContent = `Theme: ${name}`;
}

if (kept.theme) setTheme(kept.theme);
