/* <im-live>: keeps an order's sheet up to date while its images are made.
 *
 * Attributes: data-src, where the order's events come from; without it nothing moves any more.
 * Events: sends `im-look` to the sheet when that is to be fetched anew. What only counts up is
 * written in place: [data-live="percent|why|place|preview"], of an image within #item-…. Where no stream can
 * be had, the sheet is fetched every few seconds. Only the summary is said aloud, when it changes.
 *   <im-live data-src="/orders/…/events/"><p role="status"></p><div id="sheet" data-standing="…">…</div></im-live>
 */
const LOOK_EVERY_MS = 3000;
/* How long what is said aloud stays: nobody should come across the summary twice. */
const SAID_MS = 1000;

class Live extends HTMLElement {
  connectedCallback() {
    if (!this.dataset.src) return;
    this.stop = new AbortController();
    this.said = this.querySelector("[data-summary]")?.textContent;
    this.addEventListener("htmx:afterSettle", () => this.say(), { signal: this.stop.signal });
    this.events = new EventSource(this.dataset.src);
    for (const name of ["order", "end", "error"]) this.events.addEventListener(name, this);
  }

  disconnectedCallback() {
    this.stop?.abort();
    this.events?.close();
    clearInterval(this.looking);
    clearTimeout(this.saying);
  }

  get sheet() {
    return this.querySelector("#sheet");
  }

  handleEvent(event) {
    if (event.type === "order") this.show(JSON.parse(event.data));
    else if (event.type === "end") this.end();
    else if (this.events.readyState === EventSource.CLOSED) this.poll();
  }

  show(order) {
    this.write(this.sheet, "why", order.why);
    this.write(this.sheet, "percent", order.percent);
    for (const item of order.items) {
      const frame = document.getElementById(`item-${item.id}`);
      for (const name of ["percent", "place", "preview"]) this.write(frame, name, item[name]);
    }
    if (order.standing !== this.sheet.dataset.standing) this.look();
  }

  /* Writes into the parts that are the frame's own, not into those of an image in it. */
  write(frame, name, value) {
    for (const part of frame?.querySelectorAll(`[data-live="${name}"]`) ?? []) {
      if (frame === this.sheet && part.closest(".frame")) continue;
      if (part instanceof HTMLImageElement) {
        if (value) part.src = value;
        part.closest("figure").hidden = !value;
        continue;
      }
      if (part instanceof HTMLProgressElement) part.value = value;
      part.textContent = name === "percent" ? `${value} %` : value;
      part.hidden = value === "";
    }
  }

  look() {
    this.sheet.dispatchEvent(new CustomEvent("im-look"));
  }

  poll() {
    this.looking ??= setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  end() {
    this.events.close();
    this.look();
  }

  say() {
    const summary = this.querySelector("[data-summary]")?.textContent ?? "";
    if (summary === this.said) return;
    const status = this.querySelector(":scope > [role=status]");
    this.said = status.textContent = summary;
    clearTimeout(this.saying);
    this.saying = setTimeout(() => (status.textContent = ""), SAID_MS);
  }
}
customElements.define("im-live", Live);
