// The journey of the generated TypeScript client: `node out/journey.js URL MAILS`.
// MAILS: the folder that the installation writes its mails to. Every call is checked against the contract by tsc.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Request = components["schemas"]["Request"];
type Failure = components["schemas"]["Fail"] | components["schemas"]["Error"];
type Lumi = Client<paths>;

const EMAIL = "typescript@example.com";
const LONG_ENOUGH = 120_000; // milliseconds: a bound for what must happen

/** The data of a success; anything else stops the journey. */
function good<T>(answer: { data?: { status: "success"; data: T }; error?: Failure }): T {
  assert.ok(answer.data, JSON.stringify(answer.error));
  assert.equal(answer.data.status, "success");
  return answer.data.data;
}

/** A new person, by the code in the mail. */
async function signedUp(url: string, nobody: Lumi, mails: string): Promise<Lumi> {
  good(await nobody.POST("/api/auth/send-code", { body: { email: EMAIL, type: "REGISTER" } }));
  const account = { email: EMAIL, code: codeIn(mails), name: "Toni" };
  const { token } = good(await nobody.POST("/api/auth/register", { body: account }));
  const person = createClient<paths>({ baseUrl: url, headers: { Authorization: token } });
  const { user } = good(await person.GET("/api/auth/me"));
  assert.equal(user?.name, "Toni");
  return person;
}

function codeIn(mails: string): string {
  const texts = readdirSync(mails)
    .filter((name) => name.endsWith(".eml"))
    .map((name) => readFileSync(join(mails, name), "utf8"));
  const code = texts.find((text) => text.includes(`To: ${EMAIL}`))?.match(/^X-Lumi-Code: (\d{6})$/m)?.[1];
  assert.ok(code);
  return code;
}

/** A request whose pictures are there. */
async function madeBy(person: Lumi): Promise<Request> {
  const header = { "Idempotency-Key": "journey-1" };
  const body = { prompt: "a small cat", optimizePrompt: true };
  const { request } = good(await person.POST("/api/requests", { params: { header }, body }));
  const painted = await waitedFor(person, request.id, "IMAGE_COMPLETED");
  assert.deepEqual(painted.images.map((image) => image.index), [0, 1, 2, 3]);
  return painted;
}

/** The request, once it has this status. */
async function waitedFor(person: Lumi, id: string, status: Request["status"]): Promise<Request> {
  for (const until = Date.now() + LONG_ENOUGH; Date.now() < until; await sleep(200)) {
    const request = good(await person.GET("/api/requests/{request_id}", { params: { path: { request_id: id } } }));
    if (request.status === status) return request;
  }
  throw new Error(`never ${status}`);
}

/** The model of one of the pictures; its id. */
async function chosenBy(person: Lumi, request: Request): Promise<string> {
  const { model } = good(await person.POST("/api/models", { body: { requestId: request.id, imageIndex: 2 } }));
  const finished = await waitedFor(person, request.id, "COMPLETED");
  assert.equal(finished.selectedImageIndex, 2);
  assert.equal(finished.model?.id, model.id);
  return model.id;
}

/** Its file in another format. */
async function takenHome(nobody: Lumi, model_id: string): Promise<void> {
  const params = { path: { model_id } };
  const file = good(await nobody.POST("/api/models/{model_id}/download", { params, body: { format: "STL" } }));
  const content = await (await fetch(file.url)).arrayBuffer();
  assert.equal(content.byteLength, file.fileSize);
  assert.equal(good(await nobody.GET("/api/models/{model_id}", { params })).downloadCount, 1);
}

const [url, mails] = process.argv.slice(2);
assert.ok(url && mails);
const nobody = createClient<paths>({ baseUrl: url });
const person = await signedUp(url, nobody, mails);
const model_id = await chosenBy(person, await madeBy(person));
const params = { path: { model_id } };
assert.equal(good(await person.POST("/api/models/{model_id}/publish", { params })).visibility, "PUBLIC");
const gallery = good(await nobody.GET("/api/models/public", { params: { query: { sortBy: "latest" } } }));
assert.ok(gallery.some((model) => model.id === model_id));
assert.deepEqual(good(await person.POST("/api/models/{model_id}/like", { params })), { liked: true, likeCount: 1 });
assert.equal(good(await person.GET("/api/me/liked-models")).length, 1);
await takenHome(nobody, model_id);
const refusal = await nobody.GET("/api/models/{model_id}", { params: { path: { model_id: "none" } } });
assert.ok(refusal.error?.status === "fail" && refusal.error.data.code === "NOT_FOUND");
