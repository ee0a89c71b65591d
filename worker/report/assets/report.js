"use strict";
// The report's behaviour: theme, copying, and the table of rows. Everything is shown as text; nothing is fetched.
(() => {
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement;
  root.classList.add("scripted");

  // A row is an array, as the page's maker writes it; its own columns follow.
  const [ITEM, LINE, COPY, SOURCE, NAME, FLAG, STATUS, BATCH, BATCH_STATUS, CREATED, BY, TRIES, HTTP, ERROR, FIRST, LAST,
    RUN, OWN] = Array(18).keys();
  const PAGE = 50;
  const PRINTED = 2000;
  const FEW = 60; // so many rows are shown at once, whatever their sources
  const STATUSES = ["created", "failed", "unknown", "pending"];

  const about = JSON.parse(byId("about").textContent);
  const { sources, texts } = JSON.parse(byId("lists").textContent);
  const rows = JSON.parse(byId("rows").textContent);
  rows.sort((a, b) => a[LINE] - b[LINE] || a[COPY] - b[COPY]);

  const text = (number) => (number === null ? "" : texts[number]);
  const status = (row) => texts[row[STATUS]];
  const statusNumbers = new Map(STATUSES.map((name) => [name, texts.indexOf(name)]));

  // -- small parts

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== undefined && value !== null) element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  };
  // Hidden characters (control, bidi marks, …) as their numbers, as the command line shows them.
  const escaped = (char) => {
    if (char === "\u200c" || char === "\u200d") return char; // Persian, Hindi and emoji need these
    const plain = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[char];
    const point = char.codePointAt(0);
    const [letter, digits] = point > 0xffff ? ["U", 8] : point > 0xff ? ["u", 4] : ["x", 2];
    return plain ?? `\\${letter}${point.toString(16).padStart(digits, "0")}`;
  };
  const visible = (words) => String(words).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, escaped);
  const moment = (iso) => (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(iso || "") ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}` : iso || "");
  const local = (iso) => {
    const at = new Date(iso);
    return Number.isNaN(at.getTime()) ? undefined : `${at.toLocaleString()} here`;
  };
  const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  const copyButton = (value, what, words = "Copy") =>
    make("button", { type: "button", class: words === "Copy" ? "copy small" : "copy", "data-copy": value, "aria-label": `Copy ${what}` }, words);
  const command = (words, what) => {
    const button = copyButton(words, `the command ${what}`);
    button.className = "copy";
    return make("div", { class: "command" }, make("code", {}, words), button);
  };
  const timed = (iso) => (iso ? make("time", { datetime: iso, title: local(iso) }, moment(iso)) : "");

  // -- copying

  const say = (words) => {
    byId("said").textContent = "";
    requestAnimationFrame(() => { byId("said").textContent = words; });
  };
  const copyOldWay = (words) => {
    const area = make("textarea", { class: "sr" });
    area.value = words;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  const copy = async (button) => {
    const words = button.dataset.copy;
    let done = true;
    try {
      await navigator.clipboard.writeText(words);
    } catch {
      done = copyOldWay(words);
      button.focus();
    }
    say(done ? "Copied" : "The browser did not let it be copied");
    if (done) {
      button.classList.add("done");
      button.textContent = "Copied";
      setTimeout(() => {
        button.classList.remove("done");
        button.textContent = "Copy";
      }, 1500);
    }
  };

  // -- which rows are shown, and in which order

  const state = { words: "", only: new Set(), sort: LINE, down: false, grouped: true, opened: null, toggled: new Set(), details: new Set(), page: 0 };
  const collator = new Intl.Collator("en", { numeric: true });
  let lowered = null; // what is searched, made by the first search
  let loweredTexts = null;
  let loweredSources = null;
  let order = rows.map((_, number) => number);
  let shown = order;
  let lines = [];

  // Most rows have a source of their own: then groups would only be in the way.
  state.grouped = rows.length >= 1.5 * sources.length;
  byId("grouped").checked = state.grouped;

  const key = {
    [LINE]: (row) => row[LINE] * 1e5 + row[COPY],
    [NAME]: (row) => row[NAME],
    [STATUS]: (row) => STATUSES.indexOf(status(row)),
    [BATCH]: (row) => row[BATCH] || text(row[ERROR]),
    [CREATED]: (row) => row[CREATED] || "",
    [BY]: (row) => text(row[BY]),
    [TRIES]: (row) => row[TRIES],
  };

  const reorder = () => {
    const keys = rows.map(key[state.sort]);
    const compare = state.sort === NAME ? collator.compare : (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    const sign = state.down ? -1 : 1;
    order = rows.map((_, number) => number).sort((a, b) => sign * compare(keys[a], keys[b]) || a - b);
  };

  const find = () => {
    const words = state.words.trim().toLowerCase();
    const numbers = new Set([...state.only].map((name) => statusNumbers.get(name)));
    let fits = () => true;
    const item = /^#(\d+)$/.exec(words);
    if (item) {
      fits = (row) => row[ITEM] === Number(item[1]);
    } else if (words) {
      lowered ??= rows.map((row) => [row[NAME], row[BATCH] || "", ...row.slice(OWN)].join("\n").toLowerCase());
      loweredTexts ??= texts.map((one) => one.toLowerCase());
      loweredSources ??= sources.map(([id, name]) => `${id}\n${name || ""}`.toLowerCase());
      const inText = loweredTexts.map((one) => one.includes(words));
      const inSource = loweredSources.map((one) => one.includes(words));
      fits = (row, number) => lowered[number].includes(words) || inSource[row[SOURCE]] ||
        (row[ERROR] !== null && inText[row[ERROR]]) || inText[row[RUN]];
    }
    shown = order.filter((number) => (!numbers.size || numbers.has(rows[number][STATUS])) && fits(rows[number], number));
  };

  const looking = () => state.words.trim() !== "" || state.only.size > 0;
  const isOpen = (source) => (state.opened ?? (looking() || shown.length <= FEW)) !== state.toggled.has(source);

  // What the table shows: a row by its number, a source's head as -1 less its number.
  const arrange = () => {
    if (!state.grouped) {
      lines = shown;
      return;
    }
    const groups = new Map();
    for (const number of shown) {
      const source = rows[number][SOURCE];
      const group = groups.get(source);
      if (group) group.push(number);
      else groups.set(source, [number]);
    }
    lines = [];
    for (const [source, numbers] of groups) {
      lines.push(-1 - source);
      if (isOpen(source)) for (const number of numbers) lines.push(number);
    }
  };

  // -- the table

  const COLUMNS = [[LINE, "line", "num"], [NAME, "name"], [STATUS, "status"], [BATCH, "new batch, or why not"], [CREATED, "made (UTC)"], [BY, "known by"], [TRIES, "requests", "num"]];
  const head = byId("table").tHead.rows[0];
  const body = byId("table").tBodies[0];

  // Of all rows, whatever is looked for: a source's head tells of the source.
  const sums = sources.map(() => ({ total: 0, counts: new Map() }));
  for (const row of rows) {
    const sum = sums[row[SOURCE]];
    sum.total += 1;
    sum.counts.set(status(row), (sum.counts.get(status(row)) || 0) + 1);
  }

  const statusWord = (name, words = name) => make("span", { class: `status ${name}` }, make("span", { class: "dot", "aria-hidden": "true" }), words);

  const sourceLine = (source) => {
    const [id, name] = sources[source];
    const { total, counts } = sums[source];
    const open = isOpen(source);
    const made = counts.get("created") || 0;
    const told = make("span", { class: "sums" });
    for (const one of STATUSES.slice(1)) {
      if (counts.has(one)) told.append(statusWord(one, `${counts.get(one).toLocaleString("en")} ${one}`));
    }
    told.append(statusWord(made ? "created" : "none", made === total ? `${total.toLocaleString("en")} created` : `${made.toLocaleString("en")} of ${total.toLocaleString("en")} created`));
    return make("tr", { class: "source" }, make("th", { scope: "rowgroup", colspan: COLUMNS.length },
      told,
      make("button", { type: "button", class: "fold", "aria-expanded": open, "data-source": source, "data-key": `s${source}` }, make("bdi", {}, visible(name ?? "(no name is known)"))),
      make("span", { class: "id" }, id), copyButton(id, `the source's id ${id}`)));
  };

  const rowLine = (number) => {
    const row = rows[number];
    const open = state.details.has(number);
    const made = row[BATCH]
      ? [make("span", { class: "id" }, row[BATCH]), " ", copyButton(row[BATCH], `the new batch's id ${row[BATCH]}`)]
      : [make("bdi", { class: "why" }, visible(text(row[ERROR])))];
    return make("tr", {},
      make("td", { class: "num" }, make("button", { type: "button", class: "fold", "aria-expanded": open, "data-row": number, "data-key": `r${number}`, "aria-label": `Details of line ${row[LINE]}, copy ${row[COPY]}` }, row[COPY] > 1 ? `${row[LINE]}.${row[COPY]}` : `${row[LINE]}`)),
      make("td", { class: "name-cell" }, make("bdi", {}, visible(row[NAME].slice(0, 400)) || "(no name)")),
      make("td", {}, statusWord(status(row))),
      make("td", {}, ...made),
      make("td", { class: "num" }, timed(row[CREATED])),
      make("td", {}, text(row[BY])),
      make("td", { class: "num" }, String(row[TRIES])));
  };

  const UUIDS = / \(([0-9a-f]{8}-[0-9a-f-]{27}(?:, [0-9a-f]{8}-[0-9a-f-]{27})*)(?: and \d+ more)?\)$/;

  const detailLine = (number) => {
    const row = rows[number];
    const told = values(row);
    const list = make("dl", {}, make("dt", {}, "number"), make("dd", {}, `#${row[ITEM]}`));
    about.columns.forEach((column, place) => {
      const value = told[place];
      if (value === null || value === "") return;
      const dd = make("dd", {}, make("bdi", {}, visible(value)));
      if (/(_id|^name)$/.test(column)) dd.append(" ", copyButton(value, `${column} ${visible(String(value).slice(0, 60))}`));
      list.append(make("dt", {}, column), dd);
    });
    const commands = [];
    if (status(row) === "unknown") {
      const named = UUIDS.exec(text(row[ERROR]));
      for (const id of named ? named[1].split(", ") : []) {
        commands.push(command(`${about.settle} --assign '#${row[ITEM]}=${id}'`, `that assigns ${id}`));
      }
      commands.push(command(`${about.settle} --absent '#${row[ITEM]}'`, "that says that it was not made"));
    }
    if (status(row) === "failed") commands.push(command(about.retry, "that tries again what was refused"));
    if (status(row) === "pending") commands.push(command(about.run, "that runs the job again"));
    return make("tr", { class: "detail" }, make("td", { colspan: COLUMNS.length }, list, ...commands));
  };

  const show = (most = PAGE) => {
    const pages = Math.max(1, Math.ceil(lines.length / most));
    state.page = Math.min(state.page, pages - 1);
    const focused = document.activeElement?.dataset?.key;
    const made = [];
    for (const line of lines.slice(state.page * most, (state.page + 1) * most)) {
      made.push(line < 0 ? sourceLine(-1 - line) : rowLine(line));
      if (line >= 0 && state.details.has(line)) made.push(detailLine(line));
    }
    if (!made.length) made.push(make("tr", {}, make("td", { colspan: COLUMNS.length }, rows.length ? "No row is like that." : "There are no rows.")));
    body.replaceChildren(...made);
    if (focused) body.querySelector(`[data-key="${focused}"]`)?.focus();
    const all = rows.length.toLocaleString("en");
    const few = shown.length.toLocaleString("en");
    byId("shown").textContent = looking() ? `${few} of ${counted(rows.length, "row")} shown` : `All ${counted(rows.length, "row")} of ${counted(sources.length, "source")}`.replace(/^All 1 /, "The one ");
    byId("download").textContent = looking() ? `Download CSV (${few})` : `Download CSV (${all})`;
    byId("page-of").textContent = `page ${(state.page + 1).toLocaleString("en")} of ${pages.toLocaleString("en")}`;
    byId("earlier").disabled = state.page === 0;
    byId("later").disabled = state.page === pages - 1;
    document.querySelector(".pager").classList.toggle("needed", pages > 1);
    byId("fold").hidden = !state.grouped || !lines.length;
    byId("fold").textContent = allOpen() ? "Close all" : "Open all";
  };
  const allOpen = () => (state.opened ?? (looking() || shown.length <= FEW)) && !state.toggled.size;

  const renew = () => {
    find();
    arrange();
    show();
  };
  const fresh = () => { // another question: back to the first page, and to what is open by itself
    state.page = 0;
    state.opened = null;
    state.toggled.clear();
    renew();
  };

  const showHead = () => {
    head.replaceChildren(...COLUMNS.map(([column, name, kind]) =>
      make("th", { scope: "col", class: kind, "aria-sort": column === state.sort ? (state.down ? "descending" : "ascending") : undefined },
        make("button", { type: "button", "data-sort": column }, name))));
  };

  const showChips = () => {
    const counts = new Map();
    for (const row of rows) counts.set(status(row), (counts.get(status(row)) || 0) + 1);
    byId("statuses").replaceChildren(...STATUSES.map((name) => {
      const chip = make("button", { type: "button", class: `chip ${name}`, "data-chip": name, "aria-pressed": state.only.has(name) },
        make("span", { class: "dot", "aria-hidden": "true" }), `${name} ${(counts.get(name) || 0).toLocaleString("en")}`);
      chip.disabled = !counts.has(name);
      return chip;
    }));
  };
  const pressChips = () => {
    for (const chip of byId("statuses").children) chip.setAttribute("aria-pressed", state.only.has(chip.dataset.chip));
  };

  // -- CSV, as the ledger file has it

  const values = (row) => [row[LINE], sources[row[SOURCE]][0], row[NAME], row[FLAG] ? "true" : "false", row[COPY], status(row), row[BATCH], text(row[BATCH_STATUS]), row[CREATED], text(row[BY]), row[TRIES], row[HTTP], text(row[ERROR]), row[FIRST], row[LAST], about.campaign, text(row[RUN]), ...row.slice(OWN)];
  const cell = (value) => {
    if (value === null) return "";
    if (typeof value !== "string") return String(value);
    const plain = value.replace(/\r\n?/g, "\n");
    const safe = /^[=+\-@\t\n']/.test(plain) ? `'${plain}` : plain;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const csv = () => [about.columns, ...shown.map((number) => values(rows[number]))].map((one) => `${one.map(cell).join(",")}\n`);

  const download = () => {
    const url = URL.createObjectURL(new Blob(csv(), { type: "text/csv;charset=utf-8" }));
    make("a", { href: url, download: `${about.campaign}${looking() ? "-part" : ""}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    say(`${counted(shown.length, "row")} downloaded`);
  };

  // -- what people do

  const toTable = () => {
    byId("mapping").scrollIntoView();
    byId("search").focus({ preventScroll: true });
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { copy: words, find: found, status: only, chip, sort, source, row } = button.dataset;
    if (words !== undefined) {
      copy(button);
    } else if (found !== undefined || only !== undefined) {
      state.words = byId("search").value = found ?? "";
      state.only = new Set(only === undefined ? [] : [only]);
      pressChips();
      fresh();
      toTable();
    } else if (chip !== undefined) {
      if (!state.only.delete(chip)) state.only.add(chip);
      pressChips();
      fresh();
    } else if (sort !== undefined) {
      state.down = Number(sort) === state.sort && !state.down;
      state.sort = Number(sort);
      reorder();
      showHead();
      head.querySelector(`[data-sort="${sort}"]`).focus();
      state.page = 0;
      renew();
    } else if (source !== undefined) {
      if (!state.toggled.delete(Number(source))) state.toggled.add(Number(source));
      arrange();
      show();
    } else if (row !== undefined) {
      if (!state.details.delete(Number(row))) state.details.add(Number(row));
      show();
    } else if (button.id === "fold") {
      state.opened = !allOpen();
      state.toggled.clear();
      arrange();
      show();
    } else if (button.id === "download") {
      download();
    } else if (button.id === "earlier" || button.id === "later") {
      state.page += button.id === "later" ? 1 : -1;
      show();
      byId("mapping").scrollIntoView();
    }
  });
  byId("search").addEventListener("input", (event) => {
    state.words = event.target.value;
    fresh();
  });
  byId("grouped").addEventListener("change", (event) => {
    state.grouped = event.target.checked;
    fresh();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      toTable();
    }
  });

  // -- theme: remembered where the browser lets a file remember

  const remembered = () => { try { return localStorage.getItem("theme") || ""; } catch { return ""; } };
  const paint = (theme) => {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    for (const one of document.querySelectorAll("[name=theme]")) one.checked = one.value === theme;
  };
  paint(remembered());
  document.querySelector(".theme").addEventListener("change", (event) => {
    paint(event.target.value);
    try { localStorage.setItem("theme", event.target.value); } catch { /* then not */ }
  });

  // -- paper

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open], .pauses)")];
    for (const one of closed) one.open = true;
    state.page = 0;
    show(PRINTED);
  });
  addEventListener("afterprint", () => {
    for (const one of closed) one.open = false;
    show();
  });

  for (const one of document.querySelectorAll("time")) one.title = local(one.dateTime) ?? "";
  showHead();
  showChips();
  renew();
})();
