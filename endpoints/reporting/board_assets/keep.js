// One text that outlives the page, the same for all tabs. In IndexedDB, since what one tab writes into localStorage
// another may see a moment late; where a browser allows none, it lasts as long as the page.

const STORE = 'kept';

export class Keep {
  #name; #opening = null; #last = null;

  constructor(name) {
    this.#name = name;
  }

  async read() {
    return await this.#use('readonly', (store) => store.get(this.#name)) ?? this.#last;
  }

  // text: null, to forget it.
  async write(text) {
    this.#last = text;
    await this.#use('readwrite', (store) => (text === null ? store.delete(this.#name) : store.put(text, this.#name)));
  }

  // What a request of the store gives, once it is sure.
  async #use(mode, ask) {
    try {
      const database = await (this.#opening ??= this.#open());
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction(STORE, mode), request = ask(transaction.objectStore(STORE));
        transaction.oncomplete = () => { this.#last = null; resolve(request.result); };
        transaction.onabort = () => reject(transaction.error);
      });
    } catch {
      return undefined;
    }
  }

  #open() {
    return new Promise((resolve, reject) => {
      const opening = indexedDB.open(this.#name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
  }
}
