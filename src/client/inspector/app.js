// SPDX-License-Identifier: LGPL-2.1-or-later
// The inspector's page: a list that follows the server-sent events, and the request that is chosen. All that comes
// from visitors and services is put in as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const BODY_SHOWN_MAX = 256 * 1024; // as text; more of it on demand
const HEX_SHOWN_MAX = 16 * 1024;
const JSON_OPEN_DEPTH = 2;
const JSON_NODES_MAX = 20000;
const OPCODES = { 0: "continued", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong" };

const records = new Map(); // id → summary
const rows = new Map(); // id → its row
let selected = null; // id
let shown = null; // the details that are in view
let matching = null; // ids whose text matches, or null: no text to look for
let paused = false;

function h(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (value === true) e.setAttribute(name, "");
    else if (value !== false && value != null) e.setAttribute(name, value);
  }
  e.append(...children.flat().filter((c) => c != null));
  return e;
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || `${answer.status}`);
  return answer;
}

const askJson = async (path, options) => (await ask(path, options)).json();
const post = (path, body) =>
  askJson(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

let toastTimer;
function toast(text) {
  $("toast").textContent = text;
  $("toast").classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => $("toast").classList.remove("shown"), 2500);
}

// ---- words ----

function bytes(n) {
  if (n < 1000) return `${n} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let i = -1;
  do { n /= 1000; i++; } while (n >= 999.5 && i < units.length - 1);
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

function duration(seconds) {
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  return seconds < 100 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min`;
}

const statusClass = (r) => (r.error ? "se" : r.status ? `s${Math.floor(r.status / 100)}` : "");
const statusText = (r) => (r.status ? String(r.status) : r.error ? "fail" : "…");

// ---- the list ----

function matches(r) {
  const method = $("method").value, status = $("status").value, text = $("filter").value.trim().toLowerCase();
  if (method && r.method !== method) return false;
  if (status === "e" ? !r.error : status && Math.floor(r.status / 100) !== Number(status)) return false;
  return !text || r.path.toLowerCase().includes(text) || (matching !== null && matching.has(r.id));
}

function fillRow(row, r) {
  const [path, query] = [r.path.split("?")[0], r.path.includes("?") ? r.path.slice(r.path.indexOf("?")) : ""];
  row.replaceChildren(
    h("span", { class: `badge ${statusClass(r)}` }, statusText(r)),
    h("span", { class: "path", title: `${r.method} ${r.path}` },
      h("span", { class: "method" }, r.method), " ", r.replay_of ? h("span", { class: "again", title: `replay of ${r.replay_of}` }, "↻ ") : null,
      path, h("i", {}, query)),
    h("span", { class: "time" }, r.n_frames ? `${r.n_frames} fr` : r.response_bytes ? bytes(r.response_bytes) : ""),
    h("span", { class: "time" }, r.done || r.status === 101 ? duration(r.duration) : "…"));
  row.hidden = !matches(r);
}

function newRow(r) {
  const row = h("div", { class: "row", role: "option", id: `row-${r.id}`, "aria-selected": r.id === selected });
  row.dataset.id = r.id;
  rows.set(r.id, row);
  return row;
}

function knowMethod(method) {
  if ([...$("method").options].every((o) => o.value !== method)) $("method").append(h("option", { value: method }, method));
}

function updateCount() {
  const n = [...rows.values()].filter((row) => !row.hidden).length;
  $("count").textContent = `${n === records.size ? "" : `${n} of `}${records.size} request${records.size === 1 ? "" : "s"}` +
    (records.size === 500 ? ", older ones are gone" : "");
}

function forget(id) {
  rows.get(id).remove();
  rows.delete(id);
  records.delete(id);
}

