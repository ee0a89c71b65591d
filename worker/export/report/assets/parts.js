// The first part of the page's script (rows.js and table.js follow, in one scope): what the others are made of, copying,
// and the theme. Everything is shown as text; nothing is fetched.

const byId = (id) => document.getElementById(id);
const root = document.documentElement;
root.classList.add("scripted");

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
const moment = (iso) => iso.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d).*$/s, "$1 $2");
const local = (iso) => {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? undefined : `${at.toLocaleString()} here`;
};
const number = (many) => many.toLocaleString("en");
const counted = (many, noun) => `${number(many)} ${noun}${many === 1 ? "" : "s"}`;
const copyButton = (value, what, kind = "copy small") =>
  make("button", { type: "button", class: kind, "data-copy": value, "aria-label": `Copy ${what}` }, "Copy");
const command = (line, what) => {
  // Broken between its words alone, so that no option is read in two halves.
  const words = line.split(" ").flatMap((word, at) => [at ? " " : "", make("span", {}, word)]);
  return make("div", { class: "command" }, make("code", {}, ...words), copyButton(line, `the command ${what}`, "copy"));
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
