// The sign-in form.

const at = (id) => document.getElementById(id);

export class Form {
  #form = at('sign-in'); #error = at('sign-in-error'); #button = at('sign-in-button');

  // enter(username, password): signs in, or throws an error with the reason. done(): called after a sign-in.
  constructor(enter, done) {
    this.#form.addEventListener('submit', async (event) => {
      event.preventDefault();
      this.#button.disabled = true;
      this.#showError('');
      try {
        await enter(at('username').value, at('password').value);
        at('password').value = '';
        done();
      } catch (error) {
        this.#showError(error instanceof TypeError || error.name === 'TimeoutError' ? 'The shop does not answer. Please try again.' : error.message);
        at('password').select();
      } finally {
        this.#button.disabled = false;
      }
    });
  }

  // sentence: why the form is shown, or ''.
  show(sentence) {
    if (this.#form.hidden) {
      this.#form.hidden = false;
      at('username').focus();
    }
    this.#showError(sentence);
  }

  hide() {
    this.#form.hidden = true;
    this.#showError('');
  }

  #showError(sentence) {
    this.#error.textContent = sentence;
  }
}
