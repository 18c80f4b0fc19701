// The line to the shop: `/ws` with the subprotocol pos.v1. It keeps its place in the log, comes back after a cut with
// jitter, and resumes there. It knows nothing of the page.

const FIRST_PAUSE = 250, LONGEST_PAUSE = 15_000, WHEN_FULL = 5_000; // milliseconds
const PING_AFTER = 10_000, SILENCE = 8_000, TICK = 2_000;
const FULL = 1013, CUT = 1006;

// The close codes after which it is no use to come back by oneself. Not among them: 4401 and 4431, after which the next
// address is that of a new sign-in, if there is one.
const STOPS = {
  1009: 'The shop did not understand this page. Please load it again.',
  4400: 'The shop did not understand this page. Please load it again.',
  4403: 'This page may not listen under this address.',
};

export class Line {
  #address; #hears; #socket = null; #epoch = null; #seq = 0; #retry = null; #turn = 0;
  #pause = FIRST_PAUSE; #opened = 0; #heard = 0; #pinged = 0;
  isUp = false;

  // address(): where to open the next socket, as a promise. hears: up(), down(when), stopped(sentence, when),
  // changed(events), refused(error): there is no address; `when` in milliseconds since 1970.
  constructor(address, hears) {
    this.#address = address;
    this.#hears = hears;
    setInterval(() => this.look(), TICK);
  }

  // position: `<epoch>.<seq>`, after which everything is to be heard.
  start(position) {
    const [epoch, seq] = position.split('.');
    this.#epoch = epoch;
    this.#seq = Number(seq);
    this.#pause = FIRST_PAUSE;
    this.#open();
  }

  // Hears nothing more until it is started again.
  stop() {
    this.#turn += 1;
    clearTimeout(this.#retry);
    this.#retry = null;
    if (this.#socket) silence(this.#socket);
    this.#socket = null;
    this.isUp = false;
  }

  // Opens a socket at a new address, and gives up the old one when that is up: nothing is missed in between.
  renew() {
    if (this.isUp) this.#open();
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

  async #open() {
    clearTimeout(this.#retry);
    this.#retry = null;
    const turn = this.#turn += 1;
    let address;
    try {
      address = await this.#address();
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#hears.refused(error);
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
    socket.onmessage = ({ data }) => this.#hear(socket, JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#closed(code, Date.now());
  }

  #hear(socket, frame) {
    this.#heard = Date.now();
    switch (frame.type) {
      case 'welcome': this.#epoch = frame.epoch; break;
      case 'event': this.#changed([frame.event]); break;
      case 'events': this.#changed(frame.events); break;
      case 'progress': this.#stand(frame.seq); break;
      case 'subscribed':
        this.#stand(frame.seq);
        this.#pause = FIRST_PAUSE;
        if (socket !== this.#socket && this.#socket) silence(this.#socket);
        this.#socket = socket;
        this.isUp = true;
        this.#hears.up();
        break;
      case 'reset': // What was missed cannot be replayed: all is loaded anew, and the log followed from its head.
        this.#epoch = frame.epoch;
        this.#seq = frame.head;
        this.#hears.changed([]);
    }
  }

  // While there are two sockets, each event comes twice.
  #changed(events) {
    const news = events.filter(({ seq }) => seq > this.#seq);
    if (!news.length) return;
    this.#stand(news.at(-1).seq);
    this.#hears.changed(news);
  }

  #stand(seq) {
    this.#seq = Math.max(this.#seq, seq);
  }

  // A line that went dead without a word. The browser would notice in minutes.
  #drop(when) {
    silence(this.#socket);
    this.#closed(CUT, when);
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

function silence(socket) {
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.close();
}
