// The table of rows: what it shows, and the events of the page.

// -- the table

const COLUMNS = [
  [LINE, "Line", "num"], [COPY, "Copy", "num"], [NAME, "Name"], [STATUS, "Status"], [BATCH, "New batch, or reason"],
  [CREATED, "Created (UTC)", "num"], [BY, "Known by"], [TRIES, "Requests", "num"],
];
const head = byId("table").tHead.rows[0];
const body = byId("table").tBodies[0];

// Of all rows, whatever the filters: the head of a source describes the source.
const sums = sources.map(() => ({ total: 0, counts: new Map() }));
for (const row of rows) {
  const sum = sums[row[SOURCE]];
  sum.total += 1;
  sum.counts.set(status(row), (sum.counts.get(status(row)) || 0) + 1);
}

const dot = () => make("span", { class: "dot", "aria-hidden": "true" });
const statusLabel = (name, label = name) => make("span", { class: `status ${name}` }, dot(), label);
const batchLink = (id) => {
  if (!about.batch_url) return make("span", { class: "id" }, id);
  const href = about.batch_url.replaceAll("{id}", () => encodeURIComponent(id));
  return make("a", { class: "id", href, target: "_blank", rel: "noopener noreferrer" }, id);
};
const wide = (...children) => make("td", { colspan: COLUMNS.length }, ...children);
const fold = (open, data, ...children) =>
  make("button", { type: "button", class: "fold", "aria-expanded": open, ...data }, ...children);

const sourceLine = (source) => {
  const [id, name] = sources[source];
  const { total, counts } = sums[source];
  const created = counts.get("created") || 0;
  const totals = make("span", { class: "sums" });
  for (const one of STATUSES.slice(1)) {
    if (counts.has(one)) totals.append(statusLabel(one, `${number(counts.get(one))} ${one}`));
  }
  const of = created === total ? "" : ` of ${number(total)}`;
  totals.append(statusLabel(created ? "created" : "none", `${number(created)}${of} created`));
  const data = { "data-source": source, "data-key": `s${source}` };
  return make("tr", { class: "source" }, make("th", { scope: "rowgroup", colspan: COLUMNS.length },
    fold(isOpen(source), data, make("bdi", {}, visible(name ?? "(name not known)"))),
    batchLink(id),
    copyButton(id, `the source's id ${id}`),
    totals));
};

const rowLine = (place) => {
  const row = rows[place];
  const batch = row[BATCH]
    ? [batchLink(row[BATCH]), " ", copyButton(row[BATCH], `the new batch's id ${row[BATCH]}`)]
    : [make("bdi", { class: "why" }, visible(text(row[ERROR])))];
  if (row[WARNING] !== null) batch.push(make("span", { class: "warning" }, text(row[WARNING])));
  const label = `Details of line ${row[LINE]}, copy ${row[COPY]} of ${row[COPIES]}`;
  const data = { "data-row": place, "data-key": `r${place}`, "aria-label": label };
  return make("tr", {},
    make("td", { class: "num" }, fold(state.details.has(place), data, String(row[LINE]))),
    make("td", { class: "num" }, `${number(row[COPY])} of ${number(row[COPIES])}`),
    make("td", { class: "name-cell" }, make("bdi", {}, visible(row[NAME].slice(0, 400)) || "(no name)")),
    make("td", {}, statusLabel(status(row))),
    make("td", {}, ...batch),
    make("td", { class: "num" }, timed(row[CREATED])),
    make("td", {}, text(row[BY])),
    make("td", { class: "num" }, String(row[TRIES])));
};

const detailLine = (place) => {
  const row = rows[place];
  const cells = values(row);
  const list = make("dl", {}, make("dt", {}, "item"), make("dd", {}, `#${row[ITEM]}`));
  about.columns.forEach((column, at) => {
    const value = cells[at];
    if (value === null || value === "") return;
    const cell = make("dd", {}, make("bdi", {}, visible(value)));
    if (/(_id|^name)$/.test(column)) cell.append(" ", copyButton(value, `${column} ${visible(value.slice(0, 60))}`));
    list.append(make("dt", {}, column), cell);
  });
  const commands = [];
  if (status(row) === "unknown") {
    for (const id of candidates[row[ITEM]] ?? []) {
      commands.push(command(`${about.settle} --assign '#${row[ITEM]}=${id}'`, `that assigns ${id}`));
    }
    commands.push(command(`${about.settle} --absent '#${row[ITEM]}'`, "that records that it has no copy"));
  }
  if (status(row) === "failed") commands.push(command(about.retry, "that retries what the API rejected"));
  if (status(row) === "pending") commands.push(command(about.run, "that runs the job again"));
  return make("tr", { class: "detail" }, wide(list, ...commands));
};

