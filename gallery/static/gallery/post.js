/* One POST to the same address as the form's own, answered in JSON: {ok, message, results}. Never throws. */
export async function post(form, fields, words) {
  const body = new FormData();
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  for (const [name, value] of fields) body.append(name, value);
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    return await read(answer, words);
  } catch {
    return refused(words.sayFailed);
  }
}

async function read(answer, words) {
  const isJson = (answer.headers.get("Content-Type") || "").startsWith("application/json");
  if (!isJson) return refused(answer.redirected || answer.status === 403 ? words.saySignedOut : words.sayFailed);
  const said = await answer.json();
  const message = said.message || said.data?.message || words.sayFailed; // the outer doors answer in their own envelope
  return { ok: answer.ok, message, results: said.results || [] };
}

function refused(message) {
  return { ok: false, message, results: [] };
}
