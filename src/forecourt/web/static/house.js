// What a page does beside being read: it refreshes itself, listens to keys, copies commands. Without this script it is only stiller.
"use strict";
const root = document.documentElement;
root.classList.add("script");
const live = document.getElementById("live");
const find = (id) => document.getElementById(id);

// Refreshing: every 2 s while calls run, every 5 s while somebody is there, else once a minute; or as somebody chose.
// Never while the tab is hidden, and nothing moves while it is written in or held open.
const [SOON, OFTEN, RARELY] = [2, 5, 60];
let paused = live?.dataset.refresh === "off";
let failures = 0;
let since = Date.now();
let asked = 0;
let touched = Date.now();
let timer = 0;
const held = () =>
  String(getSelection()) !== "" ||
  live.querySelector("details.pop[open], input[type=checkbox]:checked") !== null ||
  (live.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"));

function pace() {
  if (failures) return OFTEN;
  if (Number(live.dataset.refresh)) return Number(live.dataset.refresh);
  if (live.dataset.active) return SOON;
  return Date.now() - touched < 60_000 ? OFTEN : RARELY;
}

function wait(seconds = pace()) {
  clearTimeout(timer);
  find("paused").hidden = !paused && !held();
  find("pace").textContent = paused || document.hidden ? "–" : seconds;
  if (!paused && !document.hidden) timer = setTimeout(look, 1000 * seconds);
}

function look() {
  if (held()) return wait(1);
  asked = Date.now();
  htmx.trigger(live, "look");
}

function pause(on) {
  paused = on;
  const word = find("pausing");
  [word.textContent, word.dataset.other] = [word.dataset.other, word.textContent];
  if (on) wait();
  else look();
}

function touch() {
  const rested = find("pace").textContent === String(RARELY);
  touched = Date.now();
  if (!rested) return;
  wait();
  look();
}

function arrived(answer) {
  failures = 0;
  since = Date.now();
  find("stale").hidden = true;
  find("as-of").textContent = find("as-of-foot").textContent = answer.getResponseHeader("Forecourt-As-Of");
  find("took").textContent = answer.getResponseHeader("Forecourt-Query-Milliseconds");
  live.dataset.active = answer.getResponseHeader("Forecourt-Active") || "";
  live.dataset.etag = answer.getResponseHeader("ETag") || "";
}

function missed() {
  failures += 1;
  if (failures < 3 && Date.now() - asked < 10_000) return; // a blip
  const seconds = Math.round((Date.now() - since) / 1000);
  find("stale").textContent = find("stale").dataset.words.replace("{}", seconds);
  find("stale").hidden = false;
}

// What somebody has opened stays open.
if (window.Idiomorph) {
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.matches("details"));
}

if (live) {
  document.body.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt !== live) return;
    event.detail.headers["If-None-Match"] = live.dataset.etag;
    event.detail.headers["Forecourt-Seen"] = live.dataset.seen;
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const answer = event.detail.xhr;
    if (event.detail.elt !== live) return;
    if (answer.status === 401) location.reload();
    else if (answer.status === 200 || answer.status === 304) arrived(answer);
    else missed();
    wait();
  });
  document.addEventListener("visibilitychange", () => (document.hidden || paused ? wait() : look()));
  for (const kind of ["pointermove", "keydown", "scroll"]) document.addEventListener(kind, touch, { passive: true });
  find("pausing").addEventListener("click", () => pause(!paused));
  if (paused) pause(true);
  else wait();
}
// For pages that tell times as this browser's clock does.
document.cookie = `browser_zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}; path=/; max-age=31536000; samesite=lax`;

// Copying
document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (button) {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // A page on plain http has no clipboard to write to: select the text, so that it can be copied by hand.
      const code = button.parentElement.querySelector("code, pre");
      getSelection().selectAllChildren(code);
      return;
    }
    const before = button.textContent;
    button.textContent = document.body.dataset.copied;
    setTimeout(() => { button.textContent = before; }, 1500);
    return;
  }
  for (const open of document.querySelectorAll("details.pop[open], details.menu[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});

// Selecting: all rows by one box, a range with shift
let last = null;
document.addEventListener("click", (event) => {
  const box = event.target;
  if (!box.matches || !box.matches("input[type=checkbox]")) return;
  const boxes = [...document.querySelectorAll("tbody input[type=checkbox]")];
  if (box.matches("[data-all]")) boxes.forEach((one) => { one.checked = box.checked; });
  else if (event.shiftKey && last) {
    const [a, b] = [boxes.indexOf(last), boxes.indexOf(box)].sort((x, y) => x - y);
    boxes.slice(a, b + 1).forEach((one) => { one.checked = box.checked; });
  }
  last = box;
});

// Keys
let awaiting = false;
const rows = () => [...document.querySelectorAll("main tbody tr")].filter((row) => row.querySelector("a"));
function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("chosen"));
  const next = all[Math.min(all.length - 1, Math.max(0, at + step))];
  all.forEach((row) => row.classList.remove("chosen"));
  next.classList.add("chosen");
  next.querySelector("a").focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}
const KEYS = {
  "?": () => find("keys").showModal(),
  "/": () => { const search = document.querySelector("input[type=search]"); if (search) search.focus(); else location.href = "/calls#search"; },
  j: () => move(1),
  k: () => move(-1),
  x: () => document.querySelector("tr.chosen input[type=checkbox]")?.click(),
  r: () => {
    const ticked = document.querySelector("tbody input[type=checkbox]:checked") && "button[name=do][value=retry]";
    const button = document.querySelector(ticked || "tr.chosen form[action$='/retry'] button, .head-actions form[action$='/retry'] button");
    if (button) button.click();
  },
  p: () => { if (live) pause(!paused); },
  t: () => {
    const order = ["system", "light", "dark"];
    const next = order[(order.indexOf(root.dataset.theme) + 1) % 3];
    root.dataset.theme = next;
    document.cookie = `theme=${next}; path=/; max-age=31536000; samesite=lax`;
  },
  g: () => { awaiting = true; setTimeout(() => { awaiting = false; }, 1500); },
};
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const open of document.querySelectorAll("details.pop[open], details.menu[open]")) open.open = false;
    return;
  }
  const off = document.cookie.includes("keys=off");
  if (off || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  if (awaiting) {
    awaiting = false;
    const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); location.href = link.href; }
    return;
  }
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
});
if (location.hash === "#search") document.querySelector("input[type=search]")?.focus();
