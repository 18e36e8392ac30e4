/* The dialogs: why, and the 3D viewer. */
const why = document.getElementById("why");
const viewer = document.getElementById("viewer");

/* The reason that somebody gives for a verb's button; null: they think better of it. */
export function ask(button, name) {
  const text = why.querySelector("textarea");
  const go = document.getElementById("why-go");
  const label = button.firstChild.textContent.trim();
  const isSerious = "sure" in button.dataset;
  document.getElementById("why-title").textContent = `${label}: ${name}`;
  why.querySelector(".sure").hidden = !isSerious;
  text.value = "";
  text.required = true;
  go.textContent = label;
  go.className = button.className;
  why.dataset.serious = isSerious;
  why.returnValue = "";
  why.showModal();
  text.focus();
  return new Promise((resolve) => {
    why.addEventListener("close", () => resolve(why.returnValue === "go" ? text.value.trim() : null), { once: true });
  });
}

/* A usual reason is one key or click; where something cannot be taken back, it is only filled in. */
function take(usual) {
  why.querySelector("textarea").value = usual.querySelector("span").textContent;
  if (why.dataset.serious === "true") document.getElementById("why-go").focus();
  else why.close("go");
}

/* A digit before anything else is a usual reason; Enter ends one's own words. */
function actionFor(event) {
  const text = why.querySelector("textarea");
  const usual = why.querySelector(`[data-digit="${CSS.escape(event.key)}"]`);
  if (usual && !text.value) return () => take(usual);
  if (event.key === "Enter" && event.target === text) return () => document.getElementById("why-go").click();
  return null;
}

if (why) {
  for (const usual of why.querySelectorAll(".usual")) usual.addEventListener("click", () => take(usual));
  why.addEventListener("keydown", (event) => {
    const action = actionFor(event);
    if (!action || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    action();
  });
}

/* A model that turns. The scripts are fetched when somebody first looks; the viewer's own looks for what is on the page
   when it runs, so it runs once for each look. */
export async function look(card, words) {
  const place = document.createElement("div");
  place.className = "lumi-viewer";
  Object.assign(place.dataset, { src: card.dataset.glb || "", alt: card.dataset.name, failed: words.viewerFailed });
  document.getElementById("viewer-title").textContent = card.dataset.name;
  document.getElementById("viewer-place").replaceChildren(place);
  viewer.showModal();
  if (!card.dataset.glb) {
    place.textContent = words.viewerFailed;
    return;
  }
  try {
    if (!window.THREE) await run(words.three);
    (await run(words.viewer)).remove();
  } catch {
    place.textContent = words.viewerFailed;
  }
}

function run(address) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.addEventListener("load", () => resolve(script));
    script.addEventListener("error", reject);
    script.src = address;
    document.head.append(script);
  });
}

viewer?.addEventListener("close", () => {
  const canvas = viewer.querySelector("canvas");
  const context = canvas?.getContext("webgl2") || canvas?.getContext("webgl");
  document.getElementById("viewer-place").replaceChildren();
  context?.getExtension("WEBGL_lose_context")?.loseContext(); // browsers keep only so many
});
