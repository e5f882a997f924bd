/* <im-findings>: shows what a scorer found on the image, one finding at a time or none.
 *
 * Attributes: none; each button in it names its drawing by aria-controls. Events: none. Without
 * script the first failing finding stays drawn, the buttons are not shown, and the list says it all.
 *   <im-findings><button type="button" aria-controls="overlay-1" aria-pressed="true">…</button></im-findings>
 */
class Findings extends HTMLElement {
  connectedCallback() {
    this.stop = new AbortController();
    this.addEventListener("click", this, { signal: this.stop.signal });
    document.addEventListener("keydown", this, { signal: this.stop.signal });
  }

  disconnectedCallback() {
    this.stop.abort();
  }

  get buttons() {
    return [...this.querySelectorAll("button[aria-controls]")];
  }

  handleEvent(event) {
    if (event.type === "keydown") {
      if (event.key === "Escape") this.show(null);
      return;
    }
    const pressed = event.target.closest("button[aria-controls]");
    if (pressed) this.show(pressed.getAttribute("aria-pressed") === "true" ? null : pressed);
  }

  show(wanted) {
    for (const button of this.buttons) {
      const isShown = button === wanted;
      button.setAttribute("aria-pressed", String(isShown));
      document.getElementById(button.getAttribute("aria-controls"))?.toggleAttribute("hidden", !isShown);
    }
  }
}
customElements.define("im-findings", Findings);
