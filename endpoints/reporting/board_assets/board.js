// The live board. The figures come whole from `/api/board`, exact at any time; the line says when to ask for them again.

import { Figures } from './figures.js';
import { Form } from './form.js';
import { Line } from './live.js';
import { SignedOut, SignIn } from './sign-in.js';

const LEAST_PAUSE = 400, BUSY_SHARE = 5; // At most some two loads a second, and a fifth of the time.
const AGAIN = 2_000, MINUTE = 60_000, NEWS_PAUSE = 12_000;

class NoAnswer extends Error {}

const at = (id) => document.getElementById(id);

const figures = new Figures();
const signIn = new SignIn(document.documentElement.dataset.signIn === 'needed', {
  renewed: () => line.renew(),
  elsewhere: () => isOut && enter(),
});
const form = new Form((username, password) => signIn.enter(username, password), () => enter());
const line = new Line(socketAddress, {
  up: () => load(),
  down: (when) => lost(when),
  stopped: (sentence, when) => { stop = sentence; lost(when); },
  changed: (events) => { gather(events); load(); },
  refused: (error) => { if (error instanceof SignedOut) goOut(error.message); },
});

let board = null; // What is shown.
let lostAt = null; // Since when that is not known to be true any more; null while it is.
let stop = ''; // Why the line will not come back by itself.
let isOut = false; // Whether somebody has to sign in first.
let loading = false, wanted = false, next = 0, timer = null;
let sales = [], told = 0, telling = null; // Sales that the screen reader has not been told of yet.

// Asks for the figures: at once, or a moment later where they were asked for just now. However many events come
// meanwhile, they are asked for once more in the end.
function load() {
  wanted = true;
  if (loading || isOut) return;
  clearTimeout(timer);
  timer = setTimeout(fetchFigures, Math.max(0, next - Date.now()));
}

async function fetchFigures() {
  loading = true;
  wanted = false;
  const began = Date.now(), wasUp = line.isUp;
  let pause = LEAST_PAUSE;
  try {
    const current = await answer();
    if (!isOut) show(current, wasUp);
    pause = Math.max(LEAST_PAUSE, (Date.now() - began) * BUSY_SHARE);
  } catch (error) {
    if (error instanceof SignedOut) goOut(error.message);
    else {
      // That the shop does not answer is said on the page; all else is a fault of the page itself.
      if (!(error instanceof NoAnswer)) console.error(error);
      wanted = true;
      pause = AGAIN * (0.5 + Math.random());
      lost(began);
    }
  }
  loading = false;
  next = Date.now() + pause;
  if (wanted) load();
}

// The browser keeps the last answer, and asks whether it still holds (If-None-Match).
async function answer() {
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

// Nobody is signed in: what was shown is for nobody to see. sentence: why, where there is something to say.
function goOut(sentence) {
  isOut = true;
  line.stop();
  board = lostAt = null;
  sales = [];
  stop = at('news').textContent = '';
  document.title = 'Today';
  at('sign-out').hidden = true;
  say('out', 'Not signed in');
  form.show(sentence);
}

function enter() {
  isOut = false;
  next = 0;
  form.hide();
  say('loading', 'Loading …');
  load();
}

function show(answer, wasUp) {
  const isFirst = board === null;
  if (!isFirst && answer.version !== board.version) location.reload(); // The page that belongs to the new service.
  if (isFirst) figures.speak(answer);
  board = answer;
  figures.show(board);
  tick();
  at('sign-out').hidden = !signIn.isIn;
  if (isFirst) line.start(board.position);
  // Only what was asked for while the line was up is followed by everything that comes.
  if (wasUp && line.isUp) found();
  tell();
}

function lost(when) {
  if (isOut) return;
  lostAt ??= when;
  if (board === null) return say('off', stop || 'Not live: the shop does not answer. Trying again …');
  const time = figures.time.format(lostAt), day = figures.isoDay(lostAt);
  const since = day === figures.isoDay(Date.now()) ? time : `${figures.shortDay.format(lostAt)}, ${time}`;
  say('off', `Not live since ${since} — showing what was known then.${stop && ` ${stop}`}`);
}

function found() {
  lostAt = null;
  say('live', 'Live');
}

function say(state, sentence) {
  document.documentElement.dataset.state = state;
  if (at('state').textContent !== sentence) at('state').textContent = sentence;
}

function tick() {
  if (board === null) return;
  const now = new Date();
  at('clock').textContent = figures.time.format(now);
  at('clock').dateTime = now.toISOString();
}

function gather(events) {
  sales.push(...events.filter(({ type, action }) => action === 'convert_to_order' || (type === 'order' && action === 'create')));
  sales = sales.slice(-1_000);
}

// Reads out what was sold, now and then: somebody who listens has something else to do as well.
function tell() {
  const wait = told + NEWS_PAUSE - Date.now();
  clearTimeout(telling);
  if (!sales.length) return;
  if (wait > 0) {
    telling = setTimeout(tell, wait);
    return;
  }
  const [{ data }] = sales, takings = figures.money.format(board.orders.total_amount);
  const news = sales.length === 1
    ? `Sale ${data.sale_number}, ${figures.money.format(data.amount_paid)}, ${data.payment_mode}.` : `${sales.length} new sales.`;
  at('news').textContent = `${news} Takings today: ${takings}.`;
  told = Date.now();
  sales = [];
}

// The clock goes on, and a day ends: with the first look after midnight there are new figures to be had. Without a
// change in between, that costs a question with nothing to answer.
function everyMinute() {
  tick();
  load();
  setTimeout(everyMinute, MINUTE - (Date.now() % MINUTE) + 50);
}

at('sign-out').addEventListener('click', () => {
  signIn.leave();
  goOut('');
});
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState !== 'visible') return;
  line.look();
  load();
});
addEventListener('online', () => { line.hurry(); load(); });
addEventListener('offline', () => lost(Date.now()));

everyMinute();
