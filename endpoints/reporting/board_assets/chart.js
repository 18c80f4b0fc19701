// Takings by hour, drawn as SVG in the size of its element. Its text has the font size of the page.

const SVG = 'http://www.w3.org/2000/svg';
const OPENS = 9, CLOSES = 20; // The hours that are always shown, so that a quiet morning does not look like a busy one.

export class HourChart {
  #svg; #parts = new Map(); #drawn = null;

  constructor(svg) {
    this.#svg = svg;
    new ResizeObserver(() => this.#drawn && this.draw(...this.#drawn)).observe(svg.parentElement);
  }

  // hours: from `/api/board`; now: the current hour of the store, or null; money: a formatter of whole amounts.
  draw(hours, now, money) {
    this.#drawn = [hours, now, money];
    const { clientWidth: width, clientHeight: height } = this.#svg.parentElement;
    if (!width || !height) return;
    const em = parseFloat(getComputedStyle(this.#svg).fontSize);
    const shown = shownHours(hours, now);
    const lines = gridLines(Math.max(...shown.map(({ orders }) => orders.amount)), height / em > 14 ? 4 : 3);
    const labels = lines.map((amount) => money.format(amount));
    const left = Math.max(...labels.map((label) => label.length)) * em * 0.6 + em * 0.6;
    const top = em, bottom = height - em * 1.9;
    const step = (width - left) / shown.length;
    const high = (amount) => (amount / (lines.at(-1) || 1)) * (bottom - top);

    const old = this.#parts;
    this.#parts = new Map();
    lines.forEach((amount, index) => {
      const y = Math.round(bottom - high(amount)) + 0.5;
      this.#put(old, `line ${index}`, 'line', { x1: left, x2: width, y1: y, y2: y, class: index ? 'grid' : 'base' });
      this.#put(old, `amount ${index}`, 'text', { x: left - em * 0.6, y: y + em * 0.34, class: 'amount' }, labels[index]);
    });
    const every = Math.max(1, Math.ceil((em * 1.9) / step));
    for (const [index, { hour, orders }] of shown.entries()) {
      const middle = left + step * (index + 0.5), wide = Math.min(step * 0.62, em * 3.2);
      const tall = orders.amount ? Math.max(high(orders.amount), 2) : 0;
      const bar = { x: middle - wide / 2, y: bottom - tall, width: wide, height: tall, rx: Math.min(em / 5, tall / 2) };
      this.#put(old, `bar ${hour}`, 'rect', { ...bar, class: hour === now ? 'bar now' : 'bar', 'data-hour': hour });
      if (hour === now || index % every === 0 && (every === 1 || Math.abs(hour - now) >= every || now === null)) {
        const kind = hour === now ? 'hour now' : 'hour';
        this.#put(old, `hour ${hour}`, 'text', { x: middle, y: height - em * 0.35, class: kind }, twoDigits(hour));
      }
    }
    for (const part of old.values()) part.remove();
  }

  // Reuse an existing element, so that a bar can grow; otherwise create one.
  #put(old, key, name, attributes, text = '') {
    const part = old.get(key) ?? document.createElementNS(SVG, name);
    old.delete(key);
    for (const [attribute, value] of Object.entries(attributes)) part.setAttribute(attribute, value);
    part.textContent = text;
    this.#svg.append(part);
    this.#parts.set(key, part);
  }
}

export function twoDigits(number) {
  return String(number).padStart(2, '0');
}

function shownHours(hours, now) {
  const busy = hours.filter(({ orders, estimates }) => orders.count || estimates.count).map(({ hour }) => hour);
  if (now !== null) busy.push(now);
  const first = Math.min(OPENS, ...busy), last = Math.max(CLOSES, ...busy);
  return hours.slice(first, last + 1);
}

// A limited number of amounts above 0, in steps of 1, 2 or 5 times a power of ten; the last is at least the highest.
function gridLines(highest, most) {
  if (!highest) return [0];
  const rough = highest / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  return Array.from({ length: Math.ceil(highest / step - 0.001) + 1 }, (_, index) => index * step);
}
