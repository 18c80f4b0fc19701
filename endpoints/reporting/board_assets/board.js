// The live board. Its figures are loaded from `/api/board`, again whenever the connection receives an event.

import { Figures } from './figures.js';
import { Form } from './form.js';
import { Connection } from './live.js';
import { SignedOut, SignIn } from './sign-in.js';

const LEAST_PAUSE = 400, BUSY_SHARE = 5; // At most about two loads a second, and a fifth of the time.
const AGAIN = 2_000, MINUTE = 60_000, NEWS_PAUSE = 12_000;

class NoAnswer extends Error {}

const at = (id) => document.getElementById(id);

const figures = new Figures();
const signIn = new SignIn(document.documentElement.dataset.signIn === 'needed', {
  renewed: () => connection.renew(),
  elsewhere: () => isOut && enter(),
});
const form = new Form((username, password) => signIn.enter(username, password), () => enter());
const connection = new Connection(socketAddress, {
  up: () => load(),
  down: (when) => setNotLive(when),
  stopped: (sentence, when) => { stop = sentence; setNotLive(when); },
  changed: (events) => { collectSales(events); load(); },
  refused: (error) => { if (error instanceof SignedOut) showSignedOut(error.message); },
});

let board = null; // The shown figures.
let lostAt = null; // Since when the figures may be out of date; null while they are live.
let stop = ''; // Why the connection does not reconnect.
let isOut = false; // Whether the user must sign in first.
let loading = false, wanted = false, next = 0, timer = null;
let sales = [], announcedAt = 0, announcing = null; // Sales that the screen reader has not announced yet.

// Load the figures now, or a moment after the last load. All events during a load cause one more load at its end.
function load() {
  wanted = true;
  if (loading || isOut) return;
  clearTimeout(timer);
  timer = setTimeout(fetchFigures, Math.max(0, next - Date.now()));
}

async function fetchFigures() {
  loading = true;
  wanted = false;
  const began = Date.now(), wasUp = connection.isUp;
  let pause = LEAST_PAUSE;
  try {
    const current = await requestFigures();
    if (!isOut) show(current, wasUp);
    pause = Math.max(LEAST_PAUSE, (Date.now() - began) * BUSY_SHARE);
  } catch (error) {
    if (error instanceof SignedOut) showSignedOut(error.message);
    else {
      // The page shows that the service does not answer; any other error is one of the page.
      if (!(error instanceof NoAnswer)) console.error(error);
      wanted = true;
      pause = AGAIN * (0.5 + Math.random());
      setNotLive(began);
    }
  }
  loading = false;
  next = Date.now() + pause;
  if (wanted) load();
}

// The browser caches the last response and revalidates it (If-None-Match).
async function requestFigures() {
  try {
    const response = await signIn.fetch('api/board', { cache: 'no-cache', signal: AbortSignal.timeout(6_000) });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return await response.json();
  } catch (cause) {
    if (cause instanceof SignedOut) throw cause;
    throw new NoAnswer('The shop does not answer.', { cause });
  }
}

async function socketAddress() {
  const address = new URL('ws', document.baseURI), ticket = await signIn.ticket();
  address.protocol = address.protocol.replace('http', 'ws');
  if (ticket) address.searchParams.set('ticket', ticket);
  return address;
}

// Hide the figures and show the sign-in form. sentence: the reason, or ''.
function showSignedOut(sentence) {
  isOut = true;
  connection.stop();
  board = lostAt = null;
  sales = [];
  stop = at('news').textContent = '';
  document.title = 'Today';
  at('sign-out').hidden = true;
  setStatus('out', 'Not signed in');
  form.show(sentence);
}

function enter() {
  isOut = false;
  next = 0;
  form.hide();
  setStatus('loading', 'Loading …');
  load();
}

function show(latest, wasUp) {
  const isFirst = board === null;
  if (!isFirst && latest.version !== board.version) location.reload(); // The new version of the service has its own page.
  if (isFirst) figures.setFormats(latest);
  board = latest;
  figures.show(board);
  tick();
  at('sign-out').hidden = !signIn.isIn;
  if (isFirst) connection.start(board.position);
  // Only figures that were requested while the connection was open are completed by the following events.
  if (wasUp && connection.isUp) setLive();
  announce();
}

function setNotLive(when) {
  if (isOut) return;
  lostAt ??= when;
  if (board === null) return setStatus('off', stop || 'Not live: the shop does not answer. Trying again …');
  const time = figures.time.format(lostAt), day = figures.isoDay(lostAt);
  const since = day === figures.isoDay(Date.now()) ? time : `${figures.shortDay.format(lostAt)}, ${time}`;
  setStatus('off', `Not live since ${since} — showing what was known then.${stop && ` ${stop}`}`);
}

function setLive() {
  lostAt = null;
  setStatus('live', 'Live');
}

function setStatus(state, sentence) {
  document.documentElement.dataset.state = state;
  if (at('state').textContent !== sentence) at('state').textContent = sentence;
}

function tick() {
  if (board === null) return;
  const now = new Date();
  at('clock').textContent = figures.time.format(now);
  at('clock').dateTime = now.toISOString();
}

function collectSales(events) {
  sales.push(...events.filter(({ type, action }) => action === 'convert_to_order' || (type === 'order' && action === 'create')));
  sales = sales.slice(-1_000);
}

// Announce new sales from time to time, so that a screen reader does not interrupt at each sale.
function announce() {
  const wait = announcedAt + NEWS_PAUSE - Date.now();
  clearTimeout(announcing);
  if (!sales.length) return;
  if (wait > 0) {
    announcing = setTimeout(announce, wait);
    return;
  }
  const [{ data }] = sales, takings = figures.money.format(board.orders.total_amount);
  const news = sales.length === 1
    ? `Sale ${data.sale_number}, ${figures.money.format(data.amount_paid)}, ${data.payment_mode}.` : `${sales.length} new sales.`;
  at('news').textContent = `${news} Takings today: ${takings}.`;
  announcedAt = Date.now();
  sales = [];
}

// Update the clock, and load the figures, which change at midnight. Without a change this is a cheap 304.
function everyMinute() {
  tick();
  load();
  setTimeout(everyMinute, MINUTE - (Date.now() % MINUTE) + 50);
}

at('sign-out').addEventListener('click', () => {
  signIn.leave();
  showSignedOut('');
});
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState !== 'visible') return;
  connection.check();
  load();
});
addEventListener('online', () => { connection.reconnectNow(); load(); });
addEventListener('offline', () => setNotLive(Date.now()));

everyMinute();
