
/* The panes of the page: zoom and pan of the drawing, the divider, paper. After page.js. */

/* Zoom: by buttons, keys, and the wheel with Ctrl. The point that is zoomed at stays. */

const STEP = 1.25;
const [SMALLEST, LARGEST] = [0.2, 4];
const LEGIBLE = 0.5;
const graph = byId("graph");
const zoom = () => Number(tree.style.zoom || 1);

function center() {
  graph.scrollLeft = (graph.scrollWidth - graph.clientWidth) / 2;
}

function zoomTo(wanted, x = graph.clientWidth / 2, y = 0) {
  const ratio = Math.min(LARGEST, Math.max(SMALLEST, wanted)) / zoom();
  const [left, top] = [graph.scrollLeft + x, graph.scrollTop + y];
  tree.style.zoom = zoom() * ratio;
  graph.scrollTo(left * ratio - x, top * ratio - y);
  byId("zoom").textContent = `${Math.round(100 * zoom())}%`;
  keep("zoom", zoom());
}

/* The least width of an element, which is otherwise at least as wide as its pane. */
function leastWidth(element) {
  element.style.width = element === tree ? "max-content" : "min-content";
  element.style.minWidth = "0";
  const width = element.offsetWidth;
  element.style.width = element.style.minWidth = "";
  return width;
}

function fit(smallest = SMALLEST) {
  zoomTo(Math.max(smallest, Math.min(1, graph.clientWidth / leastWidth(tree))));
  center();
  keep("zoom", undefined);
}

byId("zoom-in").addEventListener("click", () => zoomTo(zoom() * STEP));
byId("zoom-out").addEventListener("click", () => zoomTo(zoom() / STEP));
byId("zoom-fit").addEventListener("click", () => fit());
graph.addEventListener("wheel", (event) => {
  if (!event.ctrlKey) return;
  event.preventDefault();
  const area = graph.getBoundingClientRect();
  const factor = event.deltaY < 0 ? STEP : 1 / STEP;
  zoomTo(zoom() * factor, event.clientX - area.left, event.clientY - area.top);
}, { passive: false });

/* A drag with the mouse moves the drawing; it is no click. */

const FARTHEST_CLICK = 4;

graph.addEventListener("pointerdown", (start) => {
  if (start.pointerType !== "mouse" || start.button !== 0) return;
  const [left, top] = [graph.scrollLeft, graph.scrollTop];
  const move = (event) => {
    const [x, y] = [event.clientX - start.clientX, event.clientY - start.clientY];
    if (Math.hypot(x, y) > FARTHEST_CLICK) graph.classList.add("held");
    if (graph.classList.contains("held")) graph.scrollTo(left - x, top - y);
  };
  const end = () => {
    window.removeEventListener("pointermove", move);
    // The click comes after this event.
    setTimeout(() => graph.classList.remove("held"));
  };
  window.addEventListener("pointermove", move);
  window.addEventListener("pointerup", end, { once: true });
});

graph.addEventListener("click", (event) => {
  if (graph.classList.contains("held")) event.stopPropagation();
}, true);

/* The divider of drawing and table. */

const divider = byId("divider");

function share(percent) {
  const inside = Math.min(85, Math.max(15, percent));
  divider.parentElement.style.setProperty("--share", `${inside}%`);
  divider.setAttribute("aria-valuenow", Math.round(inside));
}

function setShare(percent) {
  share(percent);
  keep("share", percent);
}

divider.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  divider.focus();
  divider.setPointerCapture(event.pointerId);
});
divider.addEventListener("pointermove", (event) => {
  if (!divider.hasPointerCapture(event.pointerId)) return;
  const area = divider.parentElement.getBoundingClientRect();
  setShare((100 * (event.clientX - area.left)) / area.width);
});
divider.addEventListener("keydown", (event) => {
  const now = Number(divider.getAttribute("aria-valuenow"));
  const next = { ArrowLeft: now - 2, ArrowRight: now + 2, Home: 15, End: 85 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  setShare(next);
});

/* Paper has the whole drawing, as wide as a page at most. */

const PAGE = 680;

window.addEventListener("beforeprint", () => {
  tree.style.setProperty("--paper", Math.min(1, PAGE / leastWidth(tree)));
  document.body.classList.add("paper");
  drawSkips();
});
window.addEventListener("afterprint", () => {
  document.body.classList.remove("paper");
  drawSkips();
});

/* At first the pane is as wide as the drawing, unless the table would lose its last columns: then the
   drawing gets smaller before the table does. */

const NARROW = 32;
const SMALL = 0.7;
const WIDE = 50;
const BESIDE = 24;

function firstShare() {
  const width = divider.parentElement.clientWidth;
  const drawing = leastWidth(tree) + BESIDE;
  const room = width - leastWidth(byId("layers")) - BESIDE;
  const wanted = 100 * Math.max(Math.min(drawing, room), drawing * SMALL) / width;
  share(Math.min(WIDE, Math.max(NARROW, wanted)));
}

if (kept.share) share(kept.share);
else firstShare();
if (kept.zoom) {
  zoomTo(kept.zoom);
  center();
} else {
  fit(LEGIBLE);
}
