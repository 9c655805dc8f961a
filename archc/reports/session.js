
"use strict";

/* What the reader has set stays when the page is loaded again, as `archc serve` does when a file is
   saved: for each page of its own, as long as the tab is open. Where a browser has no storage for a
   page, nothing stays. Before page.js. */

const PAGE_KEY = `archc ${location.pathname}${location.search}`;
const kept = readKept();

function readKept() {
  try {
    return JSON.parse(sessionStorage.getItem(PAGE_KEY)) ?? {};
  } catch {
    return {};
  }
}

/* Undefined forgets. */
function keep(name, value) {
  kept[name] = value;
  try {
    sessionStorage.setItem(PAGE_KEY, JSON.stringify(kept));
  } catch {
    // Not kept.
  }
}
