// The connection to the service: `/ws` with the subprotocol pos.v1. After a disconnect it reconnects with jitter and
// resumes at its position in the log. This module does not depend on the page.

const FIRST_PAUSE = 250, LONGEST_PAUSE = 15_000, WHEN_FULL = 5_000; // milliseconds
const PING_AFTER = 10_000, SILENCE = 8_000, TICK = 2_000;
const FULL = 1013, CUT = 1006;

// The close codes after which reconnecting is useless. After 4401 and 4431, the next address uses a new sign-in, if there
// is one.
const STOPS = {
  1009: 'The shop did not understand this page. Please load it again.',
  4400: 'The shop did not understand this page. Please load it again.',
  4403: 'This page may not listen under this address.',
};

export class Connection {
  #address; #handlers; #socket = null; #epoch = null; #seq = 0; #retry = null; #turn = 0;
  #pause = FIRST_PAUSE; #opened = 0; #receivedAt = 0; #pinged = 0;
  isUp = false;

  // address(): a promise of the address of the next socket. handlers: up(), down(when), stopped(sentence, when),
  // changed(events), refused(error): there is no address; `when` in milliseconds since 1970.
  constructor(address, handlers) {
    this.#address = address;
    this.#handlers = handlers;
    setInterval(() => this.check(), TICK);
  }

  // position: `<epoch>.<seq>`, after which all events are received.
  start(position) {
    const [epoch, seq] = position.split('.');
    this.#epoch = epoch;
    this.#seq = Number(seq);
    this.#pause = FIRST_PAUSE;
    this.#open();
  }

  // Receive nothing until the next start.
  stop() {
    this.#turn += 1;
    clearTimeout(this.#retry);
    this.#retry = null;
    if (this.#socket) closeQuietly(this.#socket);
    this.#socket = null;
    this.isUp = false;
  }

  // Open a socket at a new address, and close the old one when the new one is open, so that no event is missed.
  renew() {
    if (this.isUp) this.#open();
  }

  // Check that the server still responds: from time to time, and when the page becomes visible.
  check() {
    const now = Date.now();
    if (!this.#socket) return;
    if (!this.isUp) {
      if (now - this.#opened > SILENCE) this.#drop(this.#opened);
    } else if (this.#pinged > this.#receivedAt) {
      if (now - this.#pinged > SILENCE) this.#drop(this.#receivedAt);
    } else if (now - this.#receivedAt > PING_AFTER) this.#ping();
  }

  // The network is back: reconnect without a pause, or check an open connection.
  reconnectNow() {
    if (this.#retry !== null) this.#open();
    else if (this.isUp) this.#ping();
  }

  #ping() {
    this.#pinged = Date.now();
    this.#socket.send('{"type":"ping"}');
  }

  async #open() {
    clearTimeout(this.#retry);
    this.#retry = null;
    const turn = this.#turn += 1;
    let address;
    try {
      address = await this.#address();
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#handlers.refused(error);
      if (turn === this.#turn && !this.#socket) this.#closed(CUT, Date.now());
      return;
    }
    if (turn !== this.#turn) return;
    const socket = new WebSocket(address, 'pos.v1');
    if (!this.#socket) {
      this.#socket = socket;
      this.#opened = Date.now();
    }
    socket.onopen = () => socket.send(JSON.stringify({ type: 'subscribe', since: `${this.#epoch}.${this.#seq}` }));
    socket.onmessage = ({ data }) => this.#onFrame(socket, JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#closed(code, Date.now());
  }

  #onFrame(socket, frame) {
    this.#receivedAt = Date.now();
    switch (frame.type) {
      case 'welcome': this.#epoch = frame.epoch; break;
      case 'event': this.#changed([frame.event]); break;
      case 'events': this.#changed(frame.events); break;
      case 'progress': this.#advance(frame.seq); break;
      case 'subscribed':
        this.#advance(frame.seq);
        this.#pause = FIRST_PAUSE;
        if (socket !== this.#socket && this.#socket) closeQuietly(this.#socket);
        this.#socket = socket;
        this.isUp = true;
        this.#handlers.up();
        break;
      case 'reset': // The missed events cannot be replayed: reload all figures, and continue from the head of the log.
        this.#epoch = frame.epoch;
        this.#seq = frame.head;
        this.#handlers.changed([]);
    }
  }

  // While there are two sockets, each event arrives twice.
  #changed(events) {
    const news = events.filter(({ seq }) => seq > this.#seq);
    if (!news.length) return;
    this.#advance(news.at(-1).seq);
    this.#handlers.changed(news);
  }

  #advance(seq) {
    this.#seq = Math.max(this.#seq, seq);
  }

  // Close a silently broken connection, which the browser would notice only after minutes.
  #drop(when) {
    closeQuietly(this.#socket);
    this.#closed(CUT, when);
  }

  #closed(code, when) {
    this.#socket = null;
    this.isUp = false;
    if (code in STOPS) {
      this.#handlers.stopped(STOPS[code], when);
      return;
    }
    this.#handlers.down(when);
    const pause = code === FULL ? Math.max(this.#pause, WHEN_FULL) : this.#pause;
    this.#retry = setTimeout(() => this.#open(), pause * (0.5 + Math.random()));
    this.#pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

function closeQuietly(socket) {
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.close();
}
