// Text that others wrote, made harmless, and times for people.

// harmless shows what would be invisible, or turn the text around: control characters, escapes of
// terminals, marks of direction. Line ends stay.
export function harmless(text) {
  return String(text ?? "").replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g, (c) => {
    const n = c.codePointAt(0);
    if (n === 9) return "    ";
    if (n < 0x100) return "\\x" + n.toString(16).padStart(2, "0");
    return "\\u" + n.toString(16).padStart(4, "0");
  });
}

// element makes an element. Children are elements or text; text is never read as HTML.
export function element(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") e.className = value;
    else if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else e.setAttribute(key, value === true ? "" : value);
  }
  for (const c of children.flat()) {
    if (c === undefined || c === null || c === "" || c === false) continue;
    e.append(c instanceof Node ? c : harmless(c));
  }
  return e;
}

// length is a span of time, given in milliseconds.
export function length(ms) {
  const sign = ms < 0 ? "−" : "";
  const s = Math.abs(ms) / 1000;
  if (s < 0.9995) return `${sign}${Math.round(s * 1000)} ms`;
  if (s < 10) return `${sign}${s.toFixed(2)} s`;
  if (s < 60) return `${sign}${s.toFixed(1)} s`;
  if (s < 3600) return `${sign}${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86400) return `${sign}${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${sign}${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

const two = (n) => String(n).padStart(2, "0");

// clock is a time of the day, in the reader's zone.
export function clock(ms, fraction = false) {
  const d = new Date(ms);
  const text = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return fraction ? `${text}.${String(d.getMilliseconds()).padStart(3, "0")}` : text;
}
