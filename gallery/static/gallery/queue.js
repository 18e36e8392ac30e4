/* The moderation queue by keyboard and without reloading. Without this file every button is a form of its own. */
import { Deck, choose } from "./deck.js";
import { ask, look } from "./dialogs.js";
import { post } from "./post.js";

const root = document.getElementById("queue");
const words = root.dataset;
const bulk = document.getElementById("bulk");
const deck = new Deck(root);
let last = null; // what can be taken back: {verb, spots}

function say(sentence) {
  const said = document.getElementById("said");
  said.textContent = sentence;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { said.textContent = ""; }, 8000);
}

/* --- Deciding ------------------------------------------------------------------------------------------------------ */
async function decide(form, button) {
  const cards = form === bulk ? deck.chosen : [form.closest(".model-card")];
  if (!cards.length) return;
  const name = cards.length === 1 ? cards[0].dataset.name : `${cards.length} × ${bulk.dataset.name}`;
  const reason = "reason" in button.dataset ? await ask(button, name) : form.elements.reason?.value || "";
  if (reason === null) return deck.go(cards[0]);
  if ("answer" in button.dataset && !reason.trim()) {
    form.elements.reason.focus();
    return say(words.sayAnswer);
  }
  deck.busy(cards);
  settle(button, cards, await post(form, [[button.name, button.value], ["reason", reason], ...named(cards)], words));
}

function named(cards) {
  return cards.flatMap((card) => {
    const seen = card.querySelector(`[name^="seen_"]`);
    return [["model", card.dataset.model], ...(seen ? [[seen.name, seen.value]] : [])];
  });
}

function settle(button, cards, answer) {
  const results = new Map(answer.results.map((result) => [result.id, result]));
  const spots = [];
  for (const card of cards) {
    const result = results.get(card.dataset.model) || { ok: false, message: answer.message };
    note(card, result.seen);
    if (result.ok && button.value === "warn") warned(card);
    else if (result.ok && button.value === "suspend") spots.push(...deck.ofOwner(card.dataset.owner).map((one) => deck.leave(one)));
    else if (result.ok || result.status === 404) spots.push(deck.leave(card));
    else stay(card, result.message);
  }
  if (answer.ok && spots.length) last = { verb: button.value, spots };
  count(-spots.length);
  say(answer.message);
  if (!deck.cards.length) goOn();
}

function note(card, seen) {
  if (seen === undefined) return;
  for (const field of card.querySelectorAll(`[name^="seen_"]`)) field.value = seen;
}

function warned(card) {
  card.ariaBusy = "false";
  for (const one of deck.ofOwner(card.dataset.owner)) {
    const strikes = one.querySelector("[data-strikes]");
    strikes.textContent = Number(strikes.textContent) + 1;
  }
}

function stay(card, sentence) {
  card.ariaBusy = "false";
  deck.complain(card, sentence);
}

/* How many wait, as the tab says; "100+" stays what it is. */
function count(more) {
  const many = root.querySelector(".tabs [aria-current] .many");
  if (/^\d+$/.test(many.textContent)) many.textContent = Math.max(0, Number(many.textContent) + more);
}

/* The table is empty: the next page, or what has come meanwhile. */
function goOn() {
  const more = document.getElementById("more");
  if (more) location.assign(more.href);
  else root.querySelector(".empty").hidden = false;
}

/* --- Taking back --------------------------------------------------------------------------------------------------- */
async function undo() {
  if (!last || !["hide", "approve"].includes(last.verb)) return say(words.sayNothing);
  const { verb, spots } = last;
  last = null;
  if (verb === "approve") {
    for (const spot of spots.reverse()) back(spot, words.sayApproved);
    return;
  }
  const cards = spots.map((spot) => spot.card);
  const form = cards[0].querySelector("form.verbs");
  const answer = await post(form, [["verb", "restore"], ...named(cards)], words);
  const results = new Map(answer.results.map((result) => [result.id, result]));
  for (const spot of spots.reverse()) {
    const result = results.get(spot.card.dataset.model);
    note(spot.card, result?.seen);
    if (result?.ok) back(spot, "");
  }
  say(answer.message);
}

function back(spot, sentence) {
  root.querySelector(".empty").hidden = true;
  deck.comeBack(spot);
  count(1);
  deck.complain(spot.card, sentence);
}

/* --- Keys ---------------------------------------------------------------------------------------------------------- */
const KEYS = {
  j: () => deck.move(1),
  k: () => deck.move(-1),
  arrowright: () => deck.move(1),
  arrowleft: () => deck.move(-1),
  arrowdown: () => deck.move(columns()),
  arrowup: () => deck.move(-columns()),
  x: () => choose(deck.current),
  z: undo,
  enter: () => deck.current && look(deck.current, words),
  " ": () => deck.current && look(deck.current, words),
  escape: () => deck.chosen.forEach((card) => choose(card, false)),
  "?": () => document.getElementById("keys").showModal(),
};

function columns() {
  const cards = deck.cards;
  const second = cards.findIndex((card) => card.offsetTop > cards[0].offsetTop);
  return second > 0 ? second : cards.length;
}

function press(event) {
  const isElsewhere = event.target.closest("dialog, textarea, select, input:not([type=checkbox])");
  const isOwnKey = ["enter", " "].includes(event.key.toLowerCase()) && event.target.closest("a, button, summary, input");
  if (isElsewhere || isOwnKey || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const key = event.key.toLowerCase();
  const action = KEYS[key] || buttonFor(key);
  if (!action) return;
  event.preventDefault();
  action();
}

/* The verb's button: of all that are chosen, or of the card that is looked at. */
function buttonFor(key) {
  if (!/^[a-z]$/.test(key)) return null;
  const place = deck.chosen.length ? bulk : deck.current;
  const button = place?.querySelector(`.verb[data-key="${key}"]`);
  return button && (() => button.click());
}

/* --- Wiring -------------------------------------------------------------------------------------------------------- */
root.addEventListener("submit", (event) => {
  if (!event.target.matches("form.verbs:not([method=dialog])")) return;
  event.preventDefault();
  decide(event.target, event.submitter);
});
root.addEventListener("click", (event) => {
  const link = event.target.closest("a.look");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  look(link.closest(".model-card"), words);
});
root.addEventListener("change", (event) => {
  if (!event.target.matches(".pick input")) return;
  event.target.closest(".model-card").classList.toggle("chosen", event.target.checked);
  tell(deck.chosen.length);
});

function tell(many) {
  if (!bulk) return;
  bulk.hidden = !many;
  document.getElementById("chosen").textContent = `${many} ${words.sayChosen}`;
}

document.addEventListener("keydown", press);
const help = document.getElementById("show-keys");
help.hidden = false;
help.addEventListener("click", KEYS["?"]);
tell(deck.chosen.length);
deck.start();
