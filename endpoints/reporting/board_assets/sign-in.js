// Who looks at the page, where the shop asks for that. The access token stays in memory; the refresh token is kept, so
// that a screen on a wall survives a restart. It knows nothing of the page.

import { Keep } from './keep.js';

const NAME = 'pos.sign-in';
const PATIENCE = 15_000, EARLIEST = 300_000, SHARE = 0.25; // Renewed in the last quarter of its time, or its last 5 minutes.

// Nobody is signed in any more, or somebody who may not see this; the message is a sentence for people.
export class SignedOut extends Error {}

export class SignIn {
  #needed; #hears; #token = null; #renewAt = 0; #renewing = null;
  #keep = new Keep(NAME);
  #tabs = new BroadcastChannel(NAME);

  // needed: whether the shop asks for it. hears: renewed(); elsewhere(), when somebody has signed in on another tab.
  constructor(needed, hears) {
    this.#needed = needed;
    this.#hears = hears;
    this.#tabs.onmessage = () => hears.elsewhere();
  }

  get isIn() {
    return this.#token !== null;
  }

  // Signs in, or throws an error whose message says why not.
  async enter(username, password) {
    const response = await post('api/auth/login', { username, password });
    if (!response.ok) throw new Error(await sentenceOf(response));
    await this.#take(await response.json());
    this.#tabs.postMessage('');
  }

  // Signs out, here at once, and at the shop if it can be reached.
  async leave() {
    const token = this.#token;
    await this.#forget();
    if (token) await post('api/auth/logout', {}, { Authorization: `Bearer ${token}` }).catch(() => {});
  }

  // As the browser's own, for whoever is signed in; throws SignedOut where nobody is, or is not allowed to.
  async fetch(path, options = {}) {
    if (this.#needed && Date.now() >= this.#renewAt) await this.#renew();
    let response = await fetch(path, this.#signed(options));
    if (response.status === 401) {
      await this.#renew();
      response = await fetch(path, this.#signed(options));
    }
    if (response.status === 401 || response.status === 403) {
      const sentence = await sentenceOf(response);
      // Who is known and not allowed holds a sign-in that would live on for weeks, and be nobody's.
      await (response.status === 403 ? this.leave() : this.#forget());
      throw new SignedOut(sentence);
    }
    return response;
  }

  // What opens a socket, once: nothing, where nobody has to sign in.
  async ticket() {
    if (!this.#needed) return null;
    const response = await this.fetch('api/ws-ticket', { method: 'POST', signal: AbortSignal.timeout(PATIENCE) });
    if (!response.ok) throw new Error(await sentenceOf(response));
    return (await response.json()).ticket;
  }

  #signed(options) {
    return this.#token ? { ...options, headers: { ...options.headers, Authorization: `Bearer ${this.#token}` } } : options;
  }

  #renew() {
    return this.#renewing ??= this.#renewAlone().finally(() => { this.#renewing = null; });
  }

  // One tab at a time: a refresh token that is shown twice ends the sign-in of them all. So it is read when it is its turn.
  // But an answer may be lost: with the key that it was sent with, which is kept beside it first, the token may come again.
  async #renewAlone() {
    const isFirst = !this.#token;
    await alone(async () => {
      const kept = await this.#keep.read();
      if (!kept) throw new SignedOut('');
      const [refresh, key = random()] = kept.split(' ');
      await this.#keep.write(`${refresh} ${key}`);
      const response = await post('api/auth/refresh', { refresh_token: refresh }, { 'Idempotency-Key': key });
      if (response.status === 401) {
        const sentence = await sentenceOf(response);
        await this.#forget();
        throw new SignedOut(sentence);
      }
      if (!response.ok) throw new Error(await sentenceOf(response));
      await this.#take(await response.json());
    });
    if (!isFirst) this.#hears.renewed();
  }

  async #take({ access_token: token, refresh_token: refresh, expires_in: seconds }) {
    this.#needed = true;
    this.#token = token;
    this.#renewAt = Date.now() + 1_000 * seconds - Math.min(EARLIEST, SHARE * 1_000 * seconds);
    await this.#keep.write(refresh);
  }

  async #forget() {
    this.#needed = true;
    this.#token = null;
    this.#renewAt = 0;
    await this.#keep.write(null);
  }
}

function post(path, body, headers = {}) {
  const sent = { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) };
  return fetch(path, { ...sent, signal: AbortSignal.timeout(PATIENCE) });
}

function random() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// What the shop says of a refusal.
async function sentenceOf(response) {
  return (await response.json().catch(() => ({}))).detail ?? `The shop answered ${response.status}.`;
}

// Browsers have locks where the page came by https, or from the machine itself.
function alone(work) {
  return navigator.locks ? navigator.locks.request(NAME, work) : work();
}
