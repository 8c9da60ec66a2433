// Development stand-in for a language model: the wire formats of the three APIs it speaks, whole and streamed.
// Only text; every event and field that the vendors' own clients need, and no more.
import { randomUUID } from "node:crypto";
import { countTokens, pieces } from "./answers.ts";

export interface Completion {
  readonly model: string;
  /** What was asked, all turns together. */
  readonly prompt: string;
  readonly answer: string;
  /** Whether a chat stream ends with a chunk of usage. */
  readonly includeUsage: boolean;
}

export interface StreamEvent {
  /** Name of the event, where the API names them. */
  readonly event?: string;
  readonly data: unknown;
}

/** How one API answers. */
export interface Format {
  whole(completion: Completion): unknown;
  stream(completion: Completion): StreamEvent[];
  /** Last data line of a stream, if the API has one. */
  readonly end: string | null;
}

export const chatCompletions: Format = {
  end: "[DONE]",
  whole(completion) {
    const message = { role: "assistant", content: completion.answer, refusal: null };
    return {
      ...chatHead("chat.completion", completion),
      choices: [{ index: 0, message, logprobs: null, finish_reason: "stop" }],
      usage: chatUsage(completion),
    };
  },
  stream(completion) {
    const head = chatHead("chat.completion.chunk", completion);
    // With usage asked for, each chunk has the field and only the last one has it filled.
    const noUsage = completion.includeUsage ? { usage: null } : {};
    const chunk = (delta: object, finishReason: string | null): StreamEvent => ({
      data: { ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }], ...noUsage },
    });
    return [
      chunk({ role: "assistant", content: "" }, null),
      ...pieces(completion.answer).map((content) => chunk({ content }, null)),
      chunk({}, "stop"),
      ...(completion.includeUsage ? [{ data: { ...head, choices: [], usage: chatUsage(completion) } }] : []),
    ];
  },
};

export const responses: Format = {
  end: null,
  whole(completion) {
    return response(completion, newResponse(), "completed");
  },
  stream(completion) {
    const ids = newResponse();
    const item = { item_id: ids.message, output_index: 0 };
    const part = { ...item, content_index: 0 };
    const events = [
      { type: "response.created", response: response(completion, ids, "in_progress") },
      { type: "response.in_progress", response: response(completion, ids, "in_progress") },
      { type: "response.output_item.added", output_index: 0, item: outputItem(ids, "in_progress", null) },
      { type: "response.content_part.added", ...part, part: outputText("") },
      ...pieces(completion.answer).map((delta) => ({
        type: "response.output_text.delta",
        ...part,
        delta,
        logprobs: [],
      })),
      { type: "response.output_text.done", ...part, text: completion.answer, logprobs: [] },
      { type: "response.content_part.done", ...part, part: outputText(completion.answer) },
      { type: "response.output_item.done", output_index: 0, item: outputItem(ids, "completed", completion.answer) },
      { type: "response.completed", response: response(completion, ids, "completed") },
    ];
    return events.map((data, index) => ({ event: data.type, data: { ...data, sequence_number: index } }));
  },
};

export const anthropicMessages: Format = {
  end: null,
  whole({ model, prompt, answer }) {
    return {
      ...anthropicHead(model),
      content: [{ type: "text", text: answer }],
      stop_reason: "end_turn",
      usage: { input_tokens: countTokens(prompt), output_tokens: countTokens(answer) },
    };
  },
  stream({ model, prompt, answer }) {
    const usage = { input_tokens: countTokens(prompt), output_tokens: 1 };
    const events = [
      { type: "message_start", message: { ...anthropicHead(model), content: [], stop_reason: null, usage } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "ping" },
      ...pieces(answer).map((text) => ({
        type: "content_block_delta",
        index: 0,
        delta: { type: "text_delta", text },
      })),
      { type: "content_block_stop", index: 0 },
      {
        type: "message_delta",
        delta: { stop_reason: "end_turn", stop_sequence: null },
        usage: { output_tokens: countTokens(answer) },
      },
      { type: "message_stop" },
    ];
    return events.map((data) => ({ event: data.type, data }));
  },
};

function chatHead(object: string, { model }: Completion): object {
  return { id: newId("chatcmpl-"), object, created: seconds(), model };
}

function chatUsage({ prompt, answer }: Completion): object {
  const [promptTokens, completionTokens] = [countTokens(prompt), countTokens(answer)];
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

interface ResponseIds {
  readonly response: string;
  readonly message: string;
  readonly createdAt: number;
}

function newResponse(): ResponseIds {
  return { response: newId("resp_"), message: newId("msg_"), createdAt: seconds() };
}

function response(completion: Completion, ids: ResponseIds, status: "in_progress" | "completed"): object {
  const done = status === "completed";
  return {
    id: ids.response,
    object: "response",
    created_at: ids.createdAt,
    status,
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    model: completion.model,
    output: done ? [outputItem(ids, status, completion.answer)] : [],
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: "auto",
    tools: [],
    top_p: 1,
    usage: done ? responseUsage(completion) : null,
  };
}

function outputItem(ids: ResponseIds, status: string, text: string | null): object {
  return {
    id: ids.message,
    type: "message",
    status,
    role: "assistant",
    content: text === null ? [] : [outputText(text)],
  };
}

function outputText(text: string): object {
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

function responseUsage({ prompt, answer }: Completion): object {
  const [input, output] = [countTokens(prompt), countTokens(answer)];
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input + output,
  };
}

function anthropicHead(model: string): object {
  return { id: newId("msg_"), type: "message", role: "assistant", model, stop_sequence: null };
}

function newId(prefix: string): string {
  return prefix + randomUUID().replaceAll("-", "");
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
