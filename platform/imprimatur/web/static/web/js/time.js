/* <im-time>: shows the moment in the person's own zone and language.
 *
 * Attributes: none. Events: none. Without script the UTC text stays.
 *   <im-time><time datetime="2026-11-01T14:03:00+00:00">Nov. 1, 2026, 2:03 p.m. UTC</time></im-time>
 */
class Time extends HTMLElement {
  connectedCallback() {
    const time = this.querySelector("time");
    const at = new Date(time?.dateTime ?? "");
    if (Number.isNaN(at.getTime())) return;
    const lang = document.documentElement.lang || undefined;
    time.title = time.textContent;
    time.textContent = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" }).format(at);
  }
}
customElements.define("im-time", Time);
