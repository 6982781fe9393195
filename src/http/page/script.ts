/**
 * The script of the status page: it gets the page again every two seconds while the page is shown,
 * and changes what differs. Elements stay the same where they can, so that the focus, a selection
 * and opened details remain. XMLHttpRequest parses the page itself, so that no text is ever made
 * into markup here.
 */
export const SCRIPT = `"use strict";

const INTERVAL_MS = 2000;
/** A page of many nodes takes longer, and comes less often. */
const PAUSE_RATIO = 10;
const TIMEOUT_MS = 5000;

const silence = document.getElementById("silence");
const updated = document.createElement("span");
const button = document.createElement("button");
let isPaused = false;
let timer;

function load() {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", "./");
    request.responseType = "document";
    request.timeout = TIMEOUT_MS;
    request.onload = () => request.response?.getElementById("page") ? resolve(request.response) : reject();
    request.onerror = request.ontimeout = reject;
    request.send();
  });
}

/** Makes an element like a fresh one; children with an id are found by it. */
function update(element, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
  for (const { name } of [...element.attributes]) {
    // Only the user opens and closes details.
    if (name !== "open" && !fresh.hasAttribute(name)) element.removeAttribute(name);
  }
  let at = element.firstChild;
  for (const child of fresh.childNodes) {
    const known = child.id ? [...element.children].find(({ id }) => id === child.id) : at;
    if (known?.nodeName !== child.nodeName || (known.id ?? "") !== (child.id ?? "")) {
      element.insertBefore(document.importNode(child, true), at);
      continue;
    }
    if (known === at) at = at.nextSibling;
    else element.insertBefore(known, at);
    if (child.nodeType === Node.ELEMENT_NODE) update(known, child);
    else if (known.data !== child.data) known.data = child.data;
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

async function refresh() {
  clearTimeout(timer);
  if (document.hidden || isPaused) return;
  const startMs = performance.now();
  let pauseMs = INTERVAL_MS;
  try {
    const fresh = await load();
    pauseMs = Math.max(pauseMs, PAUSE_RATIO * (performance.now() - startMs));
    if (isPaused) return;
    for (const selector of ["title", "link[rel=icon]", "#page"]) {
      update(document.querySelector(selector), fresh.querySelector(selector));
    }
    updated.textContent = "Updated " + new Date().toLocaleTimeString();
    document.body.classList.remove("stale");
    silence.textContent = "";
  } catch {
    if (!document.body.classList.contains("stale")) {
      document.body.classList.add("stale");
      silence.textContent = "The proxy does not answer. What follows is its last state.";
    }
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, pauseMs);
}

button.type = "button";
button.textContent = "Pause";
button.addEventListener("click", () => {
  isPaused = !isPaused;
  button.textContent = isPaused ? "Resume" : "Pause";
  refresh();
});
updated.className = "quiet";
updated.textContent = "Live";
document.getElementById("live").replaceChildren(updated, button);
document.addEventListener("visibilitychange", refresh);
timer = setTimeout(refresh, INTERVAL_MS);
`;
