// The sign-in of the page. The access token stays in memory; the refresh token is stored, so that a wall screen survives
// a restart. This module does not depend on the page.

import { TokenStore } from './keep.js';

const NAME = 'pos.sign-in';
const TIMEOUT = 15_000, EARLIEST = 300_000, SHARE = 0.25; // Renewed in the last quarter of its lifetime, or its last 5 minutes.

// The session has ended, or the user has no permission; the message is a sentence for users.
export class SignedOut extends Error {}

export class SignIn {
  #needed; #handlers; #token = null; #renewAt = 0; #renewing = null;
  #store = new TokenStore(NAME);
  #tabs = new BroadcastChannel(NAME);

  // needed: whether the service requires sign-in. handlers: renewed(); elsewhere(): a user has signed in on another tab.
  constructor(needed, handlers) {
    this.#needed = needed;
    this.#handlers = handlers;
    this.#tabs.onmessage = () => handlers.elsewhere();
  }

  get isIn() {
    return this.#token !== null;
  }

  // Sign in, or throw an error with the reason.
  async enter(username, password) {
    const response = await post('api/auth/login', { username, password });
    if (!response.ok) throw new Error(await sentenceOf(response));
    await this.#take(await response.json());
    this.#tabs.postMessage('');
  }

  // Sign out here, and at the service if it can be reached.
  async leave() {
    const token = this.#token;
    await this.#forget();
    if (token) await post('api/auth/logout', {}, { Authorization: `Bearer ${token}` }).catch(() => {});
  }

  // Like the browser's fetch, with the session of the user; throws SignedOut without a session or permission.
  async fetch(path, options = {}) {
    if (this.#needed && Date.now() >= this.#renewAt) await this.#renew();
    let response = await fetch(path, this.#signed(options));
    if (response.status === 401) {
      await this.#renew();
      response = await fetch(path, this.#signed(options));
    }
    if (response.status === 401 || response.status === 403) {
      const sentence = await sentenceOf(response);
      // A user without permission is signed out, since their session would stay valid for weeks.
      await (response.status === 403 ? this.leave() : this.#forget());
      throw new SignedOut(sentence);
    }
    return response;
  }

  // A ticket for one WebSocket; null if the service requires no sign-in.
  async ticket() {
    if (!this.#needed) return null;
    const response = await this.fetch('api/ws-ticket', { method: 'POST', signal: AbortSignal.timeout(TIMEOUT) });
    if (!response.ok) throw new Error(await sentenceOf(response));
    return (await response.json()).ticket;
  }

  #signed(options) {
    return this.#token ? { ...options, headers: { ...options.headers, Authorization: `Bearer ${this.#token}` } } : options;
  }

  #renew() {
    return this.#renewing ??= this.#renewExclusively().finally(() => { this.#renewing = null; });
  }

  // One tab at a time, because a refresh token that is used twice ends the session of all tabs. A response may be lost:
  // with the same key, which is stored before the request, the token can be used again.
  async #renewExclusively() {
    const isFirst = !this.#token;
    await exclusively(async () => {
      const stored = await this.#store.read();
      if (!stored) throw new SignedOut('');
      const [refresh, key = random()] = stored.split(' ');
      await this.#store.write(`${refresh} ${key}`);
      const response = await post('api/auth/refresh', { refresh_token: refresh }, { 'Idempotency-Key': key });
      if (response.status === 401) {
        const sentence = await sentenceOf(response);
        await this.#forget();
        throw new SignedOut(sentence);
      }
      if (!response.ok) throw new Error(await sentenceOf(response));
      await this.#take(await response.json());
    });
    if (!isFirst) this.#handlers.renewed();
  }

  async #take({ access_token: token, refresh_token: refresh, expires_in: seconds }) {
    this.#needed = true;
    this.#token = token;
    this.#renewAt = Date.now() + 1_000 * seconds - Math.min(EARLIEST, SHARE * 1_000 * seconds);
    await this.#store.write(refresh);
  }

  async #forget() {
    this.#needed = true;
    this.#token = null;
    this.#renewAt = 0;
    await this.#store.write(null);
  }
}

function post(path, body, headers = {}) {
  const sent = { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) };
  return fetch(path, { ...sent, signal: AbortSignal.timeout(TIMEOUT) });
}

function random() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// The sentence of an error response.
async function sentenceOf(response) {
  return (await response.json().catch(() => ({}))).detail ?? `The shop answered ${response.status}.`;
}

// Browsers have locks only for pages from https or loopback.
function exclusively(work) {
  return navigator.locks ? navigator.locks.request(NAME, work) : work();
}
