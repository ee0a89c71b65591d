// The rows: what the page embeds, which of them are shown and in which order, and their CSV. Nothing is displayed here.

// A row is an array, as page.py writes it; the job's own columns follow.
const [ITEM, LINE, COPY, SOURCE, NAME, FLAG, STATUS, BATCH, BATCH_STATUS, CREATED, BY, TRIES, HTTP, ERROR, FIRST, LAST,
  RUN, TASKS, SETUP, WARNING, COPIES, OWN] = Array(22).keys();
const PAGE = 50;
const PRINTED = 2000;
const FEW = 60; // up to this many rows, all sources are open at first
const STATUSES = ["created", "failed", "unknown", "pending"];
const DIFFERS = "differs"; // the filter for copies that differ from their source

const about = JSON.parse(byId("about").textContent);
const { sources, texts, candidates } = JSON.parse(byId("lists").textContent);
const rows = JSON.parse(byId("rows").textContent);
rows.sort((a, b) => a[LINE] - b[LINE] || a[COPY] - b[COPY]);

const text = (number) => (number === null ? "" : texts[number]);
const status = (row) => texts[row[STATUS]];
const statusNumbers = new Map(STATUSES.map((name) => [name, texts.indexOf(name)]));

// -- which rows are shown, and in which order

const state = {
  query: "", only: new Set(), // the search; the statuses and DIFFERS
  sort: LINE, down: false, grouped: true,
  opened: null, // whether sources are open; null: depends on the number of rows
  toggled: new Set(), // the sources that are the opposite
  details: new Set(), page: 0,
};
const collator = new Intl.Collator("en", { numeric: true });
let lowered = null; // the searched texts, filled by the first search
let loweredTexts = null;
let loweredSources = null;
let order = rows.map((_, number) => number);
let shown = order;
let lines = [];

// Groups do not help if most rows have a source of their own.
state.grouped = rows.length >= 1.5 * sources.length;

const key = {
  [LINE]: (row) => row[LINE] * 1e5 + row[COPY],
  [COPY]: (row) => row[COPY],
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
  const query = state.query.trim().toLowerCase();
  const only = STATUSES.filter((name) => state.only.has(name));
  const numbers = new Set(only.map((name) => statusNumbers.get(name)));
  const all = !state.only.has(DIFFERS);
  let fits = () => true;
  const item = /^#(\d+)$/.exec(query);
  if (item) {
    fits = (row) => row[ITEM] === Number(item[1]);
  } else if (query) {
    lowered ??= rows.map((row) => [row[NAME], row[BATCH] || "", ...row.slice(OWN)].join("\n").toLowerCase());
    loweredTexts ??= texts.map((one) => one.toLowerCase());
    loweredSources ??= sources.map(([id, name]) => `${id}\n${name || ""}`.toLowerCase());
    const inText = loweredTexts.map((one) => one.includes(query));
    const inSource = loweredSources.map((one) => one.includes(query));
    fits = (row, number) => lowered[number].includes(query) || inSource[row[SOURCE]] ||
      (row[ERROR] !== null && inText[row[ERROR]]) || inText[row[RUN]] ||
      (row[WARNING] !== null && inText[row[WARNING]]);
  }
  shown = order.filter((number) => (!numbers.size || numbers.has(rows[number][STATUS])) &&
    (all || rows[number][WARNING] !== null) && fits(rows[number], number));
};

const filtering = () => state.query.trim() !== "" || state.only.size > 0;
const isOpen = (source) => (state.opened ?? (filtering() || shown.length <= FEW)) !== state.toggled.has(source);

// What the table shows: a row as its number, the head of source N as -1 - N.
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

// -- CSV, as the ledger file has it

const values = (row) => [
  row[LINE], sources[row[SOURCE]][0], row[NAME], row[FLAG] ? "true" : "false", row[COPY], status(row), row[BATCH],
  text(row[BATCH_STATUS]), row[CREATED], text(row[BY]), row[TRIES], row[HTTP], text(row[ERROR]), row[FIRST], row[LAST],
  about.campaign, text(row[RUN]), row[TASKS], text(row[SETUP]),
  text(row[WARNING]), ...row.slice(OWN),
];
const cell = (value) => {
  if (value === null) return "";
  if (typeof value !== "string") return String(value);
  const plain = value.replace(/\r\n?/g, "\n");
  const safe = /^[=+\-@\t\n']/.test(plain) ? `'${plain}` : plain;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};
const csv = () =>
  [about.columns, ...shown.map((number) => values(rows[number]))].map((one) => `${one.map(cell).join(",")}\n`);
