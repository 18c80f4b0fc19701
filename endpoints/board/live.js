// The line to the shop: `/ws` with the subprotocol pos.v1. It keeps its place in the log, comes back after a cut with
// jitter, and resumes there. It knows nothing of the page.

const FIRST_PAUSE = 250, LONGEST_PAUSE = 15_000, WHEN_FULL = 5_000; // milliseconds
const PING_AFTER = 10_000, SILENCE = 8_000, TICK = 2_000;
const FULL = 1013;

// The close codes after which it is no use to come back by oneself.
const STOPS = {
  1009: 'The shop did not understand this page. Please load it again.',
  4400: 'The shop did not understand this page. Please load it again.',
  4401: 'Please sign in, and load this page again.',
  4403: 'This page may not listen under this address.',
  4431: 'Please sign in again, and load this page again.',
};

export class Line {
  #url; #hears; #socket = null; #position = null; #epoch = null; #retry = null;
  #pause = FIRST_PAUSE; #opened = 0; #heard = 0; #pinged = 0;
  isUp = false;

  // hears: up(), down(when), stopped(sentence, when), changed(events); `when` in milliseconds since 1970.
  constructor(url, hears) {
    this.#url = url;
    this.#hears = hears;
    setInterval(() => this.look(), TICK);
  }

  // position: `<epoch>.<seq>`, after which everything is to be heard.
  start(position) {
    this.#position = position;
    this.#open();
  }

  // Whether the other side still speaks; asked from time to time, and when the page comes to the front again.
  look() {
    const now = Date.now();
    if (!this.#socket) return;
    if (!this.isUp) {
      if (now - this.#opened > SILENCE) this.#drop(this.#opened);
    } else if (this.#pinged > this.#heard) {
      if (now - this.#pinged > SILENCE) this.#drop(this.#heard);
    } else if (now - this.#heard > PING_AFTER) this.#ping();
  }

  // There is a network again: no need to wait for the end of a pause, and reason to ask whether the line still stands.
  hurry() {
    if (this.#retry !== null) this.#open();
    else if (this.isUp) this.#ping();
  }

  #ping() {
    this.#pinged = Date.now();
    this.#socket.send('{"type":"ping"}');
  }

  #open() {
    clearTimeout(this.#retry);
    this.#retry = null;
    const socket = this.#socket = new WebSocket(this.#url, 'pos.v1');
    this.#opened = Date.now();
    socket.onopen = () => socket.send(JSON.stringify({ type: 'subscribe', since: this.#position }));
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = ({ code }) => this.#closed(code, Date.now());
  }

  #hear(frame) {
    this.#heard = Date.now();
    switch (frame.type) {
      case 'welcome': this.#epoch = frame.epoch; break;
      case 'event': this.#changed([frame.event]); break;
      case 'events': this.#changed(frame.events); break;
      case 'progress': this.#stand(frame.seq); break;
      case 'subscribed':
        this.#stand(frame.seq);
        this.#pause = FIRST_PAUSE;
        this.isUp = true;
        this.#hears.up();
        break;
      case 'reset': // What was missed cannot be replayed: all is loaded anew, and the log followed from its head.
        this.#epoch = frame.epoch;
        this.#stand(frame.head);
        this.#hears.changed([]);
    }
  }

  #changed(events) {
    this.#stand(events.at(-1).seq);
    this.#hears.changed(events);
  }

  #stand(seq) {
    this.#position = `${this.#epoch}.${seq}`;
  }

  // A line that went dead without a word. The browser would notice in minutes.
  #drop(when) {
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#closed(1006, when);
  }

  #closed(code, when) {
    this.#socket = null;
    this.isUp = false;
    if (code in STOPS) {
      this.#hears.stopped(STOPS[code], when);
      return;
    }
    this.#hears.down(when);
    const pause = code === FULL ? Math.max(this.#pause, WHEN_FULL) : this.#pause;
    this.#retry = setTimeout(() => this.#open(), pause * (0.5 + Math.random()));
    this.#pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}