// What has changed: the newest is on top, and what is looked at stays where it is.
function take(event) {
  const list = $("rows"), top = list.scrollTop, height = list.scrollHeight;
  for (const id of records.keys()) {
    if (id >= event.first) break;
    forget(id);
  }
  for (const r of event.requests) {
    if (r.id < event.first) continue;
    const isNew = !records.has(r.id);
    records.set(r.id, r);
    knowMethod(r.method);
    if (isNew) list.prepend(newRow(r));
    fillRow(rows.get(r.id), r);
    if (r.id === selected && shown && (!shown.done || shown.n_frames !== r.n_frames)) open(r.id);
  }
  if (top > 0) list.scrollTop = top + list.scrollHeight - height;
  setPaused(event.paused);
  updateCount();
  if (selected !== null && !records.has(selected)) select(null);
  else if (selected === null) showNothing();
  if ($("filter").value.trim()) searchLater();
}

function refilter() {
  for (const [id, row] of rows) row.hidden = !matches(records.get(id));
  updateCount();
}

// Texts in heads and bodies are looked for by the client itself, which has them.
let searchTimer, searches = 0;
function searchLater() {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(search, 250);
}
async function search() {
  const text = $("filter").value.trim(), number = ++searches;
  if (!text) {
    matching = null;
    refilter();
    return;
  }
  try {
    const found = await askJson(`/api/requests?text=${encodeURIComponent(text)}`);
    if (number !== searches) return;
    matching = new Set(found.requests.map((r) => r.id));
    refilter();
  } catch (e) {
    toast(e.message);
  }
}

function select(id) {
  rows.get(selected)?.setAttribute("aria-selected", "false");
  selected = id;
  const row = rows.get(id);
  if (!row) {
    shown = null;
    $("main").classList.remove("open");
    $("rows").removeAttribute("aria-activedescendant");
    showNothing();
    return;
  }
  row.setAttribute("aria-selected", "true");
  $("rows").setAttribute("aria-activedescendant", row.id);
  row.scrollIntoView({ block: "nearest" });
  open(id);
}

function move(step) {
  const visible = [...$("rows").children].filter((row) => !row.hidden);
  if (!visible.length) return;
  const at = visible.findIndex((row) => Number(row.dataset.id) === selected);
  const to = step === -Infinity ? 0 : step === Infinity ? visible.length - 1
    : at < 0 ? 0 : Math.max(0, Math.min(visible.length - 1, at + step));
  select(Number(visible[to].dataset.id));
}

// ---- JSON: read here, so that numbers stay as they were written and a fault has its place ----

function readJson(text) {
  let at = 0, nodes = 0;
  const fail = (why) => { throw Object.assign(new Error(why), { at }); };
  const blank = () => { while (" \t\r\n".includes(text[at]) && at < text.length) at++; };
  const string = () => {
    const start = at++;
    while (at < text.length && text[at] !== '"') {
      if (text[at] < " ") fail("a control character in a string");
      at += text[at] === "\\" ? 2 : 1;
    }
    if (at >= text.length) fail("a string has no end");
    at++;
    try { return JSON.parse(text.slice(start, at)); } catch { at = start; return fail("a bad escape in a string"); }
  };
  const list = (node, close, member) => {
    at++;
    blank();
    if (text[at] === close) { at++; return; }
    for (;;) {
      member(node.items);
      blank();
      if (text[at] === close) { at++; return; }
      if (text[at] !== ",") fail(`a comma or ${close} is missing`);
      at++;
      blank();
    }
  };
  // PUT takes the node before it is full, so that what was read before a fault shows.
  const value = (put, depth) => {
    blank();
    if (++nodes > JSON_NODES_MAX) fail("there is more, which is not shown as a tree");
    if (depth > 200) fail("it is nested too deeply");
    const c = text[at];
    if (c === "{") {
      const node = { kind: "{", items: [] };
      put(node);
      list(node, "}", (items) => {
        if (text[at] !== '"') fail("a name in quotes is missing");
        const key = string();
        blank();
        if (text[at] !== ":") fail("a colon is missing");
        at++;
        value((v) => items.push([key, v]), depth + 1);
      });
    } else if (c === "[") {
      const node = { kind: "[", items: [] };
      put(node);
      list(node, "]", (items) => value((v) => items.push([items.length, v]), depth + 1));
    } else if (c === '"') put({ kind: "s", text: JSON.stringify(string()) });
    else {
      const word = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/.exec(text.slice(at, at + 400));
      if (!word) fail(at < text.length ? "a value is missing" : "it ends too early");
      at += word[0].length;
      put({ kind: /[a-z]/.test(word[0][0]) ? "w" : "n", text: word[0] });
    }
  };
  const result = { root: null, error: null };
  try {
    value((v) => { result.root = v; }, 0);
    blank();
    if (at < text.length) fail("something follows behind the end");
  } catch (e) {
    if (e.at === undefined) throw e;
    result.error = { at: e.at, why: e.message };
  }
  return result;
}

