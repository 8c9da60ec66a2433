// Server-sent events as they come in.
import type http from "node:http";
import { inTime, until } from "./wait.ts";

export class Events<T> {
  readonly seen: T[] = [];
  /** When each was seen. */
  readonly times: number[] = [];
  /** Of what else there was news, each time. */
  readonly news: string[] = [];
  readonly ended: Promise<void>;
  /** What the stream itself said of its end. */
  endCode: string | null = null;
  readonly #response: http.IncomingMessage;

  constructor(response: http.IncomingMessage) {
    this.#response = response;
    this.ended = this.#read();
  }

  async #read(): Promise<void> {
    let rest = "";
    this.#response.setEncoding("utf8");
    try {
      for await (const chunk of this.#response) {
        const blocks = (rest + chunk).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) this.#take(block);
      }
    } catch {
      // Cut off is ended too.
    }
  }

  #take(block: string): void {
    const end = /^event: end\ndata: (.*)$/.exec(block);
    if (end?.[1]) {
      this.endCode = JSON.parse(end[1]).code;
      return;
    }
    const news = /^event: news\ndata: (.*)$/.exec(block);
    if (news?.[1]) {
      this.news.push(JSON.parse(news[1]).of);
      return;
    }
    const match = /^event: status\ndata: (.*)$/.exec(block);
    if (!match?.[1]) throw new Error(`no event that there is: ${block}`);
    this.seen.push(JSON.parse(match[1]) as T);
    this.times.push(Date.now());
  }

  /** The first event, seen already or to come, that fits. */
  first(what: string, fits: (event: T) => boolean): Promise<T> {
    return until(what, () => this.seen.find(fits), { every: 20 });
  }

  end(within?: number): Promise<void> {
    return inTime("end of the event stream", this.ended, within);
  }

  close(): void {
    this.#response.destroy();
  }
}
