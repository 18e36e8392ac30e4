/* The cards on the table: which one is looked at, which are chosen, and how one leaves. */
export class Deck {
  constructor(root) {
    this.root = root;
    this.place = root.querySelector(".model-cards");
    this.last = this.cards[0] || null;
    this.place.addEventListener("focusin", (event) => this.mark(event.target.closest(".model-card")));
  }

  get cards() {
    return [...this.place.querySelectorAll(".model-card")];
  }

  get waiting() {
    return this.cards.filter((card) => card.ariaBusy !== "true");
  }

  get current() {
    return this.last?.isConnected ? this.last : this.cards[0];
  }

  get chosen() {
    return this.cards.filter((card) => box(card)?.checked);
  }

  byId(id) {
    return this.cards.find((card) => card.dataset.model === id);
  }

  ofOwner(owner) {
    return this.cards.filter((card) => card.dataset.owner === owner);
  }

  mark(card) {
    this.last = card;
    for (const one of this.cards) one.classList.toggle("current", one === card);
  }

  /* Without moving the page: as it opens. */
  start() {
    this.cards[0]?.focus({ preventScroll: true });
  }

  go(card) {
    if (!card) return;
    this.mark(card);
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  }

  move(step) {
    const cards = this.waiting;
    const here = cards.indexOf(this.current);
    this.go(cards[Math.max(0, Math.min(cards.length - 1, here + step))] || cards[0]);
  }

  /* Cards that are being decided: the eye goes on to the next one at once. */
  busy(cards) {
    const after = this.cards.slice(this.cards.indexOf(cards.at(-1)) + 1);
    for (const card of cards) {
      card.ariaBusy = "true";
      this.complain(card, "");
    }
    const left = this.waiting;
    this.go(after.find((card) => left.includes(card)) || left.at(-1));
  }

  leave(card) {
    choose(card, false);
    const spot = { card, before: card.nextElementSibling };
    card.remove();
    return spot;
  }

  comeBack({ card, before }) {
    card.ariaBusy = "false";
    this.place.insertBefore(card, before?.isConnected ? before : null);
    this.go(card);
  }

  complain(card, sentence) {
    const trouble = card.querySelector(".trouble");
    trouble.textContent = sentence;
    trouble.hidden = !sentence;
  }
}

function box(card) {
  return card.querySelector(".pick input");
}

export function choose(card, isChosen) {
  if (!card || !box(card)) return;
  box(card).checked = isChosen ?? !box(card).checked;
  box(card).dispatchEvent(new Event("change", { bubbles: true }));
}
