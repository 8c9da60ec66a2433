// A tiny OpenAI-compatible model for tests: streams back what the last user message said.
import http from "node:http";

/** @param {any} content */
function textOf(content) {
  if (typeof content === "string") return content;
  return Array.isArray(content) ? content.map((part) => part?.text ?? "").join(" ") : "";
}

/**
 * OpenClaw sends context of its own as user messages too, and puts some around what the user wrote.
 * @param {any[]} messages
 */
function lastSaid(messages) {
  const said = messages.filter((message) => message.role === "user").map((message) => textOf(message.content));
  const last = said.filter((text) => !text.includes("OPENCLAW_INTERNAL_CONTEXT")).at(-1) ?? "";
  return last.split("\n\n").findLast((part) => !part.startsWith("Runtime:") && !part.includes("openclaw:ctx"));
}

/**
 * @param {object} [options]
 * @param {object} [options.catalog] what a ClawRouter answers to who asks for its models
 * @param {() => Promise<void>} [options.hold] what an answer waits for
 */
export async function startModel({ catalog, hold = async () => {} } = {}) {
  /** @type {Set<string | undefined>} */
  const keys = new Set();
  /** @type {string[]} */
  const requests = [];
  /** Which key came with which path, oldest first. @type {{path: string | undefined, key: string | undefined}[]} */
  const calls = [];
  const server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", async () => {
      keys.add(request.headers.authorization);
      requests.push(`${request.method} ${request.url}`);
      calls.push({ path: request.url, key: request.headers.authorization });
      if (catalog && request.url === "/v1/catalog") {
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(catalog));
        return;
      }
      if (!request.url?.endsWith("/chat/completions")) {
        response.writeHead(404, { "content-type": "application/json" }).end("{}");
        return;
      }
      const input = JSON.parse(body);
      await hold();
      const text = `You said: ${lastSaid(input.messages)}`;
      const base = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: input.model };
      response.writeHead(200, { "content-type": "text/event-stream" });
      const send = (/** @type {object} */ event) =>
        response.write(`data: ${JSON.stringify({ ...base, ...event })}\n\n`);
      send({ choices: [{ index: 0, delta: { role: "assistant", content: text }, finish_reason: null }] });
      send({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
      send({ choices: [], usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 } });
      response.end("data: [DONE]\n\n");
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = server.address();
  const port = address && typeof address === "object" ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    keys,
    requests,
    calls,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