function jsonKey(key) {
  return key === null ? null : typeof key === "number" ? h("span", { class: "dim" }, `${key}: `)
    : h("span", { class: "k" }, JSON.stringify(key), ": ");
}

// The inside of what is folded is made when it is unfolded first.
function jsonNode(key, node, depth) {
  if (!node.items) return h("div", { class: "leaf" }, jsonKey(key), h("span", { class: node.kind }, node.text));
  const [open, close] = node.kind === "{" ? "{}" : "[]";
  if (!node.items.length) return h("div", { class: "leaf" }, jsonKey(key), open + close);
  const inside = h("div", { class: "in" });
  const fill = () => {
    if (!inside.firstChild) inside.append(...node.items.map(([k, v]) => jsonNode(k, v, depth + 1)));
  };
  const isOpen = depth < JSON_OPEN_DEPTH && node.items.length <= 200;
  if (isOpen) fill();
  return h("details", { open: isOpen, ontoggle: fill },
    h("summary", {}, jsonKey(key), open, h("span", { class: "short dim" }, ` ${node.items.length} ${node.kind === "{" ? "members" : "items"} ${close}`)),
    inside, h("div", { class: "leaf dim" }, close));
}

function lineOf(text, at) {
  const before = text.slice(0, at).split("\n");
  return `line ${before.length}, column ${before[before.length - 1].length + 1}`;
}

function viewJson(data) {
  const text = new TextDecoder().decode(data);
  const { root, error } = readJson(text);
  const view = h("div", { class: "json" });
  if (error) view.append(h("p", { class: "fault" }, `This is no right JSON: ${error.why} (${lineOf(text, error.at)})`));
  if (root) view.append(jsonNode(null, root, 0));
  if (error) {
    const from = Math.max(0, error.at - 200), to = Math.min(text.length, error.at + 200);
    view.append(h("pre", {}, from > 0 ? "…" : "", text.slice(from, error.at), h("mark", {}, text.slice(error.at, error.at + 1) || "⏎"),
      text.slice(error.at + 1, to), to < text.length ? "…" : ""));
  }
  return view;
}

// ---- other bodies ----

function viewText(data) {
  const text = new TextDecoder().decode(data.subarray(0, BODY_SHOWN_MAX));
  return h("div", {}, h("pre", {}, text),
    data.length > BODY_SHOWN_MAX ? h("p", { class: "note" }, `… and ${bytes(data.length - BODY_SHOWN_MAX)} more`) : null);
}

function viewHex(data) {
  const lines = [];
  for (let i = 0; i < Math.min(data.length, HEX_SHOWN_MAX); i += 16) {
    const part = [...data.subarray(i, i + 16)];
    const hex = part.map((b, k) => (k === 8 ? " " : "") + b.toString(16).padStart(2, "0")).join(" ").padEnd(48);
    lines.push(`${i.toString(16).padStart(8, "0")}  ${hex}  ${part.map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : "·")).join("")}`);
  }
  if (data.length > HEX_SHOWN_MAX) lines.push(`… and ${bytes(data.length - HEX_SHOWN_MAX)} more`);
  return h("pre", { class: "hex" }, lines.join("\n"));
}

function table(pairs, name) {
  return h("table", { class: name }, h("tbody", {}, pairs.map(([k, v]) => h("tr", {}, h("th", { scope: "row" }, k), h("td", {}, v)))));
}

