// The figures of `/api/board`, written into the page: money in the shop's currency, times in the shop's zone.

import { HourChart, twoDigits } from './chart.js';

const LOCALE = 'en-IN'; // Lakhs and crores, and the rupee's sign before the amount.
const MOST_STAFF = 6;
const MODES = {
  cash: 'Cash', card: 'Card', online: 'Online', upi: 'UPI', bank_transfer: 'Bank transfer', cheque: 'Cheque',
  other: 'Other',
};

const at = (id) => document.getElementById(id);
const times = (count, one, many = `${one}s`) => `${count.toLocaleString(LOCALE)} ${count === 1 ? one : many}`;

export class Figures {
  #chart = new HourChart(at('chart')); #known = null;

  // Set the formats of money and times; called before the first figures.
  setFormats({ currency, timezone }) {
    const options = { style: 'currency', currency };
    this.money = new Intl.NumberFormat(LOCALE, options);
    this.whole = new Intl.NumberFormat(LOCALE, { ...options, maximumFractionDigits: 0 });
    const zoned = (format) => new Intl.DateTimeFormat(LOCALE, { timeZone: timezone, ...format });
    this.time = zoned({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
    this.shortDay = zoned({ day: 'numeric', month: 'short' });
    this.day = new Intl.DateTimeFormat(LOCALE, { timeZone: 'UTC', weekday: 'long', day: 'numeric', month: 'long' });
    this.days = new Intl.DateTimeFormat('sv-SE', { timeZone: timezone, year: 'numeric', month: '2-digit', day: '2-digit' });
  }

  // The day in the store's time zone, like in `/api/board`: YYYY-MM-DD.
  isoDay(when) {
    const parts = Object.fromEntries(this.days.formatToParts(when).map(({ type, value }) => [type, value]));
    return `${parts.year}-${parts.month}-${parts.day}`;
  }

  show(board) {
    const { orders, estimates, statistics } = board;
    at('date').textContent = this.day.format(new Date(board.date)).replace(',', '');
    document.title = `${this.whole.format(orders.total_amount)} · ${times(orders.count, 'sale')}`;
    at('revenue').replaceChildren(...this.#set(orders.total_amount));
    at('revenue').style.setProperty('--letters', this.money.format(orders.total_amount).length - 1.35);
    at('orders').textContent = orders.count.toLocaleString(LOCALE);
    at('orders-aside').textContent = this.#apart(orders);
    at('average').replaceChildren(...(orders.count ? this.#set(statistics.average_sale) : ['–']));
    at('average-aside').textContent = this.#due(orders);
    at('estimates').textContent = estimates.count.toLocaleString(LOCALE);
    at('estimates-aside').textContent = estimates.count
      ? `${this.whole.format(estimates.total_amount)}, ${estimates.conversion_breakdown.pending} open` : '';
    this.#showHours(board);
    this.#showPayments(orders);
    this.#showStaff(board.staff_performance, board.other_staff);
    this.#showLatest(board.latest);
  }

  // Mark the bar of the current hour, which also changes without new figures.
  #showHours({ date, by_hour: hours }) {
    const now = new Date(), isToday = this.isoDay(now) === date;
    this.#chart.draw(hours, isToday ? Number(this.time.format(now).slice(0, 2)) : null, this.whole);
    const busy = hours.filter(({ orders, estimates }) => orders.count || estimates.count);
    const best = busy.reduce((most, each) => (each.orders.amount > (most?.orders.amount ?? 0) ? each : most), null);
    at('chart-text').textContent = best
      ? `Takings by hour. Most so far in the hour from ${twoDigits(best.hour)}:00: ${this.money.format(best.orders.amount)}.`
      : 'Takings by hour. None so far.';
    at('hour-rows').replaceChildren(...busy.map(({ hour, orders, estimates }) => row(
      head(`${twoDigits(hour)}:00`),
      cell(orders.count), cell(this.money.format(orders.amount)), cell(estimates.count),
    )));
    document.querySelector('details').hidden = !busy.length;
    at('hours-empty').hidden = Boolean(best);
  }

  #showPayments({ payment_breakdown: modes, total_amount: total }) {
    const used = Object.entries(modes).filter(([, { count }]) => count).sort(([, a], [, b]) => b.amount - a.amount);
    fill('payment', used.map(([mode, { count, amount }]) => row(
      head(MODES[mode] ?? mode, times(count, 'sale')), cell(bar(total ? amount / total : 0), 'share'),
      cell(this.money.format(amount), 'money'),
    )));
  }

  #showStaff(staff, others) {
    const shown = staff.length > MOST_STAFF ? staff.slice(0, MOST_STAFF - 1) : [...staff];
    const rest = staff.slice(shown.length);
    const left = rest.length + others.count;
    if (left) shown.push(rest.reduce(together, { ...others, staff_name: times(left, 'other') }));
    const most = Math.max(...shown.map((each) => each.total_revenue), 1);
    fill('staff', shown.map((each) => row(
      head(each.staff_name, listed(each.orders_count && times(each.orders_count, 'sale'),
        each.estimates_count && times(each.estimates_count, 'estimate'))),
      cell(bar(each.total_revenue / most), 'share'), cell(this.money.format(each.total_revenue), 'money'),
    )));
  }

  #showLatest(sales) {
    fill('latest', sales.map((sale) => {
      const kept = !['Cancelled', 'Refunded'].includes(sale.status);
      const notes = [sale.sale_by, sale.payment_mode, sale.status !== 'Completed' && sale.status.toLowerCase()];
      const shown = row(cell(this.time.format(new Date(sale.created_at)), 'time'),
        head(sale.sale_number, notes.filter(Boolean).join(' · ')),
        cell(kept ? this.money.format(sale.amount_paid) : element('s', '', this.money.format(sale.amount_paid)), 'money'));
      if (this.#known && !this.#known.has(sale.order_id)) shown.className = 'fresh';
      return shown;
    }));
    this.#known = new Set(sales.map((sale) => sale.order_id));
  }

  #apart({ cancelled, refunded }) {
    return listed(cancelled.count && `${cancelled.count} cancelled`, refunded.count && `${refunded.count} refunded`);
  }

  // The amount still due, or paid in advance.
  #due({ total_sold: sold, total_amount: paid }) {
    if (sold === paid) return '';
    return sold > paid ? `${this.money.format(sold - paid)} still due` : `${this.money.format(paid - sold)} in advance`;
  }

