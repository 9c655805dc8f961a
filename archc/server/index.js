
"use strict";

/* The specs of the folder as a table: asked for while they are read, and again when one changes. */

const PAUSE = 500;
const PAUSE_WHILE_READING = 50;
const FIGURES = ["year", "params", "macs"];
const KEYS = [...document.querySelectorAll("thead button")].map((button) => button.dataset.key);
const body = document.getElementById("specs");
const search = document.getElementById("search");
const shown = document.getElementById("shown");
const compare = document.getElementById("compare");

let specs = [];
let state = "";
let complete = false;
let order = { key: "spec", down: false };
const chosen = new Set();

function cellText(spec, key) {
  if (key !== "spec" && spec.errors) {
    if (key !== "title") return "";
    return spec.errors === 1 ? "1 error" : `${spec.errors} errors`;
  }
  const value = spec[key] ?? "";
  return typeof value === "number" && key !== "year" ? value.toLocaleString("en-US") : String(value);
}

function row(spec) {
  const line = document.createElement("tr");
  line.classList.toggle("invalid", Boolean(spec.errors));
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = chosen.has(spec.spec);
  box.setAttribute("aria-label", `compare ${spec.spec}`);
  box.addEventListener("change", () => choose(spec.spec, box.checked));
  line.insertCell().append(box);
  for (const key of KEYS) {
    const cell = line.insertCell();
    cell.className = FIGURES.includes(key) ? "figure" : key;
    if (key === "spec") {
      const link = document.createElement("a");
      link.href = `/spec?spec=${encodeURIComponent(spec.spec)}`;
      link.textContent = spec.spec;
      cell.append(link);
    } else {
      cell.textContent = cellText(spec, key);
    }
  }
  return line;
}

/* Numbers by size, and resnet18 before resnet101; a name without its ending. */
function inOrder(one, two) {
  const [a, b] = [one, two].map((spec) => {
    const value = spec[order.key] ?? "";
    return order.key === "spec" ? value.replace(/\.yaml$/, "") : value;
  });
  const numbers = typeof a === "number" && typeof b === "number";
  const sign = numbers ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  return order.down ? -sign : sign;
}

function draw() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const matching = specs.filter((spec) => {
    const text = KEYS.map((key) => cellText(spec, key)).join("\n").toLowerCase();
    return words.every((word) => text.includes(word));
  });
  body.replaceChildren(...matching.sort(inOrder).map(row));
  shown.textContent = complete
    ? `${matching.length} of ${specs.length} specs`
    : `reading: ${specs.length} specs so far`;
}

function choose(name, wanted) {
  if (wanted) chosen.add(name);
  else chosen.delete(name);
  compare.disabled = chosen.size !== 2;
}

compare.addEventListener("click", () => {
  const [a, b] = [...chosen].map(encodeURIComponent);
  location.href = `/diff?a=${a}&b=${b}`;
});

search.addEventListener("input", draw);

for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of document.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    order = { key: button.dataset.key, down };
    draw();
  });
}

async function ask(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

async function follow() {
  let pause = PAUSE;
  try {
    if (!document.hidden && (!complete || (await ask("/state")).state !== state)) {
      ({ specs, state, complete } = await ask("/entries"));
      draw();
    }
    if (!complete) pause = PAUSE_WHILE_READING;
  } catch {
    shown.textContent = "the server has ended";
    complete = false;
  }
  setTimeout(follow, pause);
}

follow();
