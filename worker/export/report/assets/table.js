// The table of rows: what it shows, and what people do with it.

// -- the table

const COLUMNS = [
  [LINE, "line", "num"], [NAME, "name"], [STATUS, "status"], [BATCH, "new batch, or why not"], [CREATED, "made (UTC)"],
  [BY, "known by"], [TRIES, "requests", "num"],
];
const head = byId("table").tHead.rows[0];
const body = byId("table").tBodies[0];

// Of all rows, whatever is looked for: a source's head tells of the source.
const sums = sources.map(() => ({ total: 0, counts: new Map() }));
for (const row of rows) {
  const sum = sums[row[SOURCE]];
  sum.total += 1;
  sum.counts.set(status(row), (sum.counts.get(status(row)) || 0) + 1);
}

const dot = () => make("span", { class: "dot", "aria-hidden": "true" });
const statusWord = (name, words = name) => make("span", { class: `status ${name}` }, dot(), words);
const wide = (...children) => make("td", { colspan: COLUMNS.length }, ...children);
const fold = (open, data, ...children) =>
  make("button", { type: "button", class: "fold", "aria-expanded": open, ...data }, ...children);

const sourceLine = (source) => {
  const [id, name] = sources[source];
  const { total, counts } = sums[source];
  const made = counts.get("created") || 0;
  const told = make("span", { class: "sums" });
  for (const one of STATUSES.slice(1)) {
    if (counts.has(one)) told.append(statusWord(one, `${number(counts.get(one))} ${one}`));
  }
  const of = made === total ? "" : ` of ${number(total)}`;
  told.append(statusWord(made ? "created" : "none", `${number(made)}${of} created`));
  const data = { "data-source": source, "data-key": `s${source}` };
  return make("tr", { class: "source" }, make("th", { scope: "rowgroup", colspan: COLUMNS.length },
    told,
    fold(isOpen(source), data, make("bdi", {}, visible(name ?? "(no name is known)"))),
    make("span", { class: "id" }, id),
    copyButton(id, `the source's id ${id}`)));
};

const rowLine = (place) => {
  const row = rows[place];
  const made = row[BATCH]
    ? [make("span", { class: "id" }, row[BATCH]), " ", copyButton(row[BATCH], `the new batch's id ${row[BATCH]}`)]
    : [make("bdi", { class: "why" }, visible(text(row[ERROR])))];
  const label = `Details of line ${row[LINE]}, copy ${row[COPY]}`;
  const data = { "data-row": place, "data-key": `r${place}`, "aria-label": label };
  const line = row[COPY] > 1 ? `${row[LINE]}.${row[COPY]}` : `${row[LINE]}`;
  return make("tr", {},
    make("td", { class: "num" }, fold(state.details.has(place), data, line)),
    make("td", { class: "name-cell" }, make("bdi", {}, visible(row[NAME].slice(0, 400)) || "(no name)")),
    make("td", {}, statusWord(status(row))),
    make("td", {}, ...made),
    make("td", { class: "num" }, timed(row[CREATED])),
    make("td", {}, text(row[BY])),
    make("td", { class: "num" }, String(row[TRIES])));
};

const detailLine = (place) => {
  const row = rows[place];
  const told = values(row);
  const list = make("dl", {}, make("dt", {}, "number"), make("dd", {}, `#${row[ITEM]}`));
  about.columns.forEach((column, at) => {
    const value = told[at];
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
    commands.push(command(`${about.settle} --absent '#${row[ITEM]}'`, "that says that it was not made"));
  }
  if (status(row) === "failed") commands.push(command(about.retry, "that tries again what was refused"));
  if (status(row) === "pending") commands.push(command(about.run, "that runs the job again"));
  return make("tr", { class: "detail" }, wide(list, ...commands));
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
  if (!made.length) made.push(make("tr", {}, wide(rows.length ? "No row is like that." : "There are no rows.")));
  body.replaceChildren(...made);
  if (focused) body.querySelector(`[data-key="${focused}"]`)?.focus();
  const every = counted(rows.length, "row");
  byId("shown").textContent = looking()
    ? `${number(shown.length)} of ${every} shown`
    : `${rows.length > 1 ? "All " : ""}${every} of ${counted(sources.length, "source")}`;
  byId("download").textContent = `Download CSV (${number(shown.length)})`;
  byId("page-of").textContent = `page ${number(state.page + 1)} of ${number(pages)}`;
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
  const way = state.down ? "descending" : "ascending";
  head.replaceChildren(...COLUMNS.map(([column, name, kind]) =>
    make("th", { scope: "col", class: kind, "aria-sort": column === state.sort ? way : undefined },
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
};
const pressChips = () => {
  for (const chip of byId("statuses").children) chip.setAttribute("aria-pressed", state.only.has(chip.dataset.chip));
};

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
  const writes = /^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName);
  if (event.key === "/" && !writes && !event.ctrlKey && !event.metaKey && !event.altKey) {
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