function viewForm(data) {
  return table([...new URLSearchParams(new TextDecoder().decode(data))]);
}

const urls = new Set(); // of images in view
function viewImage(data, type) {
  const url = URL.createObjectURL(new Blob([data], { type }));
  urls.add(url);
  return h("img", { src: url, alt: `${type}, ${bytes(data.length)}` });
}

function find(data, what, from) {
  outer: for (let i = from; i + what.length <= data.length; i++) {
    for (let k = 0; k < what.length; k++) if (data[i + k] !== what[k]) continue outer;
    return i;
  }
  return -1;
}

function viewMultipart(data, type) {
  const boundary = /boundary="?([^";]+)"?/i.exec(type)?.[1];
  if (!boundary) return viewText(data);
  const encode = (s) => new TextEncoder().encode(s), mark = encode(`--${boundary}`), parts = [];
  for (let at = find(data, mark, 0); at >= 0;) {
    const start = at + mark.length + 2, next = find(data, mark, start);
    if (data[start - 2] === 45) break; // "--": the last
    const part = data.subarray(start, next < 0 ? data.length : next - 2), stop = find(part, encode("\r\n\r\n"), 0);
    const head = new TextDecoder().decode(part.subarray(0, stop < 0 ? 0 : stop)), body = part.subarray(stop < 0 ? 0 : stop + 4);
    const fields = head.split("\r\n").filter(Boolean).map((l) => [l.slice(0, l.indexOf(":")), l.slice(l.indexOf(":") + 1).trim()]);
    const partType = fields.find(([n]) => n.toLowerCase() === "content-type")?.[1] || "text/plain";
    parts.push(h("div", { class: "part" }, table(fields, "fields"), h("div", { class: "body" }, pretty(body, partType).view(body, partType))));
    at = next;
  }
  return h("div", {}, parts.length ? parts : viewText(data));
}

function isText(data) {
  const sample = data.subarray(0, 4096);
  if (sample.some((b) => b < 9 || (b > 13 && b < 32 && b !== 27))) return false;
  try { new TextDecoder("utf-8", { fatal: true }).decode(sample, { stream: true }); return true; } catch { return false; }
}