const show = (most = PAGE) => {
  const pages = Math.max(1, Math.ceil(lines.length / most));
  state.page = Math.min(state.page, pages - 1);
  const focused = document.activeElement?.dataset?.key;
  const shownLines = [];
  for (const line of lines.slice(state.page * most, (state.page + 1) * most)) {
    shownLines.push(line < 0 ? sourceLine(-1 - line) : rowLine(line));
    if (line >= 0 && state.details.has(line)) shownLines.push(detailLine(line));
  }
  if (!shownLines.length) shownLines.push(make("tr", {}, wide(rows.length ? "No row matches." : "No rows.")));
  body.replaceChildren(...shownLines);
  if (focused) body.querySelector(`[data-key="${focused}"]`)?.focus();
  const every = counted(rows.length, "row");
  byId("shown").textContent = filtering()
    ? `${number(shown.length)} of ${every} shown`
    : `${rows.length > 1 ? "All " : ""}${every} of ${counted(sources.length, "source")}`;
  byId("download").textContent = `Download CSV (${number(shown.length)})`;
  byId("page-of").textContent = `Page ${number(state.page + 1)} of ${number(pages)}`;
  byId("earlier").disabled = state.page === 0;
  byId("later").disabled = state.page === pages - 1;
  document.querySelector(".pager").classList.toggle("needed", pages > 1);
  byId("fold").hidden = !state.grouped || !lines.length;
  byId("fold").textContent = allOpen() ? "Close all" : "Open all";
};
const allOpen = () => (state.opened ?? (filtering() || shown.length <= FEW)) && !state.toggled.size;

const renew = () => {
  find();
  arrange();
  show();
};
const refresh = () => { // after a new filter: the first page, and sources open or closed as at first
  state.page = 0;
  state.opened = null;
  state.toggled.clear();
  renew();
};

const showHead = () => {
  const direction = state.down ? "descending" : "ascending";
  head.replaceChildren(...COLUMNS.map(([column, name, kind]) =>
    make("th", { scope: "col", class: kind, "aria-sort": column === state.sort ? direction : undefined },
      make("button", { type: "button", "data-sort": column }, name))));
};

const showChips = () => {
  const counts = new Map();
  for (const row of rows) counts.set(status(row), (counts.get(status(row)) || 0) + 1);
  byId("statuses").replaceChildren(...STATUSES.map((name) => {
    const kind = { type: "button", class: `chip ${name}`, "data-chip": name, "aria-pressed": "false" };
    const chip = make("button", kind, dot(), `${name} ${number(counts.get(name) || 0)}`);
    chip.disabled = !counts.has(name);
    return chip;
  }));
  const differing = rows.filter((row) => row[WARNING] !== null).length;
  if (differing) {
    const kind = { type: "button", class: "chip warning", "data-chip": DIFFERS, "aria-pressed": "false" };
    byId("statuses").append(make("button", kind, `differs ${number(differing)}`));
  }
};
const pressChips = () => {
  for (const chip of byId("statuses").children) chip.setAttribute("aria-pressed", state.only.has(chip.dataset.chip));
};

const save = (parts, name) => {
  const url = URL.createObjectURL(new Blob(parts, { type: "text/csv;charset=utf-8" }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
};
const download = () => {
  save(csv(), `${about.campaign}${filtering() ? "-part" : ""}.csv`);
  announce(`${counted(shown.length, "row")} downloaded`);
};
const downloadSheet = () => {
  save([JSON.parse(byId("sheet-csv").textContent)], `${about.campaign}-decisions.csv`);
  announce("Sheet downloaded");
};

// -- events

const toTable = () => {
  byId("copies").scrollIntoView();
  byId("search").focus({ preventScroll: true });
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { copy: value, find: found, status: only, chip, sort, source, row } = button.dataset;
  if (value !== undefined) {
    copy(button);
  } else if (found !== undefined || only !== undefined) {
    state.query = byId("search").value = found ?? "";
    state.only = new Set(only === undefined ? [] : [only]);
    pressChips();
    refresh();
    toTable();
  } else if (chip !== undefined) {
    if (!state.only.delete(chip)) state.only.add(chip);
    pressChips();
    refresh();
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
  } else if (button.id === "sheet") {
    downloadSheet();
  } else if (button.id === "earlier" || button.id === "later") {
    state.page += button.id === "later" ? 1 : -1;
    show();
    byId("copies").scrollIntoView();
  }
});
byId("search").addEventListener("input", (event) => {
  state.query = event.target.value;
  refresh();
});
byId("grouped").addEventListener("change", (event) => {
  state.grouped = event.target.checked;
  refresh();
});
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName);
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    toTable();
  }
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
byId("grouped").checked = state.grouped;
showHead();
showChips();
renew();
