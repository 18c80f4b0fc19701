// The form to sign in with.

const at = (id) => document.getElementById(id);

export class Form {
  #form = at('sign-in'); #error = at('sign-in-error'); #button = at('sign-in-button');

  // enter(username, password): signs in, or throws an error whose message says why not. done(): somebody is in.
  constructor(enter, done) {
    this.#form.addEventListener('submit', async (event) => {
      event.preventDefault();
      this.#button.disabled = true;
      this.#say('');
      try {
        await enter(at('username').value, at('password').value);
        at('password').value = '';
        done();
      } catch (error) {
        this.#say(error instanceof TypeError || error.name === 'TimeoutError' ? 'The shop does not answer. Please try again.' : error.message);
        at('password').select();
      } finally {
        this.#button.disabled = false;
      }
    });
  }

  // sentence: why it is shown; empty, where there is nothing to say.
  show(sentence) {
    if (this.#form.hidden) {
      this.#form.hidden = false;
      at('username').focus();
    }
    this.#say(sentence);
  }

  hide() {
    this.#form.hidden = true;
    this.#say('');
  }

  #say(sentence) {
    this.#error.textContent = sentence;
  }
}