function pretty(data, type) {
  const t = (type || "").toLowerCase().split(";")[0].trim();
  if (/^(?:image\/(?:png|jpeg|gif|webp|avif|svg\+xml|bmp|x-icon|vnd\.microsoft\.icon))$/.test(t)) return { name: "Image", view: viewImage };
  if (/[/+]json$/.test(t) || (!t && /^\s*[[{]/.test(new TextDecoder().decode(data.subarray(0, 64))))) return { name: "JSON", view: viewJson };
  if (t === "application/x-www-form-urlencoded") return { name: "Form", view: viewForm };
  if (t.startsWith("multipart/")) return { name: "Parts", view: viewMultipart };
  return isText(data) ? { name: "Text", view: viewText } : { name: "Hex", view: viewHex };
}

async function loadBody(id, side, raw) {
  const answer = await ask(`/api/requests/${id}/${side}/body${raw ? "?raw=1" : ""}`);
  return { data: new Uint8Array(await answer.arrayBuffer()), part: answer.headers.get("X-Body-Part") === "yes",
    fault: answer.headers.get("X-Body-Fault") };
}

function bodyCard(record, side, message) {
  const type = message.type, view = h("div", { class: "body" }), note = h("span", { class: "note" }), bar = h("div", { class: "views" });
  const codings = [message.chunked ? "chunked" : null, ...message.codings].filter(Boolean);
  const show = async (button, raw, choose) => {
    try {
      const body = await loadBody(record.id, side, raw), how = choose(body.data);
      for (const b of bar.querySelectorAll("button")) b.setAttribute("aria-pressed", b === button);
      if (how.name && button.textContent === "Pretty") {
        for (const b of bar.querySelectorAll("button")) if (b.textContent === how.name) b.remove();
        button.textContent = how.name;
      }
      view.replaceChildren(body.fault && !raw ? h("p", { class: "fault" }, body.fault) : "", how.view(body.data, type || ""));
      note.textContent = [raw ? "as on the wire" : codings.length ? `decoded: ${codings.join(", ")}` : "",
        body.part ? `the first ${bytes(message.kept_bytes)} of ${bytes(message.body_bytes)}` : ""].filter(Boolean).join(" · ");
    } catch (e) {
      view.replaceChildren(h("p", { class: "fault" }, e.message));
    }
  };
  const button = (name, raw, choose) => h("button", { type: "button", "aria-pressed": "false", onclick: (e) => show(e.currentTarget, raw, choose) }, name);
  const first = button("Pretty", false, (data) => pretty(data, type));
  bar.append(first, button("Text", false, () => ({ view: viewText })), button("Hex", false, () => ({ view: viewHex })),
    button("Wire", true, (data) => ({ view: isText(data) ? viewText : viewHex })), note);
  show(first, false, (data) => pretty(data, type));
  return [bar, view];
}

// ---- the request in view ----

function showNothing() {
  if ($("detail").querySelector(".empty")?.dataset.n === String(records.size > 0)) return;
  const example = document.querySelector("#tunnels a")?.href;
  $("detail").replaceChildren(h("div", { class: "empty", "data-n": String(records.size > 0) },
    h("strong", {}, records.size ? "Choose a request" : "No requests yet"),
    records.size ? h("span", {}, h("kbd", {}, "j"), " ", h("kbd", {}, "k"), " move, ", h("kbd", {}, "?"), " shows more keys")
      : example ? h("span", {}, "Try: ", h("code", {}, `curl ${example}`)) : h("span", {}, "They appear here as visitors come.")));
}

function messageCard(title, record, side, message) {
  const card = h("article", { class: `card ${side}` });
  card.append(h("h3", {}, title, message ? h("span", { class: "size" }, message.body_bytes ? bytes(message.body_bytes) : "no body") : null));
  if (!message) {
    card.append(h("div", { class: "line" }, record.error || (record.done ? "There was none." : "Not there yet …")));
    return card;
  }
  card.append(h("div", { class: "line" }, message.line),
    h("details", { class: "head", open: true }, h("summary", {}, `${message.headers.length} header${message.headers.length === 1 ? "" : "s"}`), table(message.headers, "fields")));
  if (message.body_bytes > 0 && !record.n_frames) card.append(...bodyCard(record, side, message));
  return card;
}

function sampleText(f) {
  const data = new Uint8Array((f.sample.match(/../g) || []).map((x) => parseInt(x, 16)));
  if (f.opcode === 8 && data.length >= 2) return `${data[0] * 256 + data[1]} ${new TextDecoder().decode(data.subarray(2))}`;
  const text = f.opcode !== 2 && !f.compressed && isText(data) ? new TextDecoder().decode(data) : f.sample.replace(/(..)/g, "$1 ");
  return text + (f.length > data.length ? " …" : "");
}

function framesCard(record) {
  const rowsOf = record.frames.map((f) => h("tr", {},
    h("td", {}, duration(f.at)), h("td", { class: f.from === "visitor" ? "in" : "out" }, f.from === "visitor" ? "→ visitor" : "← service"),
    h("td", {}, (OPCODES[f.opcode] || `opcode ${f.opcode}`) + (f.final ? "" : " (part)") + (f.compressed ? " deflated" : "")),
    h("td", {}, bytes(f.length)), h("td", {}, sampleText(f))));
  return h("article", { class: "card" }, h("h3", {}, "WebSocket frames", h("span", { class: "size" },
    record.frames.length < record.n_frames ? `the last ${record.frames.length} of ${record.n_frames}` : `${record.n_frames}`)),
  h("div", { class: "body" }, h("table", { class: "frames" }, h("tbody", {}, rowsOf))));
}

function facts(r) {
  const original = r.replay_of ? h("span", {}, "Replay of ", h("a", { href: "#", onclick: (e) => { e.preventDefault(); select(r.replay_of); } }, `#${r.replay_of}`)) : null;
  return h("div", { class: "facts" }, h("span", { class: `badge ${statusClass(r)}` }, statusText(r)),
    h("span", {}, h("b", {}, r.done || r.upgraded ? duration(r.duration) : "under way")),
    h("span", {}, "#", h("b", {}, String(r.id)), " ", new Date(r.time).toLocaleTimeString([], { hour12: false })),
    h("span", {}, "from ", h("b", {}, r.visitor)), h("span", {}, "tunnel ", h("b", {}, r.name)), original,
    r.error ? h("span", { class: "error" }, r.error) : null);
}

async function open(id) {
  let r, original = null;
  try {
    r = await askJson(`/api/requests/${id}`);
    if (r.replay_of && records.has(r.replay_of)) original = await askJson(`/api/requests/${r.replay_of}`);
  } catch (e) {
    if (selected === id) toast(e.message);
    return;
  }
  if (selected !== id) return;
  const same = shown?.id === id, top = $("detail").scrollTop;
  shown = r;
  for (const url of urls) URL.revokeObjectURL(url);
  urls.clear();
  const tool = (name, title, action) => h("button", { type: "button", title, onclick: action }, name);
  $("detail").replaceChildren(
    h("div", { class: "title" },
      h("button", { type: "button", class: "back", onclick: back, "aria-label": "Back to the list" }, "‹ List"),
      h("h2", {}, `${r.method} ${r.request_url}`),
      h("div", { class: "tools" }, tool("Replay", "Say it again as it was (r)", replay), tool("Edit…", "Change it, then say it again (e)", edit),
        tool("Copy curl", "c", copyCurl), h("a", { class: "button", href: `/api/requests/${id}.har`, download: `pgrok-${id}.har` }, "HAR"))),
    facts(r),
    original ? h("div", { class: "columns compare" }, messageCard(`Answer of #${original.id}`, original, "response", original.response),
      messageCard(`Answer of the replay #${r.id}`, r, "response", r.response)) : "",
    h("div", { class: "columns" }, messageCard("Request", r, "request", r.request), original ? null : messageCard("Response", r, "response", r.response)),
    r.frames.length ? framesCard(r) : "");
  $("detail").scrollTop = same ? top : 0;
}

function back() {
  $("main").classList.remove("open");
  $("rows").focus();
}

// ---- actions ----

async function send(changes) {
  const { id } = await post(`/api/requests/${shown.id}/replay`, changes);
  toast(`Replayed as #${id}`);
  const deadline = Date.now() + 5000;
  const choose = () => (records.has(id) ? select(id) : Date.now() < deadline && setTimeout(choose, 50));
  choose();
}

async function replay() {
  if (!shown) return;
  try { await send({}); } catch (e) { toast(e.message); }
}

let edited = null; // what the editor began with
async function edit() {
  if (!shown) return;
  const r = shown, fields = r.request.headers.filter(([n]) => !/^(?:content-length|transfer-encoding)$/i.test(n));
  let body = "", note = "";
  if (r.request.body_bytes > 0) {
    const b = await loadBody(r.id, "request", false);
    if (b.part || b.fault || r.request.codings.length || !isText(b.data)) note = b.part ? "(only a part was kept: write a new one)" : "(not text: stays as it is unless you write one)";
    else body = new TextDecoder().decode(b.data);
  }
  edited = { body, note };
  $("edit-method").value = r.method;
  $("edit-path").value = r.path;
  $("edit-headers").value = fields.map(([n, v]) => `${n}: ${v}`).join("\n");
  $("edit-body").value = body;
  $("edit-note").textContent = note;
  $("edit-error").textContent = "";
  $("editor").showModal();
  $("edit-path").focus();
}

async function sendEdited(event) {
  event.preventDefault();
  const headers = $("edit-headers").value.split("\n").filter((l) => l.trim()).map((l) => {
    const at = l.indexOf(":");
    return at < 0 ? [l.trim(), ""] : [l.slice(0, at).trim(), l.slice(at + 1).trim()];
  });
  const changes = { method: $("edit-method").value.trim(), path: $("edit-path").value.trim(), headers };
  if ($("edit-body").value || !edited.note) changes.body = $("edit-body").value;
  try {
    await send(changes);
    $("editor").close();
  } catch (e) {
    $("edit-error").textContent = e.message;
  }
}

async function copyCurl() {
  if (!shown) return;
  try {
    await navigator.clipboard.writeText(await (await ask(`/api/requests/${shown.id}.curl`)).text());
    toast("Copied as curl");
  } catch (e) {
    toast(e.message);
  }
}

function setPaused(is) {
  paused = is;
  $("pause").setAttribute("aria-pressed", is);
  $("pause").textContent = is ? "Go on" : "Pause";
  $("state").classList.toggle("paused", is);
}

const togglePause = () => post("/api/pause", { paused: !paused }).catch((e) => toast(e.message));

// ---- status and events ----

async function refreshStatus() {
  try {
    const s = await askJson("/api/status");
    $("state").className = `state ${s.state}${s.paused ? " paused" : ""}`;
    $("state-text").textContent = s.paused ? "paused" : `${s.state} at ${s.server}`;
    $("tunnels").replaceChildren(...s.tunnels.flatMap((t) => t.urls.map((u) => h("li", { title: `${u} → ${t.local}` },
      /^https?:/.test(u) ? h("a", { href: u, target: "_blank", rel: "noreferrer" }, u) : u, ` → ${t.local}`))));
    if (selected === null && !records.size) showNothing();
  } catch {
    $("state").className = "state offline";
    $("state-text").textContent = "pgrok does not answer";
  }
}

function listen() {
  const source = new EventSource("/api/events");
  let isFirst = true;
  source.onopen = () => { isFirst = true; refreshStatus(); };
  source.onmessage = (e) => {
    const event = JSON.parse(e.data);
    if (isFirst) { // all there is: it may be another pgrok than before
      const there = new Set(event.requests.map((r) => r.id));
      event.first = Math.min(...there, event.first);
      for (const id of records.keys()) if (!there.has(id)) forget(id);
    }
    const wasPaused = paused;
    isFirst = false;
    take(event);
    if (wasPaused !== paused) refreshStatus();
  };
  source.onerror = refreshStatus;
}

const keys = {
  j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
  g: () => move(-Infinity), G: () => move(Infinity), Home: () => move(-Infinity), End: () => move(Infinity),
  Enter: () => { if (selected === null) move(1); $("main").classList.add("open"); $("detail").focus(); },
  "/": () => { back(); $("filter").focus(); $("filter").select(); },
  r: replay, e: edit, c: copyCurl, p: togglePause, "?": () => $("help").showModal(),
  Escape: back,
};

document.addEventListener("keydown", (event) => {
  const on = event.target, typing = on.matches("input, textarea, select");
  if (on.closest("dialog")) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && $("editor").open) sendEdited(event);
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing) {
    if (event.key === "Escape" || (event.key === "Enter" && on.id === "filter")) { event.preventDefault(); $("rows").focus(); if (selected === null) move(0); }
    return;
  }
  if (/^(?:Enter| |Arrow|Home|End)/.test(event.key) && (on.matches("button, a, summary") || (on.id === "detail" && event.key !== "Enter"))) return;
  if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
});

$("rows").addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (!row) return;
  select(Number(row.dataset.id));
  $("main").classList.add("open");
});
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filter").addEventListener("input", () => { matching = null; refilter(); searchLater(); });
$("method").addEventListener("change", refilter);
$("status").addEventListener("change", refilter);
$("pause").addEventListener("click", togglePause);
$("clear").addEventListener("click", () => ask("/api/requests", { method: "DELETE" }).catch((e) => toast(e.message)));
$("help-button").addEventListener("click", () => $("help").showModal());
$("edit-form").addEventListener("submit", sendEdited);
$("edit-cancel").addEventListener("click", () => $("editor").close());
showNothing();
refreshStatus();
setInterval(refreshStatus, 10000);
listen();
