// A text that is stored for all tabs. In IndexedDB, since other tabs may see a change of localStorage late; if the browser
// does not allow it, the text lasts as long as the page.

const STORE = 'kept';

export class TokenStore {
  #name; #opening = null; #last = null;

  constructor(name) {
    this.#name = name;
  }

  async read() {
    return await this.#use('readonly', (store) => store.get(this.#name)) ?? this.#last;
  }

  // text: null to delete it.
  async write(text) {
    this.#last = text;
    await this.#use('readwrite', (store) => (text === null ? store.delete(this.#name) : store.put(text, this.#name)));
  }

  // The result of a request, after its transaction has completed.
  async #use(mode, request) {
    try {
      const database = await (this.#opening ??= this.#open());
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction(STORE, mode), result = request(transaction.objectStore(STORE));
        transaction.oncomplete = () => { this.#last = null; resolve(result.result); };
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