  // An amount with smaller paise.
  #set(amount) {
    const parts = this.money.formatToParts(amount);
    const text = (wanted) => parts.filter(({ type }) => ['decimal', 'fraction'].includes(type) === wanted).map(({ value }) => value).join('');
    return [text(false), element('span', 'minor', text(true))]; // 3 characters, as wide as 1.65
  }
}

function listed(...parts) {
  return parts.filter(Boolean).join(', ');
}

function together(sum, each) {
  const names = ['orders_count', 'estimates_count', 'total_revenue'];
  return { ...sum, ...Object.fromEntries(names.map((name) => [name, (sum[name] ?? 0) + each[name]])) };
}

function fill(id, rows) {
  at(`${id}-rows`).replaceChildren(...rows);
  at(`${id}-empty`).hidden = rows.length > 0;
  at(`${id}-rows`).parentElement.hidden = rows.length === 0;
}

function element(name, kind, ...content) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...content);
  return made;
}

function row(...cells) {
  return element('tr', '', ...cells);
}

function cell(content, kind) {
  return element('td', kind, typeof content === 'object' ? content : String(content));
}

function head(content, aside = '') {
  const made = element('th', '', content, ...(aside ? [' ', element('span', 'aside', aside)] : []));
  made.scope = 'row';
  return made;
}

// share: 0 to 1. Hidden from screen readers, since the amount is beside it as text.
function bar(share) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('aria-hidden', 'true');
  for (const [kind, width] of [['whole', 100], ['part', share * 100]]) {
    const rect = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
    rect.setAttribute('class', kind);
    rect.setAttribute('width', `${width}%`);
    rect.setAttribute('height', '100%');
    svg.append(rect);
  }
  return svg;
}
