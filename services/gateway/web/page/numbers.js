// Exact decimals. The desk sends numbers as text, and what is added up here stays exact: integers and a scale.

/** Return `{n, scale}` of a decimal's text; null of none. Raises SyntaxError of what is no number. */
export function exact(text) {
  if (text === null || text === undefined || text === "") return null;
  const said = String(text);
  const found = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/.exec(said);
  if (!found || !(found[2] || found[3])) throw new SyntaxError(`${said} is no number`);
  const digits = `${found[2]}${found[3] ?? ""}`;
  let n = BigInt(found[1] === "-" ? `-${digits}` : digits);
  let scale = (found[3] ?? "").length - Number(found[4] ?? 0);
  if (scale < 0) [n, scale] = [n * 10n ** BigInt(-scale), 0];
  return { n, scale };
}

function level(a, b) {
  const scale = Math.max(a.scale, b.scale);
  return [a.n * 10n ** BigInt(scale - a.scale), b.n * 10n ** BigInt(scale - b.scale), scale];
}

/** Return the text of `{n, scale}`, without zeros that say nothing. */
export function text(value) {
  if (value === null) return null;
  const sign = value.n < 0n ? "-" : "";
  const digits = String(value.n < 0n ? -value.n : value.n).padStart(value.scale + 1, "0");
  const whole = digits.slice(0, digits.length - value.scale);
  const rest = digits.slice(digits.length - value.scale).replace(/0+$/, "");
  return sign + whole + (rest ? `.${rest}` : "");
}

/** Return the sum of texts; those that are not there count as nothing. */
export function sum(values) {
  let all = { n: 0n, scale: 0 };
  for (const each of values) {
    const value = exact(each);
    if (value === null) continue;
    const [a, b, scale] = level(all, value);
    all = { n: a + b, scale };
  }
  return text(all);
}

/** Return a - b as text. */
export function less(a, b) {
  const [x, y, scale] = level(exact(a) ?? { n: 0n, scale: 0 }, exact(b) ?? { n: 0n, scale: 0 });
  return text({ n: x - y, scale });
}

/** Return a × b as text; null where one is not there. */
export function times(a, b) {
  const [x, y] = [exact(a), exact(b)];
  return x === null || y === null ? null : text({ n: x.n * y.n, scale: x.scale + y.scale });
}

/** Return -1, 0 or 1: how texts stand to each other; what is not there is the least. */
export function compare(a, b) {
  const [x, y] = [exact(a), exact(b)];
  if (x === null || y === null) return (x === null ? 0 : 1) - (y === null ? 0 : 1);
  const [n, m] = level(x, y);
  return n < m ? -1 : n > m ? 1 : 0;
}

export const sign = (value) => compare(value ?? "0", "0");
export const absolute = (value) => String(value).replace(/^-/, "");

/** Return a number for people: thousands apart, rounded half to even to `places` if given. */
export function shown(value, places) {
  const parsed = exact(value);
  if (parsed === null) return "–";
  let { n, scale } = parsed;
  if (places !== undefined && scale > places) {
    const unit = 10n ** BigInt(scale - places);
    const half = n < 0n ? -n : n;
    let whole = half / unit;
    const twice = (half % unit) * 2n;
    if (twice > unit || (twice === unit && whole % 2n === 1n)) whole += 1n;
    [n, scale] = [n < 0n ? -whole : whole, places];
  }
  const plain = text({ n, scale });
  const [whole, rest = ""] = plain.split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const padded = places === undefined ? rest : rest.padEnd(places, "0");
  return padded ? `${apart}.${padded}` : apart;
}

/** Return money for people: two places or, of what is small, as many as it has, up to 8. */
export const money = (value) => (value === null || value === undefined ? "–" : shown(value, 2));

/** Return how many places a text has. */
export const places = (value) => (String(value).split(".")[1] ?? "").length;

/** Return milliseconds since 1970 as a time of this day, or with the day where it is another's. */
export function time(ms) {
  if (ms === null || ms === undefined) return "–";
  const at = new Date(Number(ms));
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  return at.toDateString() === new Date().toDateString() ? clock : `${day(ms)} ${clock}`;
}

/** Return the day of milliseconds, YYYY-MM-DD by this machine's zone. */
export function day(ms) {
  const at = new Date(Number(ms));
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

const two = (value) => String(value).padStart(2, "0");

/** Return a span of milliseconds for people. */
export function span(ms) {
  if (ms === null || ms === undefined) return "–";
  const value = Number(ms);
  if (value < 1_000) return `${Math.round(value)} ms`;
  if (value < 60_000) return `${(value / 1_000).toFixed(1)} s`;
  if (value < 3_600_000) return `${Math.floor(value / 60_000)} min`;
  if (value < 172_800_000) return `${(value / 3_600_000).toFixed(1)} h`;
  return `${Math.floor(value / 86_400_000)} days`;
}
