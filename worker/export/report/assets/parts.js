// The first part of the page's script (rows.js and table.js follow, in the same scope): building elements, copying, and
// the theme. Everything is shown as text; nothing is fetched.

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
// Hidden characters (control, bidi marks, …) as escapes, as the command line shows them.
const escaped = (char) => {
  if (char === "\u200c" || char === "\u200d") return char; // Persian, Hindi and emoji need these
  const plain = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[char];
  const point = char.codePointAt(0);
  const [letter, digits] = point > 0xffff ? ["U", 8] : point > 0xff ? ["u", 4] : ["x", 2];
  return plain ?? `\\${letter}${point.toString(16).padStart(digits, "0")}`;
};
const visible = (value) => String(value).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, escaped);
const moment = (iso) => iso.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d).*$/s, "$1 $2");
const local = (iso) => {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? undefined : `${at.toLocaleString()} local time`;
};
const number = (many) => many.toLocaleString("en");
const counted = (many, noun) => `${number(many)} ${noun}${many === 1 ? "" : "s"}`;
const copyButton = (value, label, kind = "copy small") =>
  make("button", { type: "button", class: kind, "data-copy": value, "aria-label": `Copy ${label}` }, "Copy");
const command = (line, purpose) => {
  // Breaks only between arguments, so that no option is split.
  const parts = line.split(" ").flatMap((part, at) => [at ? " " : "", make("span", {}, part)]);
  return make("div", { class: "command" }, make("code", {}, ...parts),
    copyButton(line, `the command ${purpose}`, "copy"));
};
const timed = (iso) => (iso ? make("time", { datetime: iso, title: local(iso) }, moment(iso)) : "");

// -- copying

const announce = (message) => {
  byId("said").textContent = "";
  requestAnimationFrame(() => { byId("said").textContent = message; });
};
const copyWithoutClipboard = (value) => {
  const area = make("textarea", { class: "sr" });
  area.value = value;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
};
const copy = async (button) => {
  const value = button.dataset.copy;
  let done = true;
  try {
    await navigator.clipboard.writeText(value);
  } catch {
    done = copyWithoutClipboard(value);
    button.focus();
  }
  announce(done ? "Copied" : "The browser does not allow copying");
  if (done) {
    button.classList.add("done");
    button.textContent = "Copied";
    setTimeout(() => {
      button.classList.remove("done");
      button.textContent = "Copy";
    }, 1500);
  }
};

// -- theme: remembered if the browser allows it for a file

const remembered = () => { try { return localStorage.getItem("theme") || ""; } catch { return ""; } };
const paint = (theme) => {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  for (const one of document.querySelectorAll("[name=theme]")) one.checked = one.value === theme;
};
paint(remembered());
document.querySelector(".theme").addEventListener("change", (event) => {
  paint(event.target.value);
  try { localStorage.setItem("theme", event.target.value); } catch { /* not remembered */ }
});
