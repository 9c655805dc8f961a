
"use strict";

/* The page inside is loaded again when a file that it was made of is saved; where the reader was in
   it stays. */

const PAUSE = 500;
const frame = document.getElementById("page");
const live = document.getElementById("live");
const other = document.getElementById("other");

let state = null;
let last = null;

const inside = () => [...frame.contentDocument.querySelectorAll("main, main div, main section")];

/* The chosen tab, and how far what scrolls is scrolled, by its place among the elements. */
function place() {
  const tab = frame.contentDocument.querySelector('[role="tab"][aria-selected="true"]');
  const scrolled = inside().map((element, index) => [index, element.scrollTop, element.scrollLeft]);
  return {
    tab: tab && tab.id,
    scrolled: scrolled.filter(([, top, left]) => top || left),
    y: frame.contentWindow.scrollY,
  };
}

function restore({ tab, scrolled, y }) {
  const chosen = tab && frame.contentDocument.getElementById(tab);
  if (chosen) chosen.click();
  const elements = inside();
  for (const [index, top, left] of scrolled) {
    if (elements[index]) elements[index].scrollTo(left, top);
  }
  frame.contentWindow.scrollTo(0, y);
}

/* A page of errors has no place to come back to: that of the last report stays. */
function reload() {
  if (!frame.contentDocument.querySelector(".errors")) last = place();
  frame.addEventListener("load", () => last && restore(last), { once: true });
  frame.contentWindow.location.reload();
}

async function follow() {
  try {
    if (!document.hidden) {
      const response = await fetch(frame.dataset.state);
      if (!response.ok) throw new Error(response.statusText);
      const now = (await response.json()).state;
      if (state !== null && now !== state) reload();
      state = now;
      live.textContent = "live";
      live.classList.remove("lost");
    }
  } catch {
    live.textContent = "the server has ended";
    live.classList.add("lost");
  }
  setTimeout(follow, PAUSE);
}

if (other) {
  other.addEventListener("change", () => {
    if (!other.value) return;
    const [a, b] = [other.dataset.with, other.value].map(encodeURIComponent);
    location.href = `/diff?a=${a}&b=${b}`;
  });
}

follow();
